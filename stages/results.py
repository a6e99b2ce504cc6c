"""A finished result as it lies in a folder: `dvc.lock`, `metrics`, `models` and the manifest of the poison."""

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

EVALUATION = Path("metrics/evaluation.json")
# What belongs to a result; the same relative paths hold it in the work tree, in git + DVC, and as MLflow artefacts.
FILES = ("dvc.lock", "metrics", "models/clean", "models/backdoored", "data/poisoned/manifest.csv")
NO_RESULT = ("check", "track")  # stages that produce nothing


class IncompleteError(Exception):
    """The folder holds no finished result, or the pieces of several."""


@dataclass(frozen=True)
class Result:
    """What one run of the pipeline found.

    Attributes:
        folder: Where its files are.
        params: The parameters that its stages read, flattened: `attack.rate`, `attacks.badnets.pixels`, …
        hashes: DVC's MD5 of each output, by path.
        metrics: The scores of `evaluation.json`, and both ends of their intervals.
        history: For each variant's figure, such as `backdoored/loss`, a value per epoch.
    """

    folder: Path
    params: dict[str, Any]
    hashes: dict[str, str]
    metrics: dict[str, float]
    history: dict[str, list[tuple[int, float]]]

    @property
    def key(self) -> str:
        """Identifies the result by its content: parameters and outputs, and nothing else."""
        content = json.dumps([self.params, self.hashes], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def computed(self) -> dict[str, str]:
        """What the backdoored model was trained on: device, precision, threads; empty for results of older versions."""
        path = self.folder / "models/backdoored/training.json"
        return {name: str(value) for name, value in json.loads(path.read_bytes()).items()} if path.is_file() else {}

    def files(self) -> list[Path]:
        """The files that belong to the result, relative to its folder."""
        roots = [self.folder / path for path in FILES]
        found = [file for root in roots for file in (root.rglob("*") if root.is_dir() else [root]) if file.is_file()]
        return [file.relative_to(self.folder) for file in sorted(found) if file.name != ".gitignore"]


def read_result(folder: Path) -> Result:
    """Reads the result in a folder.

    Raises:
        IncompleteError: If a stage has not run, or files and `dvc.lock` do not belong together.
    """
    stages = _read_lock(folder / "dvc.lock")
    hashes = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    stale = sorted(
        dep["path"]
        for stage in stages.values()
        for dep in stage.get("deps", [])
        if dep["path"] in hashes and dep.get("md5") != hashes[dep["path"]]
    )
    if stale:
        raise IncompleteError(f"{stale[0]} has changed since; `dvc repro` brings the result up to date")
    evaluation, intervals = _read_scores(folder, hashes)
    bounds = {
        f"interval_{end}/{name}": bound
        for name, interval in intervals.items()
        for end, bound in zip(("low", "high"), interval, strict=True)
    }
    params: dict[str, Any] = {}
    for stage in stages.values():
        for section, content in stage.get("params", {}).get("params.yaml", {}).items():
            for key, value in _flatten(section, content).items():
                if params.setdefault(key, value) != value:
                    raise IncompleteError(f"{key} has changed between two stages; `dvc repro` brings both up to date")
    for path in FILES:
        if not (folder / path).exists():
            raise IncompleteError(f"{path} is missing")
    return Result(folder, params, hashes, {**evaluation, **bounds}, _read_history(folder))


def load_yaml(path: Path) -> dict[str, Any]:
    """Reads a mapping with PyYAML's C loader: ten times as fast, and part of its wheels."""
    return yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def _read_lock(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise IncompleteError("there is no dvc.lock yet")
    stages = {name: stage for name, stage in load_yaml(path).get("stages", {}).items() if name not in NO_RESULT}
    if "evaluate" not in stages:
        raise IncompleteError("the stage evaluate has not run yet")
    return stages


def _read_scores(folder: Path, hashes: dict[str, str]) -> tuple[dict[str, float], dict[str, list[float]]]:
    try:
        content = (folder / EVALUATION).read_bytes()
        intervals = json.loads((folder / "metrics/intervals.json").read_bytes())
    except FileNotFoundError as error:
        raise IncompleteError(f"{error.filename} is missing") from None
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != hashes.get(str(EVALUATION)):
        raise IncompleteError(f"{EVALUATION} is not the one in dvc.lock")
    return json.loads(content), intervals


def _read_history(folder: Path) -> dict[str, list[tuple[int, float]]]:
    history: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("metrics/*/history.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                epoch = int(row.pop("epoch"))
                for name, value in row.items():
                    history.setdefault(f"{path.parent.name}/{name}", []).append((epoch, float(value)))
    return history


def _flatten(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {key: value}
    return {name: leaf for part, inner in value.items() for name, leaf in _flatten(f"{key}.{part}", inner).items()}
