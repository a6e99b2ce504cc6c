"""Looks for what many pictures of a class have in common and trusted ones of it lack: stripes, a pattern, a key.

Made for clean-label attacks, whose labels are right, so that there is nothing but the pictures to tell. This method is
ours. The whitening takes its covariance from Ledoit and Wolf 2004 (https://doi.org/10.1016/S0047-259X(03)00096-4), the
limit is that of Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993: a modified z-score above 3.5.
"""

from typing import NamedTuple, final

import numpy as np
from pydantic import Field
from sklearn.covariance import ledoit_wolf_shrinkage

from miseducation.dataset import blocks
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.views import SAMPLE, VALUES

LIMIT = 3.5  # of the modified z-score, whose unit is a normal distribution's standard deviation
UNIT = 1.4826
ALIKE = 0.1  # of logarithms: classes that differ by less do not differ
STEPS = 30  # of the power iteration
TINY = float(np.finfo(np.float32).tiny)
LEVEL = 1.0  # grey levels: less noise than that is none


@final
class CommonShift(RowDetector):
    """Suspicion is how far a row is from the trusted ones along a direction of its class, in spreads of other classes.

    The direction is the one in which the class's rows vary most, in units of what the trusted rows vary in it. Natural
    ones are many and small; a trigger that some rows have and others have not is one, and large where clean pictures
    have little: in fine stripes, on a black ground. A trigger that is small among lively pixels is not found, nor one
    that moves.

    A class is taken for poisoned if the variance of its rows along its direction, against that of other classes' rows
    there, is too large an outlier among the classes, by its logarithm. Of such a class, those rows are flagged that are
    farther off than all but a small share of other classes' rows. So some ten rows are too few, and if most classes
    have the trigger, none stands out.
    """

    needs = ("trusted",)

    share: float = Field(
        0.001, gt=0, lt=1, description="share of the other classes' rows beyond the threshold, between 0 and 1"
    )

    def suspect(self, evidence: Evidence) -> np.ndarray:
        return self._look(evidence)[0]

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > self._look(evidence)[1][evidence.labels]

    def _look(self, evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
        """The suspicion of each row, float64 `[n]`, and above which one a row of each class is flagged, `[K]`."""
        trusted, labels, count = evidence.the_trusted(), evidence.labels, len(evidence.classes)
        sizes = np.minimum(*(np.bincount(some, minlength=count) for some in (labels, trusted.labels)))
        known = np.flatnonzero(sizes > 0)
        if not len(known):
            return np.zeros(len(labels)), np.full(count, np.inf)
        directions, means = _directions(evidence, known)
        points, usual = (np.empty((len(some), len(known))) for some in (labels, trusted.labels))
        for found, images, classes in ((points, evidence.images, labels), (usual, *trusted)):
            for rows in blocks(len(found)):
                found[rows] = _flat(images[rows]) @ directions - (means @ directions)[classes[rows]]
        suspicion, limits, variances = np.zeros(len(labels)), np.full(count, np.inf), np.ones(len(known))
        for place, label in enumerate(known):
            own, start = labels == label, np.median(usual[trusted.labels == label, place])
            shifts, others = points[own, place] - start, points[~own, place]
            spread = max(others.std() if len(others) else 0.0, LEVEL)
            suspicion[own], variances[place] = np.abs(shifts) / spread, max(shifts.var(), LEVEL) / spread**2
            limits[label] = np.quantile(np.abs(others) / spread, 1 - self.share) if len(others) else np.inf
        limits[known[_scores(np.log(variances)) <= LIMIT]] = np.inf
        return suspicion, limits


def _scores(values: np.ndarray) -> np.ndarray:
    """How far each is above the median, in deviations that are usual."""
    above = values - np.median(values)
    return above / max(UNIT * np.median(np.abs(above)), ALIKE)


class _Whitener(NamedTuple):
    """What makes trusted rows vary by about 1 in any direction: in some by a factor, in all others by `rest`."""

    axes: np.ndarray
    factors: np.ndarray
    rest: float

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return rows * self.rest + (rows @ self.axes.T) * (self.factors - self.rest) @ self.axes


def _directions(evidence: Evidence, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The direction of each class that is known, `[d, k]`, in grey levels, and the means of all, float32 `[K, d]`."""
    images, labels = evidence.images, evidence.labels
    whiten, rng = _whitener(*evidence.the_trusted()), evidence.rng()
    found, means = [], np.zeros((len(evidence.classes), whiten.axes.shape[1]), np.float32)
    for label in known:
        rows = np.flatnonzero(labels == label)
        kept = np.sort(rng.permutation(rows)[: max(2, min(SAMPLE, VALUES // means.shape[1]))])
        own = _flat(images[kept])
        means[label] = own.mean(axis=0)
        white = whiten(own - means[label])
        direction = np.asarray(rng.normal(size=white.shape[1]), np.float32)
        for _ in range(STEPS):
            direction = white.T @ (white @ direction)
            direction = direction / max(float(np.linalg.norm(direction)), TINY)
        ahead = whiten(direction[np.newaxis])[0]
        found.append(ahead / max(float(np.linalg.norm(ahead)), TINY))
    return np.stack(found, axis=1), means


def _whitener(images: np.ndarray, labels: np.ndarray) -> _Whitener:
    rows = _flat(images)
    for label in np.unique(labels):
        rows[labels == label] -= rows[labels == label].mean(axis=0)
    shrinkage = float(ledoit_wolf_shrinkage(rows, assume_centered=True)) if rows.any() else 1.0
    floor = max(shrinkage * float((rows**2).mean()), LEVEL**2)
    _, values, axes = np.linalg.svd(rows, full_matrices=False)
    variances = (1 - shrinkage) * values**2 / len(rows) + floor
    return _Whitener(axes, 1 / np.sqrt(variances), 1 / np.sqrt(floor))


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float32)
