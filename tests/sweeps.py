"""Small real sweeps, and what tests look at in them and do to them."""

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import psutil

from tests.conftest import Project

SWEEP = ("dvc", "repro", "sweep/dvc.yaml:sweep")
STABLE = ["sweep.csv", "sweep_summary.csv", "sweep_failed.csv", "dose.json", "sweep.png"]
TRAINING = {"epochs": 4, "batch_size": 32, "learning_rate": 0.01}


def sweeping(folder: Path, **sweep: Any) -> Project:
    project = Project(folder)
    project.set_params(train=TRAINING, sweep={"rates": [0, 0.02, 0.1], "seeds": [1, 2], **sweep})
    project.commit()
    return project


def swept_project(folder: Path) -> Project:
    """A project in which the pipeline and a sweep have run."""
    project = sweeping(folder)
    project("dvc", "repro")  # `dvc exp apply` wants all that dvc.yaml names
    project(*SWEEP)
    project.commit()
    return project


def table(project: Project, name: str = "sweep") -> pd.DataFrame:
    return pd.read_csv(project.folder / f"metrics/{name}.csv")


def stable(project: Project) -> dict[str, bytes]:
    return {name: (project.folder / "metrics" / name).read_bytes() for name in STABLE}


def outcomes(project: Project) -> list[Any]:
    """What the store of a project holds, read as another program would."""
    path = project.folder / ".dvc/tmp/sweep.db"
    if not path.is_file():
        return []
    with closing(sqlite3.connect(path, timeout=10)) as database:
        try:
            return [json.loads(row[0]) for row in database.execute("SELECT outcome FROM cells")]
        except sqlite3.OperationalError:  # the table is about to be made
            return []


def process(parent: int, command: str) -> psutil.Process:
    """The Python process among a process's descendants that runs a command."""
    found: list[psutil.Process] = []

    def look() -> bool:
        for child in psutil.Process(parent).children(recursive=True):
            try:
                if child.name().startswith("python") and f"-m {command}" in " ".join(child.cmdline()):
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return bool(found)

    wait_for(look)
    return found[0]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(worker: psutil.Process) -> bool:
    try:
        return worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
