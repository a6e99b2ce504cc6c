"""What the pictures that an audit flags have in common, and which ordinary ones they are most like."""

from typing import NamedTuple

import numpy as np

from miseducation.auditing.duplicates import GREY, batches, flat
from miseducation.dataset import Images

FACTORS = 1, 2, 5, 10  # that differences may be shown by
FEW_LEVELS = 4.0  # a difference that varies less is no more consistent for that


class Common(NamedTuple):
    """What flagged pictures have in common, when each is compared with an ordinary one.

    Attributes:
        difference: uint8 `[h, w, c]`, the mean difference; mid grey is none.
        factor: How many times as strong as it is the difference is drawn.
        consistency: uint8 `[h, w, 1]`, how much of its own spread each pixel's mean difference is, beyond chance.
    """

    difference: np.ndarray
    factor: int
    consistency: np.ndarray


def counterparts(images: np.ndarray | Images, rows: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Pairs each row with one of the pool whose picture is like it, pixel by pixel: all in all the closest pairs.

    None is taken twice while there are others: what is odd in one that is like many would seem odd in all of them.

    Args:
        images: uint8 `[n, h, w, c]`.
        rows: int64 `[k]`.
        pool: int64 `[m]`, one or more.

    Returns:
        int64 `[k]`, taken from the pool.
    """
    from scipy.optimize import linear_sum_assignment

    wanted = np.concatenate([flat(images[rows[block]]) for block in batches(images, len(rows))])
    distances = np.empty((len(rows), len(pool)))  # squared, but for what all of a row have in common
    for block in batches(images, len(pool)):
        others = flat(images[pool[block]])
        distances[:, block] = (others**2).sum(axis=1) - 2 * wanted @ others.T
    times = -(-len(rows) // len(pool))
    return pool[linear_sum_assignment(np.tile(distances, times))[1] % len(pool)]


def common(images: np.ndarray | Images, rows: np.ndarray, others: np.ndarray) -> Common:
    """What sets pictures apart from others, which are theirs one by one.

    Args:
        images: uint8 `[n, h, w, c]`.
        rows: int64 `[k]`, two or more.
        others: int64 `[k]`.
    """
    shape, count = images.shape[1:], len(rows)
    total, squares = np.zeros(shape), np.zeros(shape)
    for block in batches(images, count):
        differences = images[rows[block]].astype(np.float64) - images[others[block]]
        total += differences.sum(axis=0)
        squares += (differences**2).sum(axis=0)
    mean = total / count
    spread = np.sqrt(np.maximum(squares - count * mean**2, 0) / (count - 1))
    strongest = max(np.abs(mean).max(), 0.5)  # less than a grey level is not blown up to anything
    factor = max(each for each in FACTORS if each == 1 or each * strongest <= 255)
    beyond = np.maximum(np.abs(mean) - 2 * spread / np.sqrt(count), 0)  # chance reaches further in a pixel of twenty
    share = np.minimum(beyond / (spread + FEW_LEVELS), 1).max(axis=-1, keepdims=True)
    difference = np.rint(np.clip(GREY + factor * mean / 2, 0, 255)).astype(np.uint8)
    return Common(difference, factor, np.rint(255 * share).astype(np.uint8))
