"""Keeps the finished cells of studies by their content: a killed study goes on, and a wider one trains less."""

import hashlib
import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from miseducation.errors import InputError
from miseducation.project import code, parts
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.studies.cells import Outcome

# Ignored by git, and safe to lose. `dvc exp run --temp` and `--queue` run in a copy of the work tree, DVC_ROOT.
STORE = Path(os.environ.get("DVC_ROOT", "."), ".dvc/tmp/studies.db")
OURS = "miseducation/studies/cells.py"


class Keys:
    """Names each measurement of each cell by all that its outcome depends on."""

    def __init__(self, bench: Bench) -> None:
        self._shared = [
            {path.name: _digest(path) for path in sorted(bench.folder.glob("*.npy"))},
            bench.train.classes,
            bench.learning.model_dump(),
            bench.compute.model_dump(),
            # Another kind of processor rounds otherwise.
            [platform.machine(), torch.backends.cpu.get_cpu_capability()],
            [version(package) for package in ("torch", "torchvision", "numpy")],
        ]
        self._arms = [self._of_arm(arm, bench.learning.network) for arm in bench.arms]

    def __call__(self, cell: Cell, measurement: str) -> str:
        """The name of what is measured of a cell, a SHA-256."""
        how = _code([f"{parts.folder('measurements')}/{measurement}.py"])
        content = [self._shared, self._arms[cell.arm], float(cell.rate), float(cell.cover), cell.seed, how]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @staticmethod
    def _of_arm(arm: Arm, network: str) -> object:
        chosen = {"attacks": arm.section.name, "channels": arm.section.channel, "networks": network}
        run = _code([OURS, *(f"{parts.folder(kind)}/{name}.py" for kind, name in chosen.items())])
        # The images say what no knob may: a picture that the trigger was made of.
        scored = arm.triggered.images, arm.triggered.labels, arm.attackable
        seen = [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in scored]
        knobs = [part.model_dump(mode="json") for part in (arm.attack, arm.channel)]
        # A label that the map does not need, and the surrogate, which the attack itself knows of, change no cell.
        section = arm.section.model_dump(include={"name", "mode", "channel", "label_map"})
        return [section, astuple(arm.label_map), knobs, run, seen]


class CellStore:
    """A SQLite file, which may be lost: the cells are trained again then. Its folder is made.

    Raises:
        InputError: If the file cannot be read or written, or is no such store.
    """

    def __init__(self, path: Path = STORE) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._opened() as database:
            # What is written survives a killed process, and costs a fraction of a millisecond.
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, outcome TEXT NOT NULL)")

    def get(self, keys: Iterable[str]) -> dict[str, Outcome]:
        """The outcomes that are known."""
        with self._opened() as database:
            found = {key: database.execute("SELECT outcome FROM cells WHERE key = ?", [key]).fetchone() for key in keys}
        rows = {key: Outcome(*json.loads(row[0])) for key, row in found.items() if row}
        return {key: outcome._replace(warned=tuple(outcome.warned)) for key, outcome in rows.items()}

    def put(self, outcomes: dict[str, Outcome]) -> None:
        """Keeps outcomes, all or none."""
        with self._opened() as database:
            rows = [(key, json.dumps(outcome)) for key, outcome in outcomes.items()]
            database.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?)", rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as database, database:
                yield database
        except sqlite3.OperationalError as error:  # a full disk, a folder that is read-only
            raise InputError(f"{self.path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise InputError(f"{self.path}: {error}; without this file, all cells are trained again") from None


def _code(files: list[str]) -> dict[str, str]:
    """The digest of each file of ours that these import."""
    return {path: _digest(code.ROOT / path) for path in sorted(code.imported(files))}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
