"""Pictures that stand in a data set twice with different labels: the same byte by byte, or nearly the same."""

import hashlib
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from miseducation.dataset import Images, blocks
from miseducation.defending.views import principal

# Correlation of their pixels from which two pictures are nearly the same. Two rows with different labels, in sets as
# their authors publish them, come to 0.933 at most in MNIST, 0.952 in digits and 0.984 in GTSRB. A digit of MNIST and a
# copy of it that is brighter, has some noise, or was a JPEG of quality 50 come to more.
ALIKE = 0.99
PLAIN = 4.0  # grey levels by which a picture varies, below which there is nothing in it to compare
FEWEST = 48  # values of a picture, below which many are alike by chance
GREY = 128  # the middle of the levels
COMPARED = 64  # pixels of a side by which pictures are compared, or a few more
MEMORY = 2**26  # bytes of pictures that are read at a time
SAMPLE, COMPONENTS, NEAREST = 2000, 16, 8  # rows to make directions from; these; rows that each row is compared with


class Pair(NamedTuple):
    """Two rows, the first before the second, and the correlation of their pixels."""

    row: int
    other: int
    alike: float


class Duplicates(NamedTuple):
    """Pairs of rows with different labels.

    Attributes:
        exact: Of each picture that stands there twice, byte by byte, the first two such rows, by rows.
        near: Of others that are nearly the same, the most alike first; each row is in one pair at most.
    """

    exact: list[Pair]
    near: list[Pair]

    def told(self, labels: np.ndarray, classes: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
        """As `verdict.json` has them."""

        def each(pair: Pair) -> dict[str, Any]:
            rows = [pair.row, pair.other]
            names = [files[row] for row in rows] if files else ["", ""]
            return {
                "rows": rows,
                "files": names,
                "labels": [classes[labels[row]] for row in rows],
                "alike": round(pair.alike, 4),
            }

        return {"duplicates": [*map(each, self.exact)], "near_duplicates": [*map(each, self.near)]}


def find(images: np.ndarray | Images, labels: np.ndarray, rng: np.random.Generator) -> Duplicates:
    """Looks for duplicates with different labels. The time grows a little faster than the rows.

    Args:
        images: uint8 `[n, h, w, c]`.
        labels: int64 `[n]`.
        rng: Draws the rows by which directions are chosen along which near duplicates are sought.
    """
    first, same = _first(images), dict[int, int]()
    for row in np.flatnonzero(labels != labels[first]):
        same.setdefault(int(first[row]), int(row))
    exact = [Pair(row, other, 1.0) for row, other in sorted(same.items())]
    return Duplicates(exact, _near(images, labels, np.unique(first), rng))


def _first(images: np.ndarray | Images) -> np.ndarray:
    """The first row that has the same picture as each: int64 `[n]`."""
    first: dict[bytes, int] = {}
    found = np.empty(len(images), np.int64)
    for block in batches(images, len(images)):
        for row, image in enumerate(np.ascontiguousarray(images[block]), block.start):
            found[row] = first.setdefault(hashlib.blake2b(image.data, digest_size=16).digest(), row)
    return found


def _near(images: np.ndarray | Images, labels: np.ndarray, rows: np.ndarray, rng: np.random.Generator) -> list[Pair]:
    """Of these rows, no two of which are the same, those that nearly are.

    Rows are sought near each other along a few directions. Nothing is missed by that, as two rows are never farther
    apart there than they are in all pixels. Of a heap of like pictures each finds only the nearest.
    """
    from scipy.spatial import cKDTree

    reach = np.sqrt(2 - 2 * ALIKE)  # between pictures of mean 0 and length 1
    sample = np.sort(rng.permutation(rows)[:SAMPLE])
    looks = np.concatenate([_contrast(images[sample[block]])[0] for block in batches(images, len(sample))])
    if looks.shape[1] < FEWEST:
        return []
    view = principal(looks, COMPONENTS, rng)
    places, varied = [], []
    for block in batches(images, len(rows)):
        pictures, spread = _contrast(images[rows[block]])
        places.append(view(pictures))
        varied.append(spread >= PLAIN)
    kept = np.flatnonzero(np.concatenate(varied))
    rows, points = rows[kept], np.concatenate(places)[kept]
    if len(rows) < 2:
        return []
    away, others = cKDTree(points).query(points, k=min(NEAREST, len(rows)), distance_upper_bound=reach)
    one, place = np.nonzero(np.isfinite(away))
    pairs = np.sort(np.stack([rows[one], rows[others[one, place]]], axis=1), axis=1)
    pairs = np.unique(pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]], axis=0)
    alike = [np.empty(0)]
    for block in batches(images, len(pairs)):
        left, right = (_contrast(images[pairs[block, side]])[0] for side in (0, 1))
        alike.append((left * right).sum(axis=1))
    found, taken = [], set[int]()
    likeness = np.concatenate(alike)
    for each in np.argsort(-likeness, kind="stable"):
        row, other = map(int, pairs[each])
        if likeness[each] >= ALIKE and not taken & {row, other}:
            found.append(Pair(row, other, float(likeness[each])))
            taken |= {row, other}
    return found


def batches(images: np.ndarray | Images, count: int) -> Iterator[slice]:
    """As many rows at a time as there is memory for."""
    return blocks(count, max(1, MEMORY // prod(images.shape[1:])))


def flat(images: np.ndarray) -> np.ndarray:
    """Of images, uint8 `[n, h, w, c]`, as many pixels as they are compared by: float32 `[n, d]`, around 0."""
    down, across = (max(1, side // COMPARED) for side in images.shape[1:3])
    return images[:, ::down, ::across].reshape(len(images), -1).astype(np.float32) - np.float32(GREY)


def _contrast(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Their pixels around 0, each picture's of length 1, float32 `[n, d]`; and by how many grey levels it varies."""
    pixels = flat(images)
    pixels -= pixels.mean(axis=1, keepdims=True)
    length = np.linalg.norm(pixels, axis=1, keepdims=True)
    return pixels / np.maximum(length, np.finfo(np.float32).tiny), length[:, 0] / np.sqrt(pixels.shape[1])
