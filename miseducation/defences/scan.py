"""Checks for each class whether two groups explain its features better than one, as poisoned classes have two kinds.

Tang, Wang, Tang, Zhang: Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination Detection,
2021, https://arxiv.org/abs/1908.00686
"""

from typing import final

import numpy as np
from pydantic import Field
from sklearn.cluster import KMeans

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.classwise import EPS, Axes, classes

ROWS_PER_DIMENSION = 10  # trusted ones, or there is no telling a covariance
ITERATIONS, SETTLED = 100, 1e-4  # of the decomposition; the change, as a share, at which it ends
FLATTEST = 1e-3  # variance, as a share of the largest, below which trusted rows are too few to tell
NORMAL = 1.4826  # standard deviations of a normal distribution in its median absolute deviation


@final
class Scan(RowDetector):
    """Suspicion is the logarithm of how much likelier a row is in its class's poisoned group than in the other.

    As in the paper: trusted rows tell how images of any one class vary, with one covariance for all classes; each class
    is untangled into two groups of that covariance; a class is poisoned if its likelihood ratio is `anomaly` times as
    far from the median class as is usual. That ratio, per row as in the authors' code, follows from the suspicions.

    Other than there: features are reduced to principal components of the training set, as many as some hundred trusted
    rows can tell a covariance of; the authors had a tenth of the training set. Only a class that two groups explain
    better than others is poisoned, not one that they explain worse. Untangling, which is two means where the covariance
    is the unit, starts three times. Which group is poison, the trusted rows of the class tell: they are in the other.
    """

    needs = ("model", "trusted")

    dimensions: int = Field(
        50, ge=1, le=1000, description="principal components, 1 to 1000; at most a tenth of trusted_rows"
    )
    anomaly: float = Field(float(np.exp(2)), gt=0, le=1e6, description="index above which a class is poisoned, above 0")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        features, trusted = evidence.the_model().features, evidence.the_trusted()
        axes = Axes(features, min(self.dimensions, max(1, len(trusted.labels) // ROWS_PER_DIMENSION)))
        known = axes.along(evidence.the_model().network.features(trusted.images))
        whitening = _whitening(variation(known, trusted.labels))
        suspicion = np.zeros(len(evidence))
        for label, rows in classes(evidence.labels):
            places = axes.along(features[rows]) @ whitening
            if np.ptp(places, axis=0).max(initial=0) > EPS:
                suspicion[rows] = self._untangle(places, known[trusted.labels == label] @ whitening, evidence)
        return suspicion

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        explained = {label: ratio(suspicion[rows]) for label, rows in classes(evidence.labels)}
        values = np.array([*explained.values()] or [0.0])
        middle = np.median(values)
        spread = NORMAL * np.median(np.abs(values - middle))
        poisoned = [label for label, value in explained.items() if value - middle > self.anomaly * spread]
        return (suspicion > 0) & np.isin(evidence.labels, poisoned)

    def _untangle(self, places: np.ndarray, known: np.ndarray, evidence: Evidence) -> np.ndarray:
        """The logarithm of the likelihood ratio of each row, float64 `[m]`, above 0 in the group that is poison."""
        found = KMeans(2, n_init=3, random_state=int(evidence.rng().integers(2**31))).fit(places)
        centres = found.cluster_centers_
        along, middle = centres[1] - centres[0], centres.mean(axis=0)
        ratios = (places - middle) @ along
        # Of each group: trusted rows, and all. Poison is where the fewer are.
        first, second = ([(each <= 0).sum(), (each > 0).sum()] for each in ((known - middle) @ along, ratios))
        fewer = (first[1], second[1]) < (first[0], second[0])
        return ratios if fewer else -ratios


def variation(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How rows of any one class vary: the covariance within classes, float64 `[d, d]`.

    Rows are thought of as what their class is and how they vary, both normally distributed; the covariances of the two
    are sought in turn with the classes' likeliest places.

    Args:
        features: float64 `[m, d]`.
        labels: int64 `[m]`.
    """
    centred = features - features.mean(axis=0)
    kinds, of_row, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.array([centred[of_row == kind].mean(axis=0) for kind in range(len(kinds))])
    places, within = means, np.zeros((0, 0))
    for _ in range(ITERATIONS):
        before = within
        between, within = _covariance(places[of_row]), _covariance(centred - places[of_row])
        if before.size and np.linalg.norm(within - before) <= SETTLED * np.linalg.norm(before):
            break
        places = np.array(
            [
                count * between @ np.linalg.pinv(count * between + within, hermitian=True) @ mean
                for count, mean in zip(counts, means, strict=True)
            ]
        )
    return within


def ratio(suspicion: np.ndarray) -> float:
    """The likelihood ratio of two groups to one, twice its logarithm, per row, given each row's between the groups."""
    second = suspicion > 0
    if second.all() or not second.any():
        return 0
    return float(second.mean() * (1 - second.mean()) * (suspicion[second].mean() - suspicion[~second].mean()))


def _covariance(rows: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.cov(rows.T, bias=True))


def _whitening(covariance: np.ndarray) -> np.ndarray:
    """What makes the covariance the unit, float64 `[d, d]`."""
    variances, axes = np.linalg.eigh(covariance)
    largest = variances.max(initial=0) or 1  # a trusted row alone, or all alike, tell nothing
    return axes / np.sqrt(np.maximum(variances, FLATTEST * largest))
