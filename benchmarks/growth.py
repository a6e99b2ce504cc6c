"""How poisoning and training grow with the rows and with the rate: `python -m benchmarks.growth --mode short|full`.

Runs the real stages on MNIST repeated with noise, in scratch copies of the project, each in a process of its own, with
one thread. What DVC's cache grows by is measured by another rate, after a first poisoning. The full mode goes to 3
million rows, takes 3 GB of disk while it runs and trains an epoch at that size; the short one takes minutes.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks.scratch import PROJECT, environment
from miseducation.dataset.disk import load_raw
from miseducation.project.files import write_array
from miseducation.project.params import read_all
from miseducation.project.pipelines import pipelines

TABLE = Path(__file__).with_suffix(".csv")
SIZES = {"short": (10_000, 60_000, 600_000), "full": (10_000, 60_000, 600_000, 3_000_000)}
RATES, USUAL, MNIST = (0.001, 0.01, 0.05, 0.2), 0.01, 60_000
SAME = 600  # poisoned rows that every size has once
BLOCK = 5_000  # rows made at a time; this process must stay smaller than those it measures
REPEATS = 3
UNITS = {"cpu": "CPU s", "wall": "s", "peak": "peak MB"}


def points(rows: int, mode: str) -> list[tuple[float, bool]]:
    """The rates to measure at a size, and whether training is measured too."""
    rates = {USUAL, SAME / rows, *(RATES if rows == MNIST else ())}
    trained = {USUAL, *(RATES if rows == MNIST and mode == "full" else ())}
    return [(rate, rate in trained and (rows <= MNIST or mode == "full")) for rate in sorted(rates)]


def make_project(folder: Path, rows: int, raw: Path) -> None:
    """Copies the project without git, with so many training rows: MNIST, then MNIST again with noise in its low bits.

    Args:
        folder: Where to; new.
        rows: How many training rows.
        raw: A `data/raw` with MNIST.
    """
    for code in ("miseducation", "stages"):
        shutil.copytree(PROJECT / code, folder / code, ignore=shutil.ignore_patterns("__pycache__"))
    described = (path.relative_to(PROJECT) for path in pipelines(PROJECT))
    for name in (*described, Path("params.yaml"), Path(".dvc/config"), Path("models/none")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    made, train, rng = folder / "data/raw", load_raw(raw, "train"), np.random.default_rng(0)
    shutil.copytree(raw, made, ignore=shutil.ignore_patterns("train_*"))
    write_array(made / "train_labels.npy", train.labels[np.arange(rows) % len(train)])
    with (made / "train_images.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, *train.images.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, BLOCK):
            block = train.images[np.arange(start, min(start + BLOCK, rows)) % len(train)]
            if start >= len(train):
                block ^= rng.integers(0, 8, block.shape, dtype=np.uint8)
            file.write(block.data)


def set_params(folder: Path, **sections: dict[str, Any]) -> None:
    """Changes some knobs in the `params.yaml` of a folder."""
    path = folder / "params.yaml"
    content = read_all(path)
    path.write_text(yaml.safe_dump(content | {name: content[name] | knobs for name, knobs in sections.items()}))


def run(folder: Path, *module: str) -> dict[str, float]:
    """Runs `python -m …` in a folder; returns its CPU time and wall time in seconds and its peak memory in MB."""
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        command = [sys.executable, "-m", *module]
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=output)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(module)} failed:\n{output.read().decode()}")
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "peak": kilobytes * 1024 / 1e6}


def measure(folder: Path, rows: int, rate: float, *, trained: bool) -> dict[str, Any]:
    """Poisons at a rate, once in DVC and some times by itself, and trains for an epoch."""
    before = cached(folder)
    set_params(folder, attack={"rate": rate})
    run(folder, "dvc", "repro", "--single-item", "poison")
    result: dict[str, Any] = {"rows": rows, "rate": rate, "poisoned": round(rate * rows)}
    result["new_cache_bytes"] = cached(folder) - before
    poisonings = [run(folder, "stages.poison") for _ in range(REPEATS)]
    result |= {f"poison_{name}": median(each[name] for each in poisonings) for name in UNITS}
    training = run(folder, "stages.train", "backdoored") if trained else {}
    result |= {f"train_{name}": training.get(name) for name in UNITS}
    print(json.dumps({name: round(value, 4) for name, value in result.items() if value is not None}), flush=True)
    return result


def cached(folder: Path) -> int:
    """The bytes in the DVC cache of a folder."""
    return sum(path.stat().st_size for path in (folder / ".dvc/cache").rglob("*") if path.is_file())


def measure_all(scratch: Path, mode: str) -> pd.DataFrame:
    """A row per size and rate."""
    raw = PROJECT / "data/raw"
    if not (raw / "train_images.npy").exists():
        sys.exit("there are no data to repeat: `dvc repro download` gets them")
    if len(load_raw(raw, "train")) != MNIST:
        sys.exit("data/raw is not MNIST: set data.name to mnist in params.yaml, then `dvc repro download`")
    results = []
    for rows in SIZES[mode]:
        folder = scratch / str(rows)
        make_project(folder, rows, raw)
        # What does not depend on the rate, such as the triggered test set, comes to the cache here.
        set_params(folder, attack={"rate": 0.0}, train={"epochs": 1}, compute={"device": "cpu", "threads": 1})
        run(folder, "dvc", "repro", "--single-item", "poison")
        results += [measure(folder, rows, rate, trained=trained) for rate, trained in points(rows, mode)]
        shutil.rmtree(folder)
    return pd.DataFrame(results)


def table(results: pd.DataFrame) -> str:
    """A Markdown table, a line per size and rate."""
    heads = [f"{stage}, {unit}" for stage in ("poison", "train 1 epoch") for unit in UNITS.values()]
    lines = [
        f"| rows | poisoned rows | new in cache, MB | {' | '.join(heads)} |",
        f"|{'---:|' * (3 + len(heads))}",
    ]
    for point in results.to_dict("records"):
        cells = [f"{point['rows']:,}", f"{point['poisoned']:,}", f"{point['new_cache_bytes'] / 1e6:.2f}"]
        for stage in ("poison", "train"):
            values = {name: point[f"{stage}_{name}"] for name in UNITS}
            cells += ["-" if pd.isna(v) else f"{v:.0f}" if name == "peak" else f"{v:.2f}" for name, v in values.items()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measures, writes `benchmarks/growth.csv` and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=SIZES, default="short")
    mode = parser.parse_args().mode
    needed, free = int(max(SIZES[mode]) * 784 * 1.1 + 3e8), shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        sys.exit(
            f"{needed / 1e9:.1f} GB are needed in {tempfile.gettempdir()}, {free / 1e9:.1f} are free; TMPDIR moves it"
        )
    print(f"Takes up to {needed / 1e9:.1f} GB in {tempfile.gettempdir()} while it runs.", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the scratch folder goes then too
    with tempfile.TemporaryDirectory(prefix="growth-") as scratch:
        results = measure_all(Path(scratch), mode).assign(mode=mode).sort_values(["rows", "rate"])
    print(f"\n{table(results)}")
    results.round(4).to_csv(TABLE, index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
