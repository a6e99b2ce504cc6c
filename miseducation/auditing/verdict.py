"""What the evidence carries: a verdict for each class, and for the set. Pure functions of arrays."""

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from scipy.stats import binomtest

from miseducation.auditing.carry_over import Readings

Verdict: TypeAlias = Literal["clean", "mislabelled", "suspicious", "poisoned"]
HALF = 0.5  # of the rows that are read otherwise have to be won back, or it is no backdoor
LEVEL = 0.001  # chance, over all classes, that rows of which half come back by luck are called poisoned
FEWEST = 8  # rows that are read otherwise, below which nothing is said of a class
ERRORS = 0.01  # share of a class's rows with wrong labels from which it is mislabelled


class Judged(NamedTuple):
    """What is known of a class.

    Attributes:
        verdict: See `judge`.
        rows: How many bear its label.
        asked: Candidates among them.
        unread: Of these, what a network that learnt no candidate reads as something else.
        carried: Of these, what one that learnt the other half of the candidates reads as their label says.
        low: What share of such rows carries over at least: the lower end of an exact interval.
    """

    verdict: Verdict
    rows: int
    asked: int
    unread: int
    carried: int
    low: float


def judge(labels: np.ndarray, classes: int, candidates: np.ndarray, readings: Readings) -> list[Judged]:
    """A verdict for each class.

    `poisoned`: what candidates teach carries over to others of them, in more than half of the cases beyond doubt.
    `suspicious`: it does in more than half of the cases, but they are too few to be sure. `mislabelled`: of many rows
    the label is wrong, and nothing carries over. `clean`: nothing of that.

    Args:
        labels: int64 `[n]`.
        classes: How many there are.
        candidates: bool `[n]`, the rows that were asked about.
        readings: Of them, see `carry_over.read`.
    """
    unread = candidates & (readings.without != labels)
    carried = unread & (readings.crossed == labels)
    found = []
    for label in range(classes):
        own = labels == label
        rows, asked, wrong, back = (int((own & each).sum()) for each in (own, candidates, unread, carried))
        low = _low(back, wrong, LEVEL / classes)
        share = back / wrong if wrong else 0.0
        verdict: Verdict = "clean"
        if wrong >= FEWEST and low > HALF:
            verdict = "poisoned"
        elif wrong >= FEWEST and share > HALF:
            verdict = "suspicious"
        elif wrong - back >= max(FEWEST, ERRORS * rows):
            verdict = "mislabelled"
        found.append(Judged(verdict, rows, asked, wrong, back, low))
    return found


def whole(judged: list[Judged]) -> Verdict:
    """The worst of the classes' verdicts."""
    order: list[Verdict] = ["clean", "mislabelled", "suspicious", "poisoned"]
    return max((each.verdict for each in judged), key=order.index, default="clean")


def flagged(labels: np.ndarray, judged: list[Judged], candidates: np.ndarray, readings: Readings) -> np.ndarray:
    """The rows to take out, bool `[n]`: of poisoned classes, what carried over; of mislabelled ones, what did not."""
    unread, carried = candidates & (readings.without != labels), readings.crossed == labels
    verdicts = np.array([each.verdict for each in judged])[labels]
    return unread & np.where(verdicts == "poisoned", carried, (verdicts == "mislabelled") & ~carried)


def _low(carried: int, of: int, level: float) -> float:
    if not of:
        return 0.0
    return float(binomtest(carried, of).proportion_ci(1 - 2 * level, method="exact").low)
