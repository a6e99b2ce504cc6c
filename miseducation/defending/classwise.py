"""What detectors share that look at the features of one class at a time: its rows, and its principal axes.

For every detector of rows that compares a row with the others of its label; nothing here knows a method.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.linalg import eigh

from miseducation.dataset import blocks

BLOCK = 1000  # rows at a time
NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation
EPS = 1e-9  # variance, as a share of the features' mean square, that is none but for rounding


def classes(labels: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Each class that has two rows or more, and the numbers of its rows: with fewer there is nothing to compare."""
    for label, count in enumerate(np.bincount(labels)):
        if count > 1:
            yield label, np.flatnonzero(labels == label)


class Axes:
    """The principal axes of some features, in falling order of variance; none, if the features do not vary.

    Blocks of rows are multiplied as they are, in float32, and added up in float64: large features have no room twice.

    Attributes:
        variances: float64 `[k]`, of the features along each.
    """

    def __init__(self, features: np.ndarray, most: int) -> None:
        """Finds `most` axes, or as many as there are, of features, float `[n, d]`, n at least 1."""
        rows, width = features.shape
        self._mean = features.mean(axis=0, dtype=np.float64)
        if rows < width:  # the products of rows have the same variances as those of columns, and are fewer
            centred = features - self._mean
            products = centred @ centred.T
        else:
            products = np.zeros((width, width))
            for some in blocks(rows, BLOCK):
                block = features[some] - self._mean.astype(features.dtype)
                products += block.T @ block
        last = len(products) - 1
        first = last + 1 - max(1, min(most, width, rows - 1))
        variances, axes = eigh(products / max(1, rows - 1), subset_by_index=[first, last])
        scale = np.trace(products) / rows + (self._mean**2).sum()  # mean square length
        real = variances > EPS * scale
        self.variances, axes = variances[real][::-1], axes[:, real][:, ::-1]
        if rows < width:
            axes = centred.T @ axes
            axes /= np.linalg.norm(axes, axis=0)
        self._axes = axes

    def along(self, features: np.ndarray) -> np.ndarray:
        """The features' places along the axes, from their mean: float64 `[n, k]`."""
        places = [(features[some] - self._mean) @ self._axes for some in blocks(len(features), BLOCK)]
        return np.concatenate([np.empty((0, len(self.variances))), *places])


def deviations(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
    """The direction in which a class's features vary most, and how far others lie along it from the middle.

    Args:
        features: float `[n, d]`, n at least 1.

    Returns:
        A function from features, `[m, d]`, to how far each is from the median of the first, either way, in median
        absolute deviations, float64 `[m]`, 0 or more. None, if the features do not vary.
    """
    axis = Axes(features, 1)
    if not len(axis.variances):
        return None
    places = axis.along(features)[:, 0]
    middle = np.median(places)
    away = np.abs(places - middle)
    spread = NORMAL * (np.median(away) or away.mean())  # half of the rows or more may be in one place
    return lambda others: np.abs(axis.along(others)[:, 0] - middle) / spread


def in_trusted_units(suspicion: np.ndarray, trusted: list[np.ndarray]) -> np.ndarray:
    """Suspicions in units of the worst of m trusted rows: of the clean rows one in m + 1 is above 1, on average."""
    worst = max((float(some.max(initial=0)) for some in trusted), default=0)
    return suspicion / (worst or 1)
