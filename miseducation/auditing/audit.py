"""Is a data set poisoned? Asks several detectors, trains without what they name, and sees what carries over."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from miseducation.auditing import candidates, carry_over, marks, random_labels, verdict
from miseducation.auditing.carry_over import Readings
from miseducation.auditing.kept import Kept
from miseducation.auditing.section import AuditSection
from miseducation.auditing.verdict import Judged
from miseducation.dataset import Images
from miseducation.defending.evidence import Evidence, Model, as_learnt
from miseducation.defending.held_out import out_of_sample
from miseducation.errors import InputError
from miseducation.training import compute

NETWORKS, HALVES, DETECTORS = 4, 2, 3  # how long the parts of an audit take, in networks' trainings
FEWEST_ROWS, FEWEST_A_CLASS = 200, 2  # or there is nothing to train on, and to compare with
TERMS = [  # under which compliance documents know what is looked for
    "MITRE ATLAS AML.T0020 Poison Training Data",
    "OWASP ML02:2023 Data Poisoning Attack",
    "OWASP LLM04:2025 Data and Model Poisoning",
    "NIST AI 100-2 E2025 backdoor poisoning",
]


class Audited(NamedTuple):
    """What came of an audit of n rows of K classes.

    Attributes:
        suspicions: Of each detector, float64 `[n]`, higher is worse.
        named: Of each detector, bool `[n]`: the rows that it named.
        readings: How the candidates are read by networks that did not learn them.
        marks: Pixels that a part of a class shares, of those classes that have such.
        judged: Of each class.
        reasons: str `[n]`, why a row is flagged: "backdoor", "mark", "wrong label", or "".
        read: What share of rows is read as their labels say, by networks that did not learn these rows by heart.
    """

    suspicions: dict[str, np.ndarray]
    named: dict[str, np.ndarray]
    readings: Readings
    marks: list[marks.Mark]
    judged: list[Judged]
    reasons: np.ndarray
    read: float

    @property
    def flagged(self) -> np.ndarray:
        """The rows to take out, bool `[n]`."""
        return self.reasons != ""


def audit(
    images: np.ndarray | Images,
    labels: np.ndarray,
    classes: Sequence[str],
    section: AuditSection,
    computing: compute.ComputeSection,
    *,
    seed: int,
    trusted: tuple[np.ndarray | Images, np.ndarray] | None = None,
    kept: Path | None = None,
) -> Audited:
    """Looks through a labelled set, of which nothing else is known: no row of it need be trusted, and none is a test's.

    Args:
        images: uint8 `[n, h, w, c]`, 200 or more.
        labels: int64 `[n]`, 0 to K - 1.
        classes: The K names, 2 or more.
        section: How networks are trained.
        computing: On what.
        seed: Of all that is drawn.
        trusted: Further rows that are known to be clean: uint8 `[m, h, w, c]`, and their labels, int64 `[m]`. All
            networks learn them, and nobody asks about them.
        kept: A folder for networks that are trained, so that an interrupted audit, asked again, has them; to be removed
            by the caller afterwards. None keeps none.

    Raises:
        InputError: If the set is too small to say anything.
    """
    check(labels, classes)
    count = len(labels)
    if trusted is not None:
        images, labels = np.concatenate([images[:], trusted[0][:]]), np.concatenate([labels, trusted[1]])
    known = np.arange(len(labels)) >= count
    device = compute.set_up(computing)
    images, shape = as_learnt(images), (images.shape[1], images.shape[2], images.shape[3])
    learning, precision = section.training(len(labels)), compute.precision(computing, device)
    by_heart = learning.epochs >= random_labels.BY_HEART
    with tqdm(total=NETWORKS + HALVES * by_heart + DETECTORS, desc="audit", unit="step", disable=None) as bar:
        recipe = Kept(learning, tuple(classes), shape, device, precision, kept, bar.update)
        model = Model(recipe.train(images[:], labels, seed=seed), images)
        evidence = Evidence(images, labels, tuple(classes), seed, model=model, recipe=recipe)
        half = {"epochs": learning.epochs // HALVES}
        probabilities = out_of_sample(evidence, HALVES, **half) if by_heart else model.probabilities
        unread = probabilities.argmax(axis=1) != labels
        random = random_labels.find(probabilities, labels) if by_heart else np.zeros(len(labels), bool)
        found = candidates.suspicions(evidence, probabilities)
        bar.update(DETECTORS)
        named = candidates.named(found, labels)
        named["loss"] |= random if by_heart else unread
        asked = np.logical_or.reduce([*named.values()]) & ~known
        readings = Readings(*(each[:count] for each in carry_over.read(evidence, asked, random)))
    shared = marks.find(images, labels, lambda asked: model.network.probabilities(asked).argmax(axis=1), evidence.rng())
    shared = [mark._replace(rows=mark.rows[mark.rows < count]) for mark in shared]
    labels = labels[:count]
    judged = verdict.judge(labels, len(classes), readings)
    reasons = verdict.reasons(labels, judged, readings)
    found, named = ({name: each[:count] for name, each in those.items()} for those in (found, named))
    judged, reasons = verdict.heed(labels, judged, reasons, shared)
    return Audited(found, named, readings, shared, judged, reasons, 1 - float(unread[:count].mean()))


def check(labels: np.ndarray, classes: Sequence[str]) -> None:
    """Refuses, with an `InputError`, a set that is too small to say anything."""
    counts = np.bincount(labels, minlength=len(classes))
    if len(classes) < 2:
        raise InputError(f"there is one class, {classes[0]!r}: an audit compares classes, and needs two or more")
    if len(labels) < FEWEST_ROWS:
        raise InputError(f"there are {len(labels)} rows: an audit trains networks, and needs {FEWEST_ROWS} or more")
    if (few := int(np.median(counts))) <= FEWEST_A_CLASS:
        raise InputError(f"there are {few} rows in the usual class: an audit needs more than {FEWEST_A_CLASS}")


def table(audited: Audited, labels: np.ndarray, classes: Sequence[str], files: Sequence[str]) -> pd.DataFrame:
    """A line per row, the worst first: those flagged, then those that others read otherwise.

    `suspicion` is how much surer a network that did not learn the row and its like is of another class than of its
    label, 0 to 1; 0 where nobody asked. `looks_like` is that class. The detectors' columns are as they come.
    """
    without, rows = audited.readings.without.astype(np.float64), np.arange(len(labels))
    surer = without.max(axis=1) - without[rows, labels]
    suspicion = np.where(audited.readings.candidates, surer, 0)
    names = np.array(classes, dtype=object)
    looks = names[without.argmax(axis=1)]
    made = pd.DataFrame(
        {
            "row": rows,
            "file": np.array([*files] or [""] * len(labels), dtype=object),
            "label": names[labels],
            "suspicion": suspicion,
            **audited.suspicions,
            "flagged": audited.flagged,
            "reason": audited.reasons,
            "looks_like": np.where(audited.readings.candidates, looks, ""),
        }
    )
    lost = ~audited.readings.won(labels)  # of a backdoor's rows those come first that were won back
    first = ["backdoor", "mark", "wrong label", ""]
    rank = np.array([first.index(reason) for reason in audited.reasons])
    order = np.lexsort([rows, -suspicion, lost, rank])
    return made.iloc[order].reset_index(drop=True)


def summary(audited: Audited, labels: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """The verdict on the set and on each class, with what it rests on; as JSON has it."""
    each = {}
    for number, judged in enumerate(audited.judged):
        own = labels == number
        each[classes[number]] = {
            "verdict": judged.verdict,
            "rows": judged.rows,
            "asked_rows": judged.asked,
            "read_otherwise_rows": judged.unread,
            "carried_over_rows": judged.carried,
            "other_class_rows": judged.ordinary,
            "other_class_carried_over_rows": judged.ordinary_carried,
            "carried_over_at_least": round(judged.low, 4),
            "marked_rows": judged.marked,
            "mark_pixels": judged.mark_pixels,
            "mark_obeyed_at_least": round(judged.obeyed, 4),
            **_flagged(audited.reasons[own]),
            "named_by": {name: int((own & audited.flagged & named).sum()) for name, named in audited.named.items()},
        }
    return {
        "verdict": verdict.worst(each.verdict for each in audited.judged),
        "rows": len(labels),
        "flagged_rows": int(audited.flagged.sum()),
        **_flagged(audited.reasons),
        "read_share": round(audited.read, 4),
        "level": verdict.LEVEL,
        "classes": each,
        "terms": TERMS,
    }


def _flagged(reasons: np.ndarray) -> dict[str, int]:
    """How many rows are flagged for which reason."""
    named = {"backdoor_rows": "backdoor", "mark_rows": "mark", "wrong_label_rows": "wrong label"}
    return {key: int((reasons == reason).sum()) for key, reason in named.items()}
