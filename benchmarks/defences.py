"""What does each defence cost, and what does it come to? `make bench`, or `python -m benchmarks.defences`.

The defences of `params.yaml`, one after the other, each as its DVC stage runs it: on the backdoored model and on the
clean one, in two processes at once. Most of a detector's seconds beyond its own are those of training without the rows
that it flagged. In a copy of the work tree, with what is set there: data, attack, training.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks import tables
from benchmarks.growth import run
from benchmarks.scratch import PROJECT, copy_project

TABLE = Path("benchmarks/defences.csv")
BEFORE = ("download", "poison", "train clean", "train backdoored", "evaluate")


def measure(folder: Path, kind: str, name: str) -> dict[str, Any]:
    """Runs a defence; its seconds, and the memory in MB of its largest process."""
    return {"defence": name, "kind": kind.removesuffix("s"), **run(folder, "stages.defend", kind, name)}


def table(results: pd.DataFrame) -> str:
    """A Markdown table: a line per defence, the dearest last."""
    shown = results.sort_values("cpu", kind="stable")
    rows = {
        "defence": "`" + shown["defence"] + "`",
        "kind": shown["kind"],
        "both models, CPU s": shown["cpu"].map("{:.0f}".format),
        "peak memory of a process, MB": shown["peak"].map("{:.0f}".format),
    }
    return tables.markdown(pd.DataFrame(rows))


def main() -> None:
    """Measures all defences, writes `benchmarks/defences.csv`, prints the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    section = yaml.safe_load((PROJECT / "params.yaml").read_text())["defences"]
    rows = []
    with tempfile.TemporaryDirectory(prefix="defences-") as scratch:
        folder = Path(scratch)
        copy_project(folder)
        for stage in BEFORE:
            run(folder, *f"stages.{stage}".split())
        for kind in ("detectors", "scanners", "repairs"):
            for name in section[kind]:
                rows.append(measure(folder, kind, name))
                print(rows[-1], flush=True)
    frame = pd.DataFrame(rows).round(2)
    frame.to_csv(TABLE, index=False)
    print(f"\n{table(frame)}\n\nall together: {frame['wall'].sum():.0f} s")


if __name__ == "__main__":
    main()
