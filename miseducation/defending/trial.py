"""Puts a defence to the test on what a defender has, and scores what it says by the truth."""

from typing import NamedTuple

import numpy as np

from miseducation.defending.case import Case
from miseducation.defending.defence import Defence, InputDetector, ModelScanner, Repair, RowDetector
from miseducation.defending.evidence import Evidence
from miseducation.networks import Network
from miseducation.scores import detection
from miseducation.scores.detection import Truth


class Detection(NamedTuple):
    """What a detector says of some rows.

    Attributes:
        suspicion: float64 `[n]`, higher is worse.
        flagged: bool `[n]`, those that it would take out by its own rule.
    """

    suspicion: np.ndarray
    flagged: np.ndarray


class Tried(NamedTuple):
    """What came of a defence.

    Attributes:
        scores: How well it told "rows", "inputs" and "classes" apart, as far as it looks at them; and "model", what is
            left of the attack and of the model's use.
        arrays: What the figures are drawn from, by the file's name.
        network: The model that is left; the one tried, if the defence leaves it alone.
    """

    scores: dict[str, dict[str, float]]
    arrays: dict[str, np.ndarray]
    network: Network


def attempt(defence: Defence, case: Case) -> Tried:
    """Tries a defence on one model."""
    if isinstance(defence, Repair):
        network = defence.repair(case.evidence.limited_to(defence.needs))
        return Tried({"model": case.score(network)}, {}, network)
    if isinstance(defence, ModelScanner):
        return _inspect(defence, case)
    inputs = _detect_inputs(defence, case) if isinstance(defence, InputDetector) and case.has_trigger else None
    rows = detect(defence, case.evidence) if isinstance(defence, RowDetector) else None
    found = cleanse(rows, case) if rows else Tried({}, {}, case.evidence.the_model().network)
    if inputs is None:
        return found
    scores, arrays = inputs
    return found._replace(scores={**found.scores, "inputs": scores}, arrays={**found.arrays, **arrays})


def baseline(name: str, case: Case) -> Tried:
    """Cleanses by the truth, "oracle", or by chance, "random": as many rows as the attacker touched."""
    rng, touched = case.evidence.rng(), ~case.truth.rest
    suspicion = touched.astype(np.float64) if name == "oracle" else rng.random(len(touched))
    flagged = np.zeros(len(touched), bool)
    flagged[np.argsort(-suspicion, kind="stable")[: touched.sum()]] = True
    return cleanse(Detection(suspicion, flagged), case)


def detect(detector: RowDetector, evidence: Evidence) -> Detection:
    """Lets a detector look at no more than what it says that it needs.

    Raises:
        ValueError: If it gives something else than a finite suspicion and a flag for each row.
    """
    shown = evidence.limited_to(detector.needs)
    suspicion = detector.suspect(shown)
    flagged = detector.flag(suspicion, shown)
    for what, given, dtype in (("suspect", suspicion, np.float64), ("flag", flagged, np.bool_)):
        if given.dtype != dtype or given.shape != (len(shown),) or not np.isfinite(given).all():
            raise ValueError(f"{detector.name()}: {what} must give finite {dtype.__name__} [{len(shown)}]")
    return Detection(suspicion, flagged)


def cleanse(found: Detection, case: Case) -> Tried:
    """Drops the rows that are flagged, and trains on the others as the model was; all are kept if not two are left."""
    evidence, kept = case.evidence, ~found.flagged
    if kept.all() or kept.sum() < 2:
        network = evidence.the_model().network
    else:
        network = evidence.the_recipe().train(evidence.images[kept], evidence.labels[kept], seed=evidence.seed)
    removed = {
        "removed_rows": int(found.flagged.sum()),
        "removed_poisoned": int((found.flagged & ~case.truth.rest).sum()),
    }
    scores = {"rows": detection.scores(*found, case.truth), "model": {**case.score(network), **removed}}
    return Tried(scores, {name: case.as_stored(values) for name, values in found._asdict().items()}, network)


def _detect_inputs(detector: InputDetector, case: Case) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Scores and suspicions of the triggered test images against the untouched ones."""
    shown = case.evidence.limited_to(detector.needs)
    parts = {"triggered": case.triggered, "untouched": case.test}
    found = {name: detector.suspect_inputs(data.images, shown) for name, data in parts.items()}
    suspicion = np.concatenate([*found.values()])
    triggered = np.arange(len(suspicion)) < len(case.triggered)
    truth = Truth(triggered & case.truth.poison.any(), ~triggered)  # a clean model knows no trigger
    scores = detection.scores(suspicion, suspicion > detector.threshold(shown), truth)
    return scores, {f"suspicion_{name}": each for name, each in found.items()}


def _inspect(scanner: ModelScanner, case: Case) -> Tried:
    findings = scanner.inspect(case.evidence.limited_to(scanner.needs))
    anomalies = np.array([each.anomaly for each in findings])
    scores = detection.scores(anomalies, anomalies > scanner.limit, Truth(case.targets, ~case.targets))
    parts = {name: np.stack([getattr(each, name) for each in findings]) for name in ("mask", "pattern")}
    return Tried({"classes": scores}, {"anomalies": anomalies, **parts}, case.evidence.the_model().network)
