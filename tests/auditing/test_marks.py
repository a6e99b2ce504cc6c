"""Marks are found where they were put, to the row and the pixel, and nowhere else."""

import numpy as np
import pytest
from PIL import Image

from miseducation.attacks import SIG, BadNets
from miseducation.auditing.marks import FEWEST_OTHERS, FEWEST_PLACES, FEWEST_ROWS, PASTED, Mark, find
from miseducation.auditing.verdict import heed, judge, reasons, worst
from miseducation.dataset import Dataset
from miseducation.datasets.digits import Digits
from miseducation.poisoning.label_maps import AllToOne, CleanLabel
from tests.auditing.test_verdict import CLASSES, situation

DIGITS = Digits().fetch().train
LABEL = 8


def found(images: np.ndarray, labels: np.ndarray, obeys: float = 0.0) -> list[Mark]:
    """Marks in these, if a network reads `LABEL` in so many of the pictures that have one."""

    def reads(asked: np.ndarray) -> np.ndarray:
        has = asked.reshape(len(asked), -1)[:, 0] == 60
        return np.where(has & (np.arange(len(asked)) < obeys * len(asked)), LABEL, LABEL - 1)

    return find(images, labels, reads, np.random.default_rng(0))


def marked(rows: np.ndarray, pixels: int = 9) -> np.ndarray:
    """The digits with a chequered corner in these rows."""
    images = DIGITS.images.copy()
    images.reshape(len(images), -1)[np.ix_(rows, np.arange(pixels))] = 60 + 10 * np.arange(pixels)
    return images


def own(count: int) -> np.ndarray:
    return np.flatnonzero(DIGITS.labels == LABEL)[:count]


@pytest.mark.parametrize("count", [FEWEST_ROWS, 60, 100])
@pytest.mark.parametrize("pixels", [FEWEST_PLACES, 16])
def test_a_mark_is_found_to_the_row_and_the_pixel(count: int, pixels: int) -> None:
    """100 are most of the class: which half is the odd one does not matter here."""
    (mark,) = found(marked(own(count), pixels), DIGITS.labels, 0.7)
    assert mark.label == LABEL
    assert mark.rows.tolist() == own(count).tolist()
    assert mark.pixels.tolist() == list(range(pixels))
    assert mark.values.tolist() == [60 + 10 * each for each in range(pixels)]
    assert mark.tried == PASTED
    assert mark.obeyed == 0.7 * PASTED


def test_stripes_of_a_published_attack_are_found() -> None:
    label_map = CleanLabel(target=LABEL, classes=10)
    data = SIG().poison(DIGITS, rate=0.03, label_map=label_map, seed=1)
    (mark,) = found(data.images[:], data.labels)
    assert (mark.label, mark.rows.tolist()) == (LABEL, np.flatnonzero(data.poisoned).tolist())
    drawn = mark.pasted(np.zeros((1, 28, 28, 1), np.uint8))
    there = np.zeros(drawn.size, bool)
    there[mark.pixels] = True
    np.testing.assert_array_equal(drawn.ravel()[there], SIG().poison_images(_black(), None).ravel()[there])


def test_a_sticker_with_the_wrong_labels_is_found_too() -> None:
    sticker = BadNets(pixels=[], patch={"position": [24, 24], "shape": [3, 3]})
    data = sticker.poison(DIGITS, rate=0.05, label_map=AllToOne(target=LABEL, classes=10), seed=1)
    (mark,) = found(data.images[:], data.labels)
    assert mark.rows.tolist() == np.flatnonzero(data.poisoned).tolist()


