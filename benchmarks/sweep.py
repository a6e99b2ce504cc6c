"""What a study costs beside the training: `python -m benchmarks.sweep --mode short|full`.

Runs `python -m stages.study dose` in fresh copies of the project: with 200 cells of the digits, each a fraction of a
second's training, on each engine that is installed, and as it stands in `params.yaml`, on the work tree's data. All
that the stage does is counted, from the start of Python to the figures, but neither DVC nor MLflow: what it takes
longer than its training alone would on as many processes is overhead.
"""

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import yaml

from benchmarks.pipeline import copy, run
from benchmarks.scratch import PROJECT
from benchmarks.tables import markdown, spread
from miseducation.project import parts
from miseducation.project.files import read_json
from miseducation.project.params import read_all

TABLE = Path(__file__).with_suffix(".csv")
REPEATS = {"short": 1, "full": 3}
TINY: dict[str, dict[str, Any]] = {
    "studies.dose": {
        "datasets": ["digits"],
        "rates": [0, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2],
        "seeds": list(range(1, 21)),
    },
    "train": {"epochs": 1, "batch_size": 160},
}


def set_params(folder: Path, sections: dict[str, dict[str, Any]]) -> None:
    """Changes knobs in a copy's `params.yaml`."""
    path = folder / "params.yaml"
    content = read_all(path)
    for section, knobs in sections.items():
        reduce(getitem, section.split("."), content).update(knobs)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def study_work_tree(folder: Path) -> None:
    """Gives the study the data set that the work tree has, without a download."""
    name = read_json(folder / "data/raw/source.json")["name"]
    shutil.copytree(folder / "data/raw", folder / "data/studies/dose" / name)
    set_params(folder, {"studies.dose": {"datasets": [name]}})


def measure(repeat: int) -> list[dict[str, object]]:
    """Runs the study once each way, and once more where all cells are known."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="sweep-") as scratch:
        folder = Path(scratch)
        copy(folder)
        study_work_tree(folder)
        rows.append(study(folder, "the study dose", "joblib", repeat))
        set_params(folder, TINY)
        run(folder, "python", "-m", "stages.fetch", "dose")
        for engine in filter(importlib.util.find_spec, parts.names("engines")):
            forget(folder)
            rows.append(study(folder, "tiny models", engine, repeat))
        rows.append(study(folder, "tiny models, all known", "joblib", repeat))
    return rows


def study(folder: Path, what: str, engine: str, repeat: int) -> dict[str, object]:
    """Runs the stage; what was trained before this is no training of its."""
    os.environ["STUDY_ENGINE"] = engine
    known = set(times(folder))
    _, wall, cpu = run(folder, "python", "-m", "stages.study", "dose")
    after = times(folder)
    training, processes = sum(set(after) - known), joblib.cpu_count()
    row = {"what": what, "engine": engine, "repeat": repeat, "cells": len(after), "processes": processes}
    row |= {"wall_s": wall, "cpu_s": cpu, "training_s": training}
    row["overhead_ms"] = 1000 * (wall - training / processes) / len(after)
    print(f"{what}, {engine}: {wall:.1f} s; besides the training {row['overhead_ms']:.1f} ms per cell", flush=True)
    return row


def times(folder: Path) -> list[float]:
    """The seconds of training of each cell, to the nanosecond, so that no two are alike."""
    path = folder / "metrics/dose/timing.csv"
    return list(pd.read_csv(path)["training_seconds"]) if path.is_file() else []


def forget(folder: Path) -> None:
    """Deletes the store of finished cells."""
    for path in (folder / ".dvc/tmp").glob("studies.db*"):
        path.unlink()


def table(results: pd.DataFrame) -> str:
    """A Markdown table: for each kind of study medians (lowest - highest)."""
    rows = [
        {
            "": what,
            "engine": engine,
            "cells": group["cells"].iloc[0],
            "processes": group["processes"].iloc[0],
            "wall s": spread(group["wall_s"], digits=1),
            "training s, of all processes": spread(group["training_s"], digits=1),
            "besides the training, ms per cell": spread(group["overhead_ms"], digits=1),
            "CPU s": spread(group["cpu_s"], digits=1),
        }
        for (what, engine), group in results.groupby(["what", "engine"], sort=False)
    ]
    return markdown(pd.DataFrame(rows))


def main() -> None:
    """Measures, writes `benchmarks/sweep.csv`, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=REPEATS, default="short", help="full repeats more often")
    mode = parser.parse_args().mode
    if not (PROJECT / "data/raw/train_images.npy").exists():
        sys.exit("there are no data to work on: `dvc repro download` gets them")
    results = pd.DataFrame([row for repeat in range(1, REPEATS[mode] + 1) for row in measure(repeat)])
    results.round(3).to_csv(TABLE, index=False, lineterminator="\n")
    print(f"\n{table(results)}\n\nEach run: {TABLE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
