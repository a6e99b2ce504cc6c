"""Looks for rows whose nearest rows have other labels; how near rows are is measured without any labels.

A backdoor is learnt through labels alone: what a model makes of a picture with a trigger fits its wrong label, what it
shows does not. This method is ours; the label against the neighbours' is an old idea (Wilson 1972).
"""

from typing import final

import numpy as np
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from miseducation.dataset import Images
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.held_out import threshold
from miseducation.defending.views import principal

SAME = 1e-3  # grey levels: what is nearer than that is the row itself, or its copy


@final
class LabelFreeNeighbours(RowDetector):
    """Suspicion is how much farther off the nearest rows of the same label are than the nearest of all.

    It is the logarithm of the ratio of their mean distances, 0 where all neighbours share the label. Distances tell
    more than votes: of rows without a vote, the one in the midst of another class comes first, not one at its rim.

    The view is that of the principal components of the pixels. It does for pictures that lie in the same place, such as
    digits; photographs of the same thing may have no pixel in common, and there it finds little. A view by patches does
    not mend that: in it, poison is most like other poison, whose label is the same; see `label_spreading`. A label that
    fits the picture, as clean-label attacks have it, is nothing to be found here; see `common_shift`.

    The threshold is what a thousandth of clean rows exceeds, by the tail of the trusted rows, see `held_out`: each is
    compared with the training set as if it were not in there.
    """

    needs = ("trusted",)

    components: int = Field(40, ge=1, le=1000, description="principal components of the pixels, 1 to 1000")
    neighbours: int = Field(15, ge=1, le=1000, description="nearest rows of each kind, 1 to 1000")
    known: int = Field(100_000, ge=2, le=10_000_000, description="rows to compare with, drawn at random, 2 to 10000000")
    share: float = Field(0.001, gt=0, lt=1, description="share of clean rows that may be flagged, between 0 and 1")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        return self._strangeness(evidence.images, evidence.labels, evidence)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > threshold(self._strangeness(*evidence.the_trusted(), evidence), self.share)

    def _strangeness(self, images: np.ndarray | Images, labels: np.ndarray, evidence: Evidence) -> np.ndarray:
        """Of rows that may be among the training rows, float64 `[m]`; 0 if no other row has the label."""
        view = principal(evidence.images, self.components, evidence.rng())
        kept = np.sort(evidence.rng().permutation(len(evidence))[: self.known])
        known, points = view(evidence.images[kept]), view(images)
        everything, found = NearestNeighbors(algorithm="brute").fit(known), np.zeros(len(labels))
        for label in np.unique(labels):
            rows, alike = labels == label, known[evidence.labels[kept] == label]
            if (count := min(self.neighbours, len(alike) - 1)) > 0:
                own = NearestNeighbors(algorithm="brute").fit(alike)
                found[rows] = np.log(_reach(own, points[rows], count) / _reach(everything, points[rows], count))
        return found


def _reach(known: NearestNeighbors, points: np.ndarray, count: int) -> np.ndarray:
    """The mean distance to the nearest rows but for one at the same place: the row itself. Above 0."""
    distances = known.kneighbors(points, count + 1)[0]
    others = np.where(distances[:, :1] < SAME, distances[:, 1:], distances[:, :-1])
    return others.mean(axis=1) + SAME
