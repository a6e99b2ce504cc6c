"""Makes a class's clean rows vary alike in all directions, by robust estimates, so that what poison adds stands out.

Hayase, Kong, Somani, Oh: SPECTRE: Defending Against Backdoor Attacks Using Robust Statistics, 2021,
https://arxiv.org/abs/2104.11315
"""

import math
from typing import NamedTuple, final

import numpy as np
from pydantic import Field
from scipy.special import softmax
from scipy.stats import chi2

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.classwise import Axes, classes, in_trusted_units

ROWS_PER_DIMENSION = 10  # or there is no telling a covariance
STEPS = 30  # of each robust estimate, at most; most settle earlier
LIKELY = 0.975  # share of a normal distribution whose rows the last estimates rest on
FLATTEST = 1e-9  # share of the largest variance that is added to all: half of the rows may lie in a plane


class Whitening(NamedTuple):
    """What makes the clean rows vary alike: their mean, float64 `[k]`, and a matrix, float64 `[k, k]`."""

    mean: np.ndarray
    matrix: np.ndarray

    def __call__(self, places: np.ndarray) -> np.ndarray:
        return (places - self.mean) @ self.matrix


@final
class Spectre(RowDetector):
    """Suspicion is the quantum entropy score of a row's whitened features, as a multiple of what trusted rows score.

    As in the paper: principal components of each class's features, robust mean and covariance, whitening, and scores by
    quantum entropy, which lie between the squared length and the largest axis's square. Of the numbers of components,
    squares from 1 to `dimensions`, that with the largest mean score is taken.

    Other than there: the robust estimates. The authors' filter is told how many rows are poisoned, twice that it may
    take out, and it leaves poison that is a third of its class. Here the estimates rest on the half of the rows that
    lies closest together (minimum covariance determinant, Rousseeuw and Van Driessen 1999), and then on all that a
    normal distribution makes likely. Features are not normal, and some classes have odd rows that are clean: as a
    multiple of what trusted rows of the class score on average, classes can be compared. Of each class the paper takes
    out 1.5 times as many rows as are poisoned, which a defender does not know. Here those go that are more suspicious
    than any trusted row, whose suspicion is the unit.
    """

    needs = ("model", "trusted")

    dimensions: int = Field(
        64, ge=1, le=1000, description="most principal components of each class's features, 1 to 1000"
    )
    alpha: float = Field(
        4, ge=0, le=100, description="0: all axes count alike; higher: the largest count more; 0 to 100"
    )

    def suspect(self, evidence: Evidence) -> np.ndarray:
        features, trusted = evidence.the_model().features, evidence.the_trusted()
        known = evidence.the_model().network.features(trusted.images)
        suspicion = np.zeros(len(evidence))
        of_trusted: list[np.ndarray] = []
        for label, rows in classes(evidence.labels):
            axes = Axes(features[rows], max(1, min(self.dimensions, len(rows) // ROWS_PER_DIMENSION)))
            if not len(axes.variances):
                continue
            places, others = axes.along(features[rows]), axes.along(known[trusted.labels == label])
            squares = [number**2 for number in range(1, math.isqrt(places.shape[1]) + 1)]
            tried = (self._scored(places[:, :width], others[:, :width]) for width in squares)
            scores, of_others = max(tried, key=lambda found: found[0].mean())
            unit = max(1, of_others.mean()) if len(others) else 1  # 1 is the mean of rows that are as white as can be
            suspicion[rows] = scores / unit
            of_trusted.append(of_others / unit)
        return in_trusted_units(suspicion, of_trusted)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > 1

    def _scored(self, places: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The scores of rows, and of others of their class, whitened as the rows' robust estimates say."""
        white = robust(places)
        weights = entropy_weights(white(places), self.alpha)
        return quadratic(white(places), weights), quadratic(white(others), weights)


def entropy_weights(white: np.ndarray, alpha: float) -> np.ndarray:
    """The scores' matrix of trace 1, float64 `[k, k]`: `exp(alpha (C - 1) / (|C| - 1))`, C the covariance."""
    variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(white.T)))
    excess = np.maximum(variances[-1] - 1, np.finfo(float).eps)
    return (axes * softmax(alpha * (variances - variances[-1]) / excess)) @ axes.T


def quadratic(white: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each row x of float64 `[n, k]`, the number x' weights x: float64 `[n]`."""
    return np.einsum("ij,ij->i", white @ weights, white)


def robust(places: np.ndarray) -> Whitening:
    """What whitens most rows, whatever the others, fewer than half, are.

    Args:
        places: float64 `[n, k]`, of some variance along each axis.
    """
    width, floor = places.shape[1], FLATTEST * places.var(axis=0).max()
    # It starts from the directions in which rows lie from their median, as far ones have no more say in these.
    centred = places - np.median(places, axis=0)
    directions = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(float).tiny)
    along = centred @ np.linalg.eigh(directions.T @ directions)[1]
    distances = (along**2 / (np.median(np.abs(along), axis=0) ** 2 + floor)).sum(axis=1)
    for share in (0.5, LIKELY):  # the nearest half; then all that are likely, if the others are as normal as these
        likely = chi2.ppf(share, width)
        shrunk = chi2.cdf(likely, width + 2) / share  # the variance that is left of 1 without the far rows
        chosen = np.zeros(len(places), bool)
        for _ in range(STEPS):
            nearest = distances <= (np.median(distances) if share == 0.5 else likely)
            if (nearest == chosen).all():
                break
            chosen = nearest
            mean = places[chosen].mean(axis=0)
            variances, axes = np.linalg.eigh(np.atleast_2d(np.cov(places[chosen].T, bias=True)))
            matrix = axes / np.sqrt(np.maximum(variances, 0) / shrunk + floor)
            distances = (((places - mean) @ matrix) ** 2).sum(axis=1)
    return Whitening(mean, matrix)
