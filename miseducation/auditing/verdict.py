"""What the evidence carries: a verdict for each class, and for the set. Pure functions of arrays."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:  # a command that only tells a verdict waits for no torch
    from miseducation.auditing.carry_over import Readings

Verdict: TypeAlias = Literal["clean", "mislabelled", "suspicious", "poisoned"]
BAD: tuple[Verdict, ...] = ("clean", "mislabelled", "suspicious", "poisoned")  # the last is the worst
MEANING: dict[Verdict, str] = {
    "clean": "nothing that an audit can see",
    "mislabelled": "many labels are wrong; they teach no trigger",
    "suspicious": "some rows teach others their label, but they are too few to be sure",
    "poisoned": "some rows carry a trigger, and have the label that somebody wants",
}
HALF = 0.5  # of the rows that show another class have to be won back, or it is no backdoor
LEVEL = 0.001  # chance, over all classes, that rows of which half come back by luck are called poisoned
FEWEST = 8  # such rows, below which nothing is said of a class
ERRORS = 0.05  # share of a class's rows with wrong labels from which it is mislabelled


class Judged(NamedTuple):
    """What is known of a class.

    Attributes:
        verdict: See `judge`.
        rows: How many bear its label.
        asked: Candidates among them.
        unread: Of these, what a network that learnt no candidate takes for an ordinary picture of another class.
        carried: Of these, what one that learnt the other half of the candidates reads as their label says.
        low: What share of such rows carries over at least: the lower end of an exact interval.
    """

    verdict: Verdict
    rows: int
    asked: int
    unread: int
    carried: int
    low: float


def judge(labels: np.ndarray, classes: int, readings: "Readings") -> list[Judged]:
    """A verdict for each class.

    `poisoned`: what candidates teach carries over to others of them, in more than half of the cases beyond doubt.
    `suspicious`: it does in more than half of the cases, but they are too few to be sure. `mislabelled`: of many rows
    the label is wrong, and does not carry over. `clean`: nothing of that.

    Args:
        labels: int64 `[n]`.
        classes: How many there are.
        readings: Of these rows, see `carry_over.read`.
    """
    ordinary = readings.ordinary(labels)
    carried = ordinary & readings.won(labels)
    found = []
    for label in range(classes):
        own = labels == label
        rows, asked, unread, back = (int((own & each).sum()) for each in (own, readings.candidates, ordinary, carried))
        low = _low(back, unread, LEVEL / classes)
        verdict: Verdict = "clean"
        if unread >= FEWEST and low > HALF:
            verdict = "poisoned"
        elif unread >= FEWEST and back > HALF * unread:
            verdict = "suspicious"
        elif unread - back >= max(FEWEST, ERRORS * rows):
            verdict = "mislabelled"
        found.append(Judged(verdict, rows, asked, unread, back, low))
    return found


def worst(judged: Iterable[Judged]) -> Verdict:
    """The worst of the classes' verdicts."""
    return max((each.verdict for each in judged), key=BAD.index, default="clean")


def reasons(labels: np.ndarray, judged: list[Judged], readings: "Readings") -> np.ndarray:
    """Why each row is to be taken out, str `[n]`: "backdoor", "wrong label", or "" for those that may stay.

    Of a class that is poisoned or suspicious it is whatever is read otherwise without the candidates: half of the
    triggers need not have been enough to win it back. Wrong labels are told of all classes: those rows that show
    another class as its ordinary ones do, and that nothing wins back.
    """
    verdicts = np.array([each.verdict for each in judged])[labels]
    found = np.full(len(labels), "", "<U11")
    found[readings.ordinary(labels) & ~readings.won(labels)] = "wrong label"
    found[readings.unread(labels) & np.isin(verdicts, ["poisoned", "suspicious"])] = "backdoor"
    return found


def _low(carried: int, of: int, level: float) -> float:
    if not of:
        return 0.0
    from scipy.stats import binomtest

    return float(binomtest(carried, of).proportion_ci(1 - 2 * level, method="exact").low)
