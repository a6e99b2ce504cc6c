"""Scores: how well a model does its job, and how well it does the attacker's. Pure functions of arrays.

Predictions and labels are int64 `[n]`, masks bool `[n]`. Each score is a share of rows, so each comes as a `Share`
with its counts, from which its value and its confidence interval follow.
"""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """So many of so many rows.

    >>> Share(3, 4).value
    0.75
    """

    hits: int
    rows: int

    @property
    def value(self) -> float:
        """Hits ÷ rows, 0 to 1."""
        return self.hits / self.rows

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

        SciPy has it too, but takes half a second to import; the tests compare the two.
        """
        z = NormalDist().inv_cdf(0.975)
        middle = (self.hits + z * z / 2) / (self.rows + z * z)
        reach = z / (self.rows + z * z) * sqrt(self.hits * (self.rows - self.hits) / self.rows + z * z / 4)
        # Exact at the ends, where rounding would leave a hair.
        return middle - reach if self.hits else 0.0, middle + reach if self.hits < self.rows else 1.0


def accuracy(predictions: np.ndarray, true_labels: np.ndarray, rows: np.ndarray | None = None) -> Share:
    """mean(prediction == true label), over all rows or those of a mask, such as the classes under attack.

    >>> accuracy(np.array([1, 2, 3]), np.array([1, 2, 0]))
    Share(hits=2, rows=3)
    >>> accuracy(np.array([1, 2, 3]), np.array([1, 2, 0]), np.array([True, False, True]))
    Share(hits=1, rows=2)
    """
    hits = predictions == true_labels
    return _share(hits if rows is None else hits[rows])


def attack_success_rate(predictions: np.ndarray, goal: np.ndarray, attackable: np.ndarray) -> Share:
    """mean(prediction == label that the attacker wants) over the attackable triggered rows: ASR.

    With a clean model's predictions it is the false trigger rate, what the ASR would be with no backdoor at all.

    >>> attack_success_rate(np.array([8, 8, 1]), np.array([8, 8, 8]), np.array([True, False, True]))
    Share(hits=1, rows=2)
    """
    return _share((predictions == goal)[attackable])


def robust_accuracy(predictions: np.ndarray, true_labels: np.ndarray, attackable: np.ndarray) -> Share:
    """mean(prediction == true label) over the attackable rows, all of which carry the trigger: RA.

    >>> robust_accuracy(np.array([8, 8, 1]), np.array([7, 8, 1]), np.array([True, False, True]))
    Share(hits=1, rows=2)
    """
    return _share((predictions == true_labels)[attackable])


def side_effect_rate(before: np.ndarray, after: np.ndarray, attackable: np.ndarray) -> Share:
    """mean(prediction with the trigger ≠ prediction without) over the rows that are not attackable.

    >>> side_effect_rate(np.array([1, 2, 3]), np.array([8, 2, 8]), np.array([True, False, False]))
    Share(hits=1, rows=2)
    """
    return _share((before != after)[~attackable])


def per_class(hits: np.ndarray, true_labels: np.ndarray, classes: int) -> np.ndarray:
    """The share of hits, bool `[n]`, among the rows of each true class, float64 `[K]`; NaN for one without rows.

    >>> per_class(np.array([True, False, True]), np.array([0, 0, 2]), 3)
    array([0.5, nan, 1. ])
    """
    rows = np.bincount(true_labels, minlength=classes)
    good = np.bincount(true_labels[hits], minlength=classes)
    return np.divide(good, rows, out=np.full(classes, np.nan), where=rows > 0)


def confusion_matrix(predictions: np.ndarray, true_labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each true class was read as each class, int64 `[K, K]`: rows are true labels, columns predictions.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    return np.bincount(true_labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def _share(hits: np.ndarray) -> Share:
    return Share(int(hits.sum()), len(hits))
