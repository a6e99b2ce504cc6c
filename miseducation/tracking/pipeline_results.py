"""A finished run of the pipeline as it lies in a folder: `dvc.lock`, and the outputs named there."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from miseducation.project.foreign import read_json, read_table
from miseducation.tracking import checks, results
from miseducation.tracking.checks import MalformedError
from miseducation.tracking.locks import read_lock, read_outputs, read_params
from miseducation.tracking.results import IncompleteError, Input, Result

LOCK = "dvc.lock"
EVALUATION, DETAILS, INTERVALS = (f"metrics/{name}.json" for name in ("evaluation", "details", "intervals"))
NEEDED = (EVALUATION, INTERVALS, "models/clean", "models/backdoored", "data/poisoned/manifest.csv")
DATA = ("data/raw", "data/poisoned/images.npy", "data/poisoned/test_images.npy")
TOLD_AGAIN = ("metrics/report.html",)  # outputs that tell of the others, and of the commit: no part of what was found
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
        raise IncompleteError(f"{stale[0]} has changed since; `dvc repro` brings the result up to date")
    if unknown := [path for path in (*NEEDED, *DATA) if path not in hashes]:
        raise MalformedError(f"{LOCK} has no output {unknown[0]}")
    params = read_params(stages)
    dataset, attack = (checks.name(params.get(key), key) for key in ("data.name", "attack.name"))
    rate, seed = checks.parsed(params.get("attack.rate"), "attack.rate"), checks.whole(params.get("seed"), "seed")
    names = (dataset, "poison", "triggered test set")
    used = ("training and evaluation", "training of the backdoored model", "evaluation")
    with checks.reading(folder):
        if missing := [path for path in NEEDED if not (folder / path).exists()]:
            raise IncompleteError(f"{missing[0]} is missing")
        files = [path for path in (EVALUATION, DETAILS) if path in hashes]  # older versions wrote one
        results.check_files(folder, LOCK, {path: hashes[path] for path in files})
        scores = [_read_scores(folder / path, path) for path in files]
        counted = {path: md5 for path, md5 in hashes.items() if path not in (DETAILS, *TOLD_AGAIN)}
        if DETAILS in files:
            counted[EVALUATION] = _md5_of_one(*scores)
        return Result(
            folder=folder,
            paths=results.copied(LOCK, hashes),
            name=f"{attack}-{rate:g}-seed{seed}",
            experiment=checks.experiment(dataset, "data.name"),
            params=params,
            hashes=hashes,
            counted=counted,
            metrics={**scores[0], **scores[-1], **_read_intervals(folder)},
            inputs=[Input(name, path, hashes[path], use) for name, path, use in zip(names, DATA, used, strict=True)],
            history=_read_history(folder, hashes),
            tags=_read_training(folder),
        )


def _read_scores(file: Path, path: str) -> dict[str, float]:
    scores = checks.mapping(read_json(file), path)
    return {checks.key(name, path): checks.number(value, name) for name, value in scores.items()}


def _md5_of_one(headline: dict[str, float], details: dict[str, float]) -> str:
    """The MD5 of the file that older versions wrote with all scores in it, by which they knew a result.

    There, what was counted came behind the shares.
    """
    counts = {name: score for name, score in headline.items() if name.startswith("poisoned_")}
    scores = {name: score for name, score in headline.items() if name not in counts}
    for name, score in details.items():
        scores |= counts if name == "relabelled_rows" else {}
        scores[name] = score
    text = json.dumps(scores | counts, indent=2, ensure_ascii=False) + "\n"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _read_intervals(folder: Path) -> dict[str, float]:
    """Both ends of each."""
    found: dict[str, float] = {}
    for name, ends in checks.mapping(read_json(folder / INTERVALS), INTERVALS).items():
        if len(checks.listing(ends, checks.key(name, INTERVALS))) != 2:
            raise MalformedError(f"{INTERVALS}: {name} has not two ends")
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


def _read_training(folder: Path) -> dict[str, str]:
    """What the backdoored model was trained on: device, precision, threads; empty for results of older versions."""
    path = "models/backdoored/training.json"
    training = checks.mapping(read_json(folder / path) if (folder / path).exists() else None, path)
    return {
        f"train.{checks.key(name, path)}": checks.text(str(value), f"{path}: {name}")
        for name, value in training.items()
    }
