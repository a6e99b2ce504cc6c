"""Looks for marks: pixels that a part of a class shares to the value, which its rest and other classes lack.

Ours. It is for clean-label attacks, whose labels are right, so that no label carries over: a pattern in the corners, or
stripes on a plain ground. Pictures that nobody touched share the values of pixels by degrees; what was put on them is
there or not. Whether a mark is a trigger, a network tells that learnt the set: whether it reads the class wherever the
mark is pasted. A mark that was blended with lively pixels, moved, or stored with losses is not the same to the value.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from miseducation.dataset import Images, blocks

# Places that a mark has, in whichever channel, nearly a patch of 3 × 3; rows that have it; and rows of other classes:
# where there are few of these, a way of drawing a class may be all that they lack.
FEWEST_PLACES, FEWEST_ROWS, FEWEST_OTHERS = 8, 20, 1000
RARE, TIMES = 0.002, 50.0  # share of others' rows that may share a value, and how much more often the class's own do
TOGETHER = 0.9  # share of the rows with one of a mark's values that have another one of it
HAS, LACKS = 0.4, 0.15  # share of a mark's pixels from which a row has it, as some are covered; up to which it lacks it
BETWEEN = 0.02  # rows that neither have nor lack it, at most, to one that has it
SELDOM = 0.25  # how often others have one of its pixels, at most, to how often the rows with it do
BEYOND = 5.0  # standard errors from which the rest of the picture is changed as well
UNLIKE = 0.5  # how much rows with it vary elsewhere, to how much those without do; frames of one film vary less
EVERY = 0.95  # share of a class from which a mark is simply what the class looks like
SEEDS, VALUES, SAMPLE = 12, 20_000, 2000  # values that a mark is sought by, that it is sought among, and rows for that
PASTED = 1000  # pictures of other classes that a mark is tried on
LEVELS, MEMORY = 256, 2**24  # grey levels; pixels looked at at a time


class Mark(NamedTuple):
    """A mark.

    Attributes:
        label: Of the class.
        pixels: int64 `[m]`, places in a flat image, in order.
        values: uint8 `[m]`, what is there.
        shift: float32 `[d]`, what else was done to the picture: the mean difference from the rest of the class.
        rows: int64, which rows of the class have it, in order.
        tried: On how many pictures of other classes it was pasted.
        obeyed: How many of these were then read as the class.
    """

    label: int
    pixels: np.ndarray
    values: np.ndarray
    shift: np.ndarray
    rows: np.ndarray
    tried: int = 0
    obeyed: int = 0

    def pasted(self, images: np.ndarray) -> np.ndarray:
        """Images, uint8 `[k, h, w, c]`, with the mark on them."""
        flat = np.rint(np.clip(images.reshape(len(images), -1) + self.shift, 0, 255)).astype(np.uint8)
        flat[:, self.pixels] = self.values
        return flat.reshape(images.shape)


def find(
    images: np.ndarray | Images,
    labels: np.ndarray,
    reads: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
) -> list[Mark]:
    """The marks of a set, one of a class at most: that of most pixels and rows.

    Args:
        images: uint8 `[n, h, w, c]`.
        labels: int64 `[n]`.
        reads: Which class a network that learnt the set takes images for: int64 `[k]` of uint8 `[k, h, w, c]`.
        rng: Draws the rows that are looked at.
    """
    everywhere, found = _counts(images, np.arange(len(labels))), []
    for label in np.unique(labels):
        rows, others = np.flatnonzero(labels == label), np.flatnonzero(labels != label)
        if len(rows) < FEWEST_ROWS or len(others) < FEWEST_OTHERS:
            continue
        own = _counts(images, rows)
        elsewhere = (everywhere - own) / len(others)
        excess = own / len(rows) / (elsewhere + 1 / len(others))
        odd = (own >= FEWEST_ROWS) & (elsewhere <= RARE) & (excess >= TIMES)
        pairs = np.flatnonzero(odd)
        pairs = np.sort(pairs[np.argsort(-excess.ravel()[pairs], kind="stable")[:VALUES]])
        sets = _together(images, rng.permutation(rows)[:SAMPLE], pairs, excess.ravel()[pairs]) if len(pairs) else ()
        marks = [mark for each in sets if (mark := _mark(images, int(label), rows, pairs[each], elsewhere))]
        if not marks:
            continue
        mark = max(marks, key=lambda each: len(each.pixels) * len(each.rows))
        asked = images[np.sort(rng.permutation(others)[:PASTED])]
        asked = asked[reads(asked) != label]
        obeyed = int((reads(mark.pasted(asked)) == label).sum()) if len(asked) else 0
        found.append(mark._replace(tried=len(asked), obeyed=obeyed))
    return found


def _flat(images: np.ndarray | Images, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """These rows as uint8 `[k, d]`, some at a time."""
    size = int(np.prod(images.shape[1:]))
    for block in blocks(len(rows), max(1, MEMORY // size)):
        yield block, images[rows[block]].reshape(-1, size)


def _counts(images: np.ndarray | Images, rows: np.ndarray) -> np.ndarray:
    """How many of these rows have which value where: int64 `[d, 256]`."""
    size = int(np.prod(images.shape[1:]))
    found, starts = np.zeros(size * LEVELS, np.int64), np.arange(size) * LEVELS
    for _, flat in _flat(images, rows):
        found += np.bincount((flat + starts).ravel(), minlength=len(found))
    return found.reshape(size, LEVELS)


def _have(images: np.ndarray | Images, rows: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Which of these rows have which of these values, bool `[rows, pairs]`."""
    return np.concatenate([flat[:, pairs // LEVELS] == pairs % LEVELS for _, flat in _flat(images, rows)])


def _together(
    images: np.ndarray | Images, rows: np.ndarray, pairs: np.ndarray, excess: np.ndarray
) -> Iterator[np.ndarray]:
    """Values that come together, each time bool `[pairs]`, from the one that other classes lack most."""
    have, tried = _have(images, rows, pairs), np.zeros(len(pairs), bool)
    for _ in range(SEEDS):
        if tried.all():
            return
        seed = int(np.argmax(np.where(tried, -1, excess)))
        with_it = have[have[:, seed]]
        its = with_it.mean(axis=0) >= TOGETHER if len(with_it) else np.zeros(len(pairs), bool)
        tried |= its
        tried[seed] = True
        if 2 * _places(images, pairs[its] // LEVELS) > FEWEST_PLACES:  # others may have the rest now and then
            yield its


def _mark(
    images: np.ndarray | Images, label: int, rows: np.ndarray, sought: np.ndarray, elsewhere: np.ndarray
) -> Mark | None:
    """The mark that has these values, and whatever else comes with them, if they are of one."""
    has = _has(images, rows, sought)
    if has is None or not FEWEST_ROWS <= has.sum() <= EVERY * len(rows):
        return None
    with_it, without = (_counts(images, rows[its]) / its.sum() for its in (has, ~has))
    its = (with_it >= TOGETHER) & (np.maximum(without, elsewhere) <= SELDOM * with_it)
    other = ~its.any(axis=1)
    here, there = _moments(with_it), _moments(without)
    if here[1][other].sum() < UNLIKE * there[1][other].sum():
        return None
    error = np.sqrt(here[1] / has.sum() + there[1] / (~has).sum())
    shift = np.where(other & (np.abs(here[0] - there[0]) > BEYOND * error), here[0] - there[0], 0)
    pixels, values = np.nonzero(its)
    if _places(images, pixels) < FEWEST_PLACES:
        return None
    return Mark(label, pixels, values.astype(np.uint8), shift.astype(np.float32), rows[has])


def _places(images: np.ndarray | Images, pixels: np.ndarray) -> int:
    """At how many places these are, in whichever channel."""
    return len(np.unique(pixels // images.shape[3]))


def _moments(shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean and the variance of pixels, float64 `[d]`, of which these shares, `[d, 256]`, have each value."""
    levels = np.arange(LEVELS)
    mean = shares @ levels
    return mean, shares @ levels**2 - mean**2


def _has(images: np.ndarray | Images, rows: np.ndarray, pairs: np.ndarray) -> np.ndarray | None:
    """Which of the rows have these values, bool `[rows]`, if each has or lacks them."""
    blocks_of = (flat[:, pairs // LEVELS] == pairs % LEVELS for _, flat in _flat(images, rows))
    share = np.concatenate([each.mean(axis=1) for each in blocks_of])
    has = share >= HAS
    between = (share > LACKS) & ~has
    return has if has.any() and between.sum() <= BETWEEN * has.sum() else None
