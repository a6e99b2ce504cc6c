"""How good and how dear are the networks on small photographs? `make bench CIFAR10=… GTSRB=…`, either or both.

The data are yours to bring: CIFAR-10 as a folder of pictures (see `datasets.folder` in `params.yaml`), GTSRB as people
have it (see `datasets.gtsrb`), or either as an `.npz` file (see `datasets.arrays`). Their path comes by the
environment; a data set without one is left out. Each network learns a clean and a backdoored set (BadNets, a white
square, 1 % poison) in two processes at once, on one thread each, by the training loop of the stage `train`.
"""

import argparse
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from benchmarks import tables, training
from benchmarks.growth import run, set_params
from benchmarks.scratch import copy_project
from benchmarks.tables import spread

TABLE = Path("benchmarks/photographs.csv")
ATTACK = {"name": "badnets", "rate": 0.01, "mode": "replace", "cover": 0, "channel": "direct", "surrogate": "none"}
VICTIMS = {"label_map": "all-to-one", "target": 0}
TRIGGER = {"pixels": [], "patch": {"position": [24, 24], "shape": [3, 3]}, "colour": 255}
USUAL = {"batch_size": 128, "learning_rate": 0.004, "processes": 1}
# What reads a folder, and by which knobs; `arrays` reads an `.npz` file.
READERS: dict[str, tuple[str, dict[str, Any]]] = {
    "GTSRB": ("gtsrb", {"folder": None, "training": "final"}),
    "CIFAR10": ("folder", {"path": None}),
}
# A mirrored sign is another sign, or none.
TASKS: dict[str, dict[str, Any]] = {
    "GTSRB": {"epochs": 4, "label_smoothing": 0.02, "weight_decay": 0, "augment": ["shift"]},
    "CIFAR10": {"epochs": 13, "label_smoothing": 0.1, "weight_decay": 0.3, "augment": ["flip", "shift"]},
}


class Contestant(NamedTuple):
    """A network: how the table calls it, its `train.network`, and the file of `contestants` that trains it."""

    name: str
    network: str
    file: str = "ours"


CONTESTANTS = (
    Contestant("`cnn`", "cnn"),
    Contestant("`resnet9`", "resnet9"),
    Contestant("torchvision's ResNet-18", "resnet18", "torchvision_resnet18"),
)


def reader(data: str, path: Path) -> tuple[str, dict[str, Any]]:
    """The `data.name` that reads a task's data from a path, and its knobs."""
    name, knobs = ("arrays", {"path": None}) if path.suffix == ".npz" else READERS[data]
    return name, {knob: value or str(path) for knob, value in knobs.items()}


def prepare(folder: Path, data: str, path: Path) -> None:
    """Makes a copy of the project with a task's data of a path, poisoned."""
    copy_project(folder)
    name, knobs = reader(data, path)
    set_params(folder, data={"name": name}, datasets={name: knobs})
    set_params(folder, attack={**ATTACK, **VICTIMS}, attacks={"badnets": TRIGGER})
    for stage in ("download", "poison"):
        run(folder, f"stages.{stage}")


def measure(folder: Path, contestant: Contestant, task: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Trains both models of a contestant, side by side; a row each."""
    set_params(folder, train={**USUAL, **task, "network": contestant.network})
    models = [training.Task(contestant.file, model, seed=1) for model in training.MODELS]
    with ThreadPoolExecutor(len(models)) as pool:
        for row in pool.map(partial(training.run, mode="full", jobs=len(models), folder=folder), models):
            yield {**row, "contestant": contestant.name}


def table(results: pd.DataFrame) -> str:
    """A Markdown table: a line per data set and network."""
    rows = []
    for (data, name), group in results.groupby(["data", "contestant"], sort=False):
        clean, backdoored = (group[group["model"] == model] for model in training.MODELS)
        rows.append(
            {
                "data": data,
                "network": name,
                "epochs": spread(group["epochs"]),
                "both at once, wall s": f"{group['train_wall_s'].max():.0f}",
                "both, CPU s": f"{group['train_cpu_s'].sum():.0f}",
                "peak memory of each, MB": f"{group['peak_rss_mb'].max():.0f}",
                "clean model, accuracy, %": spread(clean["clean_accuracy"] * 100, digits=2),
                "backdoored model, accuracy, %": spread(backdoored["clean_accuracy"] * 100, digits=2),
                "attack success rate, %": spread(backdoored["attack_success_rate"] * 100, digits=2),
                "the same, clean model, %": spread(clean["attack_success_rate"] * 100, digits=2),
            }
        )
    return tables.markdown(pd.DataFrame(rows))


def main() -> None:
    """Measures what there are data for, renews its rows in `benchmarks/photographs.csv`, prints the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    given = {data: os.environ[data] for data in TASKS if os.environ.get(data)}
    for data in (data for data in TASKS if data not in given):
        print(f"{data} is left out: {data}=… gives the path of its folder or .npz file")
    for data, path in given.items():
        rows = []
        with tempfile.TemporaryDirectory(prefix="photographs-") as scratch:
            prepare(Path(scratch), data, Path(path).expanduser().resolve())
            for contestant in CONTESTANTS:
                for row in measure(Path(scratch), contestant, TASKS[data]):
                    rows.append({"data": data, **row})
                    print({name: rows[-1][name] for name in ("data", *training.KEY, "clean_accuracy")}, flush=True)
                tables.renew(TABLE, pd.DataFrame(rows), "data")
    if given:
        print(f"\n{table(pd.read_csv(TABLE))}\n\nEach run: {TABLE}")


if __name__ == "__main__":
    main()
