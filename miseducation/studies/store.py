"""Keeps the finished cells of studies by their content: a killed study goes on, and a wider one trains less."""

import hashlib
import json
import os
import platform
import sqlite3
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from pydantic import FiniteFloat, TypeAdapter, ValidationError

from miseducation.errors import InputError
from miseducation.project import code, own_files, parts
from miseducation.project.messages import cut
from miseducation.studies import measurements
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.studies.cells import Outcome

# Ignored by git, and safe to lose. `dvc exp run --temp` and `--queue` run in a copy of the work tree, DVC_ROOT.
STORE = Path(os.environ.get("DVC_ROOT", "."), ".dvc/tmp/studies.db")
Found: TypeAlias = dict[str, int | FiniteFloat]
OUTCOME = TypeAdapter(tuple[Found, FiniteFloat, FiniteFloat, FiniteFloat, tuple[str, ...]])  # as JSON has it
OURS = "miseducation/studies/cells.py"
# What is wrong with the disk, or for a while, and not with the file.
ELSEWHERE = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM),
}


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
        self._measured: dict[str, list[object]] = {}
        self._bench = bench
        self._arms = [self._of_arm(arm, bench.learning.network) for arm in bench.arms]

    def __call__(self, cell: Cell, measurement: str) -> str:
        """The name of what is measured of a cell, a SHA-256."""
        if measurement not in self._measured:
            self._measured[measurement] = self._of_measurement(measurement)
        how = self._measured[measurement]
        content = [self._shared, self._arms[cell.arm], float(cell.rate), float(cell.cover), cell.seed, *how]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _of_measurement(self, name: str) -> list[object]:
        measurement = measurements.find(name)
        files = [f"{parts.folder('measurements')}/{measurements.file_of(name)}.py", *measurement.code]
        return [_code(files), *measurement.knobs(self._bench)]

    @staticmethod
    def _of_arm(arm: Arm, network: str) -> object:
        chosen = {"attacks": arm.section.name, "channels": arm.section.channel, "networks": network}
        run = _code([OURS, *(f"{parts.folder(kind)}/{name}.py" for kind, name in chosen.items())])
        scored = arm.triggered.images, arm.triggered.labels, arm.attackable, arm.decoys
        seen = [hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for array in scored]
        knobs = [part.model_dump(mode="json") for part in (arm.attack, arm.channel)]
        # A label that the map does not need, and the surrogate, which the attack itself knows of, change no cell.
        section = arm.section.model_dump(include={"name", "mode", "channel", "label_map"})
        # What no knob says: a picture that the trigger is made of. It may show in training only.
        files = own_files.digests("attack", arm.attack.model_dump())
        return [section, astuple(arm.label_map), knobs, run, seen, *([files] if files else [])]


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
        """The outcomes that are known. A damaged one is not: it is warned of, and its cell is trained again."""
        with self._opened() as database:
            rows = {key: database.execute("SELECT outcome FROM cells WHERE key = ?", [key]).fetchone() for key in keys}
        found = {key: _outcome(row[0]) for key, row in rows.items() if row}
        known = {key: outcome for key, outcome in found.items() if outcome}
        if damaged := len(found) - len(known):
            warnings.warn(f"{self.path}: {damaged} damaged results; their cells are trained again", stacklevel=2)
        return known

    def put(self, outcomes: dict[str, Outcome]) -> None:
        """Keeps outcomes, all or none."""
        with self._opened() as database:
            rows = [(key, json.dumps(outcome)) for key, outcome in outcomes.items()]
            database.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?)", rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as database, database:
                database.text_factory = partial(
                    str, encoding="utf-8", errors="surrogateescape"
                )  # a damaged row, no error
                yield database
        except sqlite3.DatabaseError as error:
            number = getattr(error, "sqlite_errorcode", 0) & 0xFF
            advice = "" if number in ELSEWHERE else "; without this file, all cells are trained again"
            raise InputError(f"{self.path}: {cut(str(error))}{advice}") from None


def _outcome(row: object) -> Outcome | None:
    """What a row tells; None if it is not as `put` writes it."""
    try:
        return Outcome(*OUTCOME.validate_json(str(row), strict=True))
    except ValidationError:
        return None


def _code(files: list[str]) -> dict[str, str]:
    """The digest of each file of ours that these import."""
    return {path: _digest(code.ROOT / path) for path in sorted(code.imported(files))}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
