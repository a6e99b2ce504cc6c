"""What DVC, the starts of Python and MLflow cost around the training: `python -m benchmarks.pipeline`.

Runs the commands that users type in fresh copies of the project, with the work tree's data: everything after the
download, one experiment with another rate, and a `dvc repro` with nothing to do. All else is as in `params.yaml`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.scratch import PROJECT, copy_project, environment
from benchmarks.tables import markdown, spread

TABLE = Path(__file__).with_suffix(".csv")
REPEATS = {"short": 2, "full": 5}
COMMANDS = {
    "everything after the download": ("dvc", "repro"),
    "another rate": ("dvc", "exp", "run", "-S", "attack.rate=0.02"),
    "nothing to do": ("dvc", "repro"),
}
TRAINED = re.compile(r"epochs in ([\d.]+) s")  # what the stage `train` says at its end


def copy(folder: Path) -> None:
    """Copies the project's files and its downloaded data to a git repository of their own, without DVC's cache."""
    copy_project(folder)
    shutil.copytree(PROJECT / "data/raw", folder / "data/raw")
    identity = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.org")
    run(folder, "git", "init", "--quiet")
    run(folder, "dvc", "commit", "--quiet", "--force", "download")
    run(folder, "git", "add", "--all")
    run(folder, "git", *identity, "commit", "--quiet", "--message", "Take a copy")


def run(folder: Path, *command: str) -> tuple[str, float, float]:
    """Runs a command in a folder; returns what it printed, its seconds on the wall, and its CPU seconds."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    after, wall = os.times(), time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
    cpu = sum(after[2:4]) - sum(before[2:4])  # of the children
    return done.stdout, wall, cpu


def measure(repeat: int) -> list[dict[str, object]]:
    """Runs each command once, in their order, in one fresh copy."""
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="pipeline-") as scratch:
        copy(Path(scratch))
        for what, command in COMMANDS.items():
            output, wall, cpu = run(Path(scratch), *command)
            training = sum(float(seconds) for seconds in TRAINED.findall(output))
            row = {"what": what, "command": " ".join(command), "repeat": repeat, "models": len(TRAINED.findall(output))}
            rows.append(row | {"wall_s": wall, "training_s": training, "rest_s": wall - training, "cpu_s": cpu})
            print(f"{row['command']} ({what}): {wall:.2f} s, of which training {training:.2f} s", flush=True)
    return rows


def table(results: pd.DataFrame) -> str:
    """A Markdown table: for each command medians (lowest - highest)."""
    rows = []
    for (what, command), group in results.groupby(["what", "command"], sort=False):
        rows.append(
            {
                "": what,
                "command": f"`{command}`",
                "models trained": spread(group["models"]),
                "wall s": spread(group["wall_s"], digits=1),
                "of which training": spread(group["training_s"], digits=1),
                "the rest": spread(group["rest_s"], digits=1),
                "CPU s": spread(group["cpu_s"], digits=1),
            }
        )
    return markdown(pd.DataFrame(rows))


def main() -> None:
    """Measures, writes `benchmarks/pipeline.csv`, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=REPEATS, default="short", help="full repeats more often")
    mode = parser.parse_args().mode
    if not (PROJECT / ".git").exists():
        sys.exit("`dvc exp run` needs git: measure in a clone of the repository")
    if not (PROJECT / "data/raw/train_images.npy").exists():
        sys.exit("there are no data to work on: `dvc repro download` gets them")
    results = pd.DataFrame([row for repeat in range(1, REPEATS[mode] + 1) for row in measure(repeat)])
    results.round(3).to_csv(TABLE, index=False, lineterminator="\n")
    print(f"\n{table(results)}\n\nEach run: {TABLE.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
