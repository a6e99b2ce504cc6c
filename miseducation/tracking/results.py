"""A finished result as it lies in a folder: DVC's record of it, and the outputs named there."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from miseducation.project.pipelines import load_yaml

# Of these outputs, and those in these folders, MLflow gets a copy; the same relative paths hold them in the work tree,
# in git + DVC, and as MLflow artefacts. The images are many, and can be made again.
KEPT = ("metrics", "models", "data/poisoned/manifest.csv")
NO_RESULT = ("check", "track")  # stages that produce nothing


class IncompleteError(Exception):
    """The folder holds no finished result, or the pieces of several."""


class Input(NamedTuple):
    """Data that a result came from: what it is, DVC's path and MD5, and what it was used for."""

    name: str
    path: str
    md5: str
    context: str


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
        metrics: The scores, and both ends of their intervals.
        inputs: The data.
        history: For each figure, such as `backdoored/loss`, a value per epoch, or per rate in a study.
        tags: What else is known of it, but is no part of its identity.
        cells: Where it is a study, its cells.
    """

    folder: Path
    paths: list[str]
    name: str
    experiment: str
    params: dict[str, Any]
    hashes: dict[str, str]
    metrics: dict[str, float]
    inputs: list[Input]
    history: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    cells: list[CellResult] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Identifies the result by its content: parameters and outputs, and nothing else."""
        content = json.dumps([self.params, self.hashes], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def files(self) -> list[Path]:
        """The single files in `paths`, relative to the folder."""
        roots = [self.folder / path for path in self.paths]
        found = [file for root in roots for file in (root.rglob("*") if root.is_dir() else [root]) if file.is_file()]
        return [file.relative_to(self.folder) for file in sorted(found)]


def read_lock(folder: Path, lock: str) -> dict[str, Any]:
    """The stages in DVC's record that produce something.

    Raises:
        IncompleteError: If there is no such file.
    """
    if not (folder / lock).is_file():
        raise IncompleteError(f"there is no {lock} yet")
    stages = load_yaml(folder / lock).get("stages", {})
    return {name: stage for name, stage in stages.items() if name.partition("@")[0] not in NO_RESULT}


def read_outputs(stages: dict[str, Any]) -> dict[str, str]:
    """DVC's MD5 of each output, by path."""
    return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}


def read_params(stages: dict[str, Any]) -> dict[str, Any]:
    """The parameters that the stages read, flattened.

    Raises:
        IncompleteError: If two stages read different values.
    """
    params: dict[str, Any] = {}
    for stage in stages.values():
        for section, content in stage.get("params", {}).get("params.yaml", {}).items():
            for key, value in flatten(section, content).items():
                if params.setdefault(key, value) != value:
                    raise IncompleteError(f"{key} has changed between two stages; `dvc repro` brings both up to date")
    return params


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


def digest(path: Path) -> str:
    """The MD5 of a file, or of a folder, as DVC computes it."""
    if not path.is_dir():
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    listed = json.dumps([{"md5": digest(file), "relpath": name} for name, file in files])
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + ".dir"


def flatten(key: str, value: Any) -> dict[str, Any]:
    """The leaves of nested mappings, by the dotted keys of their places."""
    if not isinstance(value, dict) or not value:
        return {key: value}
    return {name: leaf for part, inner in value.items() for name, leaf in flatten(f"{key}.{part}", inner).items()}
