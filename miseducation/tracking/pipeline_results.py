"""A finished run of the pipeline as it lies in a folder: `dvc.lock`, and the outputs named there."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from miseducation.project.foreign import read_json, read_table
from miseducation.project.messages import shown
from miseducation.tracking import checks, notes, pipeline_models, results
from miseducation.tracking.checks import MalformedError
from miseducation.tracking.identity import DETAILS, EVALUATION, TRAINING, counted
from miseducation.tracking.locks import read_lock, read_outputs, read_params
from miseducation.tracking.pipeline_models import BACKDOORED, VARIANTS
from miseducation.tracking.results import IncompleteError, Input, Result, Timing

LOCK = "dvc.lock"
INTERVALS = "metrics/intervals.json"
NEEDED = (EVALUATION, INTERVALS, *(f"models/{each}" for each in VARIANTS), "data/poisoned/manifest.csv")
DATA = ("data/raw", "data/poisoned/images.npy", "data/poisoned/test_images.npy")
NO_NUMBER = ("", "inf", "-inf")  # as a training that diverged leaves it there
HISTORY = re.compile(r"metrics/([^/]+)/history\.csv")


def read_result(folder: Path) -> Result:
    """Reads the result in a folder.

    Raises:
        IncompleteError: If a stage has not run, or files and `dvc.lock` do not belong together.
        MalformedError: If what is read is none of our results.
    """
    stages = read_lock(folder, LOCK)
    if "evaluate" not in stages:
        raise IncompleteError("the stage evaluate has not run yet")
    hashes = read_outputs(stages)
    deps = [dep for stage in stages.values() for dep in stage.deps.items() if dep[0] in hashes]
    if stale := sorted(path for path, md5 in deps if md5 != hashes[path]):
        raise IncompleteError(f"{stale[0]} has changed since then; `dvc repro` updates the result")
    if unknown := [path for path in (*NEEDED, *DATA) if path not in hashes]:
        raise MalformedError(f"{LOCK} has no output {unknown[0]}")
    params = read_params(stages)
    dataset, attack = (checks.name(params.get(key), key) for key in ("data.name", "attack.name"))
    rate, seed = checks.parsed(params.get("attack.rate"), "attack.rate"), checks.whole(params.get("seed"), "seed")
    names = (dataset, "poison", pipeline_models.TRIGGERED)
    used = ("training and evaluation", "training of the backdoored model", "evaluation")
    with checks.reading(folder):
        if missing := [path for path in NEEDED if not (folder / path).exists()]:
            raise IncompleteError(f"{missing[0]} is missing")
        files = [path for path in (EVALUATION, DETAILS) if path in hashes]  # the first versions wrote one
        results.check_files(folder, LOCK, {path: hashes[path] for path in files})
        scores = [_read_scores(folder / path, path) for path in files]
        training = {each: _read_training(folder / "models" / each / TRAINING) for each in VARIANTS}
        timing = {each: found for each in VARIANTS if (found := _read_timing(folder, hashes, each))}
        seconds = {f"{each}/seconds": took for each, (_, took) in timing.items()}
        metrics = {**scores[0], **scores[-1], **_read_intervals(folder), **seconds}
        history = _read_history(folder, hashes)
        result = Result(
            folder=folder,
            paths=results.copied(LOCK, hashes),
            name=f"{attack}-{rate:g}-seed{seed}",
            experiment=checks.experiment(dataset, "data.name"),
            params=params,
            hashes=hashes,
            counted=counted(folder, hashes, scores, training),
            metrics=metrics,
            inputs=[Input(name, path, hashes[path], use) for name, path, use in zip(names, DATA, used, strict=True)],
            history=history,
            tags={f"train.{name}": text for name, text in _texts(training[BACKDOORED]).items()},
            models=pipeline_models.models(params, metrics, hashes),
            ties=pipeline_models.ties(dataset, [*metrics, *history]),
            timing=timing.get(BACKDOORED),
        )
        return replace(result, note=notes.of_pipeline(result))


def _read_scores(file: Path, path: str) -> dict[str, float]:
    scores = checks.mapping(read_json(file), path)
    return {checks.key(name, path): checks.number(value, name) for name, value in scores.items()}


def _read_intervals(folder: Path) -> dict[str, float]:
    """Both ends of each."""
    found: dict[str, float] = {}
    for name, ends in checks.mapping(read_json(folder / INTERVALS), INTERVALS).items():
        if len(checks.listing(ends, checks.key(name, INTERVALS))) != 2:
            raise MalformedError(f"{INTERVALS}: {name} does not have two ends")
        low, high = (checks.number(end, f"an end of {name}") for end in ends)
        found |= {f"interval_low/{name}": low, f"interval_high/{name}": high}
    return found


def _read_history(folder: Path, outputs: Iterable[str]) -> dict[str, list[tuple[int, float]]]:
    history: dict[str, list[tuple[int, float]]] = {}
    for path, variant in sorted((path, found[1]) for path in outputs if (found := HISTORY.fullmatch(path))):
        for row in read_table(folder / path) if (folder / path).exists() else ():
            epoch = checks.whole(row.pop("epoch", None), f"{path}: an epoch")
            for name, value in row.items():
                figure = checks.key(f"{variant}/{name}", path)
                if value not in NO_NUMBER:
                    history.setdefault(figure, []).append((epoch, checks.parsed(value, f"{path}: {name}")))
    return history


def _read_training(path: Path) -> dict[str, Any]:
    """What a model was trained on: device, precision, threads; empty for results of the first versions."""
    return checks.mapping(read_json(path) if path.exists() else None, TRAINING)


def _texts(training: dict[str, Any]) -> dict[str, str]:
    return {
        checks.key(name, TRAINING): checks.text(str(value), f"{TRAINING}: {name}") for name, value in training.items()
    }


def _read_timing(folder: Path, outputs: Iterable[str], variant: str) -> Timing | None:
    """When a model was trained; None for results of older versions."""
    path = f"metrics/{variant}/timing.json"
    if path not in outputs or not (folder / path).exists():
        return None
    found = checks.mapping(read_json(folder / path), path)
    try:
        began = datetime.fromisoformat(str(found.get("began"))).timestamp()
    except (ValueError, OverflowError):
        raise MalformedError(f"{path}: began is {shown(found.get('began'))}, not a time") from None
    seconds = checks.number(found.get("seconds"), f"{path}: seconds")
    if not (0 <= began < 10**11 and 0 <= seconds < 10**9):
        raise MalformedError(f"{path} contains a time that is impossible")
    return Timing(round(began * 1000), seconds)
