"""A finished result as it lies in a folder: DVC's record of it, and the outputs named there."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from miseducation.project.messages import cut
from miseducation.tracking import checks
from miseducation.tracking.checks import BYTES, FILES, VALUES, MalformedError
from miseducation.tracking.checks import IncompleteError as IncompleteError

# Of these outputs, and those in these folders, MLflow gets a copy; the same relative paths hold them in the work tree,
# in git + DVC, and as MLflow artefacts. The images are many, and can be made again.
KEPT = ("metrics", "models", "data/poisoned/manifest.csv")


class Input(NamedTuple):
    """Data that a result came from: what it is, DVC's path and MD5, and what it was used for."""

    name: str
    path: str
    md5: str
    context: str


class Model(NamedTuple):
    """A model of a result: its name, DVC's path and MD5, what to say of it, and what to register it as."""

    name: str
    path: str
    md5: str
    tags: dict[str, str]
    registered: str = ""


class Tie(NamedTuple):
    """What a figure was measured of: the name of a model, and that of an input."""

    model: str
    data: str


class Timing(NamedTuple):
    """When something began, in milliseconds since 1970, and how long it took."""

    began: int
    seconds: float


class CellResult(NamedTuple):
    """What one cell of a study came to.

    Attributes:
        name: Distinct within it.
        params: Those that a run of the pipeline for this cell would have.
        metrics: The scores that there are, the attack success rate first.
        reason: Why it failed, if it did.
    """

    name: str
    params: dict[str, Any]
    metrics: dict[str, float]
    reason: str = ""


@dataclass(frozen=True)
class Result:
    """What one run of a pipeline found.

    Attributes:
        folder: Where its files are.
        paths: Its files and folders of which MLflow gets a copy, relative to the folder.
        name: Says what it is, where there is no experiment's name.
        experiment: MLflow's, in which it is recorded.
        params: The parameters that its stages read, flattened: `attack.rate`, `attacks.badnets.pixels`, …
        hashes: DVC's MD5 of each output, by path.
        counted: Those of them that make it this result and no other; all, unless said.
        metrics: The scores, and both ends of their intervals.
        inputs: The data.
        history: For each figure, such as `backdoored/loss`, a value per epoch, or per rate in a study.
        tags: What else is known of it, but is no part of its identity.
        cells: Where it is a study, its cells.
        models: The models that it made.
        ties: Which of them, and which data, a metric or figure tells of, by its key.
        note: What to say of it, in Markdown; see `notes`.
        timing: When the model that it is about was trained, if that is known.
        parent: The key of the result whose run this one stands under, if there is one.
    """

    folder: Path
    paths: list[str]
    name: str
    experiment: str
    params: dict[str, Any]
    hashes: dict[str, str]
    metrics: dict[str, float]
    inputs: list[Input]
    counted: dict[str, str] = field(default_factory=dict)
    history: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    cells: list[CellResult] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    ties: dict[str, Tie] = field(default_factory=dict)
    note: str = ""
    timing: Timing | None = None
    parent: str = ""

    @property
    def key(self) -> str:
        """Identifies the result by its content: parameters and outputs, and nothing else."""
        content = json.dumps([self.params, self.counted or self.hashes], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def files(self) -> list[Path]:
        """The single files in `paths`, relative to the folder.

        Raises:
            MalformedError: See `files`.
        """
        return [file.relative_to(self.folder) for file in files(*(self.folder / path for path in self.paths))]

    def check(self) -> None:
        """Compares what MLflow gets a copy of with DVC's record.

        Raises:
            IncompleteError: If a file is another, or there are more files or values than there can be.
        """
        if len(self.params) + len(self.metrics) + sum(map(len, self.history.values())) > VALUES:
            raise MalformedError(f"it has more than {VALUES} values")
        lock, *others = copied(self.paths[0], self.hashes)
        with checks.reading(self.folder):
            self.files()
            known = {path: self.hashes[path] for path in others if (self.folder / path).exists()}
            check_files(self.folder, lock, known)


def copied(lock: str, outputs: Iterable[str]) -> list[str]:
    """The paths of which MLflow gets a copy: DVC's record, and those among the outputs that stand in it."""
    return [lock, *(path for path in outputs if any(Path(path).is_relative_to(kept) for kept in KEPT))]


def check_files(folder: Path, lock: str, hashes: dict[str, str]) -> None:
    """Compares files with DVC's record of them.

    Raises:
        IncompleteError: If one is missing or another.
    """
    for path, md5 in hashes.items():
        if not (folder / path).exists():
            raise IncompleteError(f"{path} is missing")
        if digest(folder / path) != md5:
            raise IncompleteError(f"{path} is not the one in {lock}")


def files(*paths: Path) -> list[Path]:
    """These files, and those in these folders, at any depth; sorted.

    Raises:
        MalformedError: If they are more or larger than a result's can be, or one is called as none of ours is.
    """
    found: list[Path] = []
    for path in paths:
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.exists() and not file.is_dir():
                checks.path(file.relative_to(path.parent).as_posix(), "the path of a file")
                _check_size(file)
                found.append(file)
            if len(found) > FILES:
                raise MalformedError(f"{path.name} has more than {FILES} files")
    if sum(file.stat().st_size for file in found) > BYTES:
        raise MalformedError(f"{cut(', '.join(path.name for path in paths))} has more than {BYTES:,} bytes")
    return sorted(found)


def digest(path: Path, instead: Mapping[str, str] = MappingProxyType({})) -> str:
    """The MD5 of a file, or of a folder, as DVC computes it; see `files`. `instead` has that of files in it."""
    if not path.is_dir():
        _check_size(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    names = sorted((file.relative_to(path).as_posix(), file) for file in files(path))
    listed = json.dumps([{"md5": instead.get(name) or digest(file), "relpath": name} for name, file in names])
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _check_size(path: Path) -> None:
    """To open a pipe would be to wait, and a device has no end."""
    if not path.is_file():
        raise MalformedError(f"{path.name} is not a file")
    if path.stat().st_size > BYTES:
        raise MalformedError(f"{path.name} has more than {BYTES:,} bytes")
