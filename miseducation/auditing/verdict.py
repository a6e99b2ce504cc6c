"""What the evidence carries: a verdict for each class, and for the set. Pure functions of arrays."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:  # a command that only tells a verdict waits for no torch
    from miseducation.auditing.carry_over import Readings
    from miseducation.auditing.marks import Mark

Verdict: TypeAlias = Literal["clean", "mislabelled", "suspicious", "poisoned"]
BAD: tuple[Verdict, ...] = ("clean", "mislabelled", "suspicious", "poisoned")  # the last is the worst
HALF = 0.5  # of the rows that look ordinary for another class have to be won back, or it is no backdoor
MOST = 0.75  # of all that are read otherwise, if the picture is so changed that no row looks ordinary
# What share of rows that look like several classes may look like one of them. Of wrong labels that are aimed at a
# class: so many times as much as if they were even, but a share from 0.3 to 0.6. Of rows that look like nothing
# ordinary, the least of that: an unusual kind of a class, all of which carries over, may look like two or three others.
EVENLY, LEAST, ONE = 2.5, 0.3, 0.6
SEVERAL, AT_LEAST = 3, 0.03  # times the usual class's share of such rows, and share, from which they are aimed at it
AIMED = 0.01  # share of aimed rows that have to be won back: of wrong labels without a trigger none are
MEANING: dict[Verdict, str] = {
    "clean": "the audit found nothing suspicious",
    "mislabelled": "many labels are wrong, but they do not teach a trigger",
    "suspicious": "somebody may have changed the data, but it is not certain that they teach a trigger",
    "poisoned": "some rows carry a trigger for their label",
}
# Of the intervals by which a class is called poisoned, and suspicious: for all classes together.
LEVEL, DOUBT = 0.001, 0.05
# Share of other classes' pictures that have to be read as the class for its mark: to prove a trigger, to hint at one.
OBEYED, HINTED = 0.25, 0.01
PART = 0.25  # share of a class from which the rows with a mark are no few: it may be the others that look odd, then
LEFT = 0.1  # probability of its label, below which a row is read otherwise surely enough to be a backdoor's
FEWEST = 8  # rows that look ordinary for another class, below which they say nothing of a class
ERRORS = 0.05  # share of a class's rows with wrong labels from which it is mislabelled
KNOWN = 0.5  # how far from chance to all labels networks have to read, or they know too little of the classes


class Judged(NamedTuple):
    """What is known of a class.

    Attributes:
        verdict: See `judge`.
        rows: How many bear its label.
        asked: Candidates among them.
        unread: Of these, what a network that learnt no candidate reads as something else.
        ordinary: Of these, what it takes for ordinary pictures of another class.
        carried: Of those unread, what one that learnt the other half of the candidates reads as their label says.
        ordinary_carried: Of the ordinary ones, likewise.
        low: What share of the ordinary ones carries over at least, the lower end of an exact interval; of all that are
            unread, if the verdict rests on them.
        marked: How many of its rows have its mark.
        mark_pixels: How many pixels that has.
        obeyed: On what share of other classes' pictures a network obeys it at least, the lower end of such an interval.
    """

    verdict: Verdict
    rows: int
    asked: int
    unread: int
    ordinary: int
    carried: int
    ordinary_carried: int
    low: float
    marked: int = 0
    mark_pixels: int = 0
    obeyed: float = 0.0


def judge(labels: np.ndarray, classes: int, readings: "Readings") -> list[Judged]:
    """A verdict for each class.

    `poisoned`: what candidates teach carries over to others of them, beyond doubt in more than half of the cases where
    they look like ordinary pictures of another class. Where a trigger covers so much that they look like nothing
    ordinary, beyond doubt in more than three quarters of the cases, and they are read as several classes: odd rows of
    one kind, such as high sneakers among sneakers, carry over as well, but are all taken for boots. Where ordinary
    pictures of several classes got this label, many more than got others, in one of a hundred cases: some
    triggers are weaker in the training set than in use, but wrong labels by themselves do not carry over.

    `suspicious`: such aimed labels do not carry over; or more than half of a few do, not beyond doubt. `mislabelled`:
    many labels are wrong, or look drawn at random, and do not carry over. `clean`: nothing of that.

    Args:
        labels: int64 `[n]`.
        classes: How many there are.
        readings: Of these rows, see `carry_over.read`.
    """
    unread, ordinary, won = readings.unread(labels), readings.ordinary(labels), readings.won(labels)
    random = readings.at_random(labels)
    looks, numbers = readings.without.argmax(axis=1), np.arange(classes)
    counts = np.bincount(labels, minlength=classes)
    wrong = np.array([(ordinary & (labels == label)).sum() for label in numbers]) / np.maximum(1, counts)
    found = []
    for label in numbers:
        own = labels == label
        counted = own & readings.candidates, own & unread, own & ordinary, own & won, own & ordinary & won
        asked, odd, plain, back, plain_back = (int(each.sum()) for each in counted)
        low, low_of_all = (_low(*each, LEVEL / classes) for each in ((plain_back, plain), (back, odd)))
        many = plain >= max(FEWEST, ERRORS * counts[label])
        aimed = (
            plain >= FEWEST
            and wrong[label] > max(AT_LEAST, SEVERAL * np.median(wrong))
            and _several(looks[own & ordinary], min(ONE, max(LEAST, EVENLY / max(1, classes - 1))))
        )
        verdict: Verdict = "clean"
        if plain >= FEWEST and low > (AIMED if aimed else HALF):
            verdict = "poisoned"
        elif low_of_all > MOST and _several(looks[own & unread], LEAST):
            verdict, low = "poisoned", low_of_all
        elif aimed or (plain >= FEWEST and _low(plain_back, plain, DOUBT / classes) > HALF):
            verdict = "suspicious"
        elif (many and plain - plain_back >= ERRORS * counts[label]) or (own & random).sum() > ERRORS * counts[label]:
            verdict = "mislabelled"
        found.append(Judged(verdict, int(counts[label]), asked, odd, plain, back, plain_back, low))
    return found


def readable(share: float, classes: int) -> bool:
    """Whether networks that read this share of labels are nearer to all of them than to chance."""
    return share >= KNOWN + (1 - KNOWN) / classes


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of these; of none, `clean`."""
    return max(verdicts, key=BAD.index, default="clean")