@pytest.mark.parametrize(
    "kind",
    ["clean", "everywhere", "whole class", "few rows", "few places", "few others", "coarse", "a film", "by degrees"],
)
def test_nothing_is_found_where_there_is_no_mark(kind: str) -> None:
    rng, images, labels = np.random.default_rng(1), DIGITS.images.copy(), DIGITS.labels
    if kind == "everywhere":  # such as a frame of the scanner, which half of all pictures have
        images = marked(rng.permutation(len(images))[::2])
    elif kind == "whole class":
        images = marked(own(len(images)))
    elif kind == "few rows":
        images = marked(own(FEWEST_ROWS - 1))
    elif kind == "few places":
        images = np.repeat(marked(own(60), FEWEST_PLACES - 1), 3, axis=3)  # each of which counts once
    elif kind == "few others":
        kept = np.flatnonzero(np.cumsum(labels != LABEL) < FEWEST_OTHERS)
        images, labels = marked(own(60))[kept], labels[kept]
    elif kind == "coarse":  # where strokes have much the same values, and some ways of drawing are a class's own
        small = (Image.fromarray(each[..., 0]).resize((8, 8), Image.Resampling.BOX) for each in images)
        large = (each.resize((16, 16), Image.Resampling.NEAREST).resize((32, 32)) for each in small)
        images = np.stack([np.asarray(each.convert("RGB")) for each in large])
    elif kind == "a film":  # one picture, many times over
        images[own(60)] = marked(own(1))[own(1)]
    elif kind == "by degrees":  # each row has another share of it
        images[own(120)] = np.where(rng.random((120, 1, 1, 1)) < rng.random((120, 28, 28, 1)), 77, images[own(120)])
    assert found(images, labels) == []


def test_the_data_stay_as_they_are_and_the_same_is_found() -> None:
    images = marked(own(60))
    before = images.tobytes()
    one, other = (found(images, DIGITS.labels)[0] for _ in range(2))
    assert all(np.array_equal(*each) for each in zip((one.pixels, one.rows), (other.pixels, other.rows), strict=True))
    assert images.tobytes() == before


@pytest.mark.parametrize(
    ("obeyed", "odd", "verdict", "reason"),
    [
        (0, 0, "clean", ""),
        (20, 0, "suspicious", "mark"),
        (130, 0, "suspicious", "mark"),  # more than a quarter, but not beyond doubt
        (500, 0, "poisoned", "backdoor"),
        (0, 60, "poisoned", "backdoor"),  # for what carries over
        (500, 60, "poisoned", "backdoor"),
    ],
)
def test_a_mark_is_poison_if_a_network_obeys_it(obeyed: int, odd: int, verdict: str, reason: str) -> None:
    labels, readings = situation(odd, won=odd)
    mark = Mark(0, np.arange(9), np.zeros(9, np.uint8), np.zeros(784, np.float32), np.arange(100, 130), 500, obeyed)
    judged = judge(labels, CLASSES, readings)
    before = reasons(labels, judged, readings)
    after, told = heed(labels, judged, before, [mark])
    assert worst(each.verdict for each in after) == after[0].verdict == verdict
    assert (told[mark.rows] == reason).all()
    assert (np.delete(told, mark.rows) == np.delete(before, mark.rows)).all()
    assert (after[0].marked, after[0].mark_pixels) == (30, 9)
    assert (after[0].obeyed > 0.25) == (obeyed == 500)
    assert 0 <= after[0].obeyed <= obeyed / 500


def test_where_most_of_a_class_has_the_mark_the_rest_is_not_the_poison() -> None:
    """A detector takes the fewer for the odd ones; the mark tells which they are."""
    labels, readings = situation(60, won=60)
    mark = Mark(0, np.arange(9), np.zeros(9, np.uint8), np.zeros(784, np.float32), np.arange(60, 180), 500, 500)
    judged = judge(labels, CLASSES, readings)
    after, told = heed(labels, judged, reasons(labels, judged, readings), [mark])
    assert after[0].verdict == "poisoned"
    assert np.flatnonzero(told != "").tolist() == list(range(60, 180))


def _black() -> Dataset:
    return Dataset(
        images=np.zeros((1, 28, 28, 1), np.uint8),
        labels=DIGITS.labels[:1],
        true_labels=DIGITS.labels[:1],
        poisoned=np.zeros(1, bool),
        classes=DIGITS.classes,
    )
