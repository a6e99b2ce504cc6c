"""A finished run of the pipeline as it lies in a folder: `dvc.lock`, and the outputs named there."""

import csv
import json
from pathlib import Path

from miseducation.tracking import results
from miseducation.tracking.results import IncompleteError, Input, Result

LOCK = "dvc.lock"
EVALUATION, INTERVALS = "metrics/evaluation.json", "metrics/intervals.json"
NEEDED = (EVALUATION, INTERVALS, "models/clean", "models/backdoored", "data/poisoned/manifest.csv")


def read_result(folder: Path) -> Result:
    """Reads the result in a folder.

    Raises:
        IncompleteError: If a stage has not run, or files and `dvc.lock` do not belong together.
    """
    stages = results.read_lock(folder, LOCK)
    if "evaluate" not in stages:
        raise IncompleteError("the stage evaluate has not run yet")
    hashes = results.read_outputs(stages)
    deps = [dep for stage in stages.values() for dep in stage.get("deps", []) if dep["path"] in hashes]
    if stale := sorted(dep["path"] for dep in deps if dep.get("md5") != hashes[dep["path"]]):
        raise IncompleteError(f"{stale[0]} has changed since; `dvc repro` brings the result up to date")
    for path in NEEDED:
        if not (folder / path).exists():
            raise IncompleteError(f"{path} is missing")
    results.check_files(folder, LOCK, {EVALUATION: hashes[EVALUATION]})
    metrics, intervals = (json.loads((folder / path).read_bytes()) for path in (EVALUATION, INTERVALS))
    for name, (low, high) in intervals.items():
        metrics |= {f"interval_low/{name}": low, f"interval_high/{name}": high}
    params = results.read_params(stages)
    rate = float(params["attack.rate"])  # PyYAML reads 5e-05 as text
    inputs = (
        (str(params["data.name"]), "data/raw", "training and evaluation"),
        ("poison", "data/poisoned/images.npy", "training of the backdoored model"),
        ("triggered test set", "data/poisoned/test_images.npy", "evaluation"),
    )
    return Result(
        folder=folder,
        paths=results.copied(LOCK, hashes),
        name=f"{params['attack.name']}-{rate:g}-seed{params['seed']}",
        experiment=str(params["data.name"]),
        params=params,
        hashes=hashes,
        metrics=metrics,
        inputs=[Input(name, path, hashes[path], context) for name, path, context in inputs],
        history=_read_history(folder),
        tags=_read_training(folder),
    )


def _read_history(folder: Path) -> dict[str, list[tuple[int, float]]]:
    history: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("metrics/*/history.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                epoch = int(row.pop("epoch"))
                for name, value in row.items():
                    history.setdefault(f"{path.parent.name}/{name}", []).append((epoch, float(value)))
    return history


def _read_training(folder: Path) -> dict[str, str]:
    """What the backdoored model was trained on: device, precision, threads; empty for results of older versions."""
    path = folder / "models/backdoored/training.json"
    training = json.loads(path.read_bytes()) if path.is_file() else {}
    return {f"train.{name}": str(value) for name, value in training.items()}