def reasons(labels: np.ndarray, judged: list[Judged], readings: "Readings") -> np.ndarray:
    """Why each row is to be taken out, str `[n]`: "backdoor", "wrong label", or "" for those that may stay.

    Of a poisoned class it is whatever is read otherwise without the candidates, and surely so: half of the triggers
    need not have been enough to win it back. Wrong labels are told of all classes: rows that show another class as its
    ordinary ones do, or whose label looks drawn at random, and that nothing wins back; of a mislabelled class all that
    nothing wins back, of a suspicious one all that are read otherwise.
    """
    verdicts = np.array([each.verdict for each in judged])[labels]
    unread, lost = readings.unread(labels), ~readings.won(labels)
    own = readings.without[np.arange(len(labels)), labels]
    found = np.full(len(labels), "", "<U11")
    found[unread & lost & (readings.ordinary(labels) | (verdicts == "mislabelled"))] = "wrong label"
    found[readings.at_random(labels)] = "wrong label"
    found[unread & (verdicts == "suspicious")] = "wrong label"
    found[unread & (verdicts == "poisoned") & (own < LEFT)] = "backdoor"
    return found


def heed(
    labels: np.ndarray, judged: Sequence[Judged], reasons: np.ndarray, marks: Iterable["Mark"]
) -> tuple[list[Judged], np.ndarray]:
    """Adds what marks tell to verdicts and reasons, which come without them; see `marks.find`.

    A class with a mark is `poisoned` if a network that learnt the set reads the class, beyond doubt, on more than a
    quarter of other classes' pictures that the mark is pasted on, or if labels carry over, and `suspicious` if on more
    than a hundredth. A mark that nobody obeys is told of, and is no more than that. Of a poisoned class, rows with the
    mark are a backdoor's; where they are many, no others, as it is those without the mark that look odd then. Of a
    suspicious one their reason is "mark", unless there is another.
    """
    judged, reasons = list(judged), reasons.copy()
    for mark in marks:
        before, low = judged[mark.label], _low(mark.obeyed, mark.tried, LEVEL / len(judged))
        told: Verdict = "poisoned" if low > OBEYED else "suspicious" if low > HINTED else "clean"
        raised = worst([before.verdict, told])
        judged[mark.label] = before._replace(
            verdict=raised, marked=len(mark.rows), mark_pixels=len(mark.pixels), obeyed=low
        )
        if raised == "poisoned" and len(mark.rows) >= PART * before.rows:
            reasons[(labels == mark.label) & (reasons == "backdoor")] = ""
        own = reasons[mark.rows]
        if raised == "poisoned":
            reasons[mark.rows] = "backdoor"
        elif told == "suspicious":
            reasons[mark.rows] = np.where(own == "", "mark", own)
    return judged, reasons


def _several(looks: np.ndarray, most: float) -> bool:
    """Whether rows that look so, int64 `[m]`, look like several classes, none of which has that share of them, or more.

    An odd kind of the own class, or one that is hard to tell, is mostly taken for one other, or for two.
    """
    return bool(np.bincount(looks, minlength=1).max() < most * len(looks))


def _low(carried: int, of: int, level: float) -> float:
    if not of:
        return 0.0
    from scipy.stats import binomtest

    return float(binomtest(carried, of).proportion_ci(1 - 2 * level, method="exact").low)
