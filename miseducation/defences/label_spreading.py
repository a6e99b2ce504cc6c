"""Spreads the labels of the trusted rows over all pictures, from each to those that look like it.

A backdoor is learnt through labels alone, and the given ones have no part in this: a row whose own label does not get
to it is suspicious. This use is ours. The spreading is that of Zhou et al. 2004, see `defending.spreading`, the view of
colour pictures that of Coates and Ng 2011, see `defending.patches`.
"""

from collections.abc import Callable
from typing import final

import numpy as np
from pydantic import Field

from miseducation.dataset import Images
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.held_out import folds, threshold
from miseducation.defending.patches import patchwise
from miseducation.defending.spreading import FAINT, neighbour_graph, spread
from miseducation.defending.views import principal

HALF = np.log(2)  # a label that has half of what gets to a row is not suspicious
ROUNDING = 1e-6


@final
class LabelSpreading(RowDetector):
    """Suspicion is how little of what gets to a row is its label: in nats, as a share of what a few clean rows exceed.

    Most photographs of a thing are like some others of it, and those like others; so a few trusted ones reach all. The
    vote of neighbours by their given labels, as `label_free_neighbours` has it, fails there: poison is most like other
    poison, whose label is the same. The labels of trusted rows cannot be outvoted.

    Grey pictures are seen by the principal components of their pixels, those in colour by their patches. Patches would
    show a trigger on a black ground all too well: they did worse than pixels for handwritten digits.

    How much is usual is told by the trusted rows, each while the other folds spread their labels. Of a class that no
    trusted row is of, nothing is known, and none of its rows is suspicious. What it does not find: a wrong label whose
    pictures are much like the row's, as those of traffic signs that differ by a digit, and a label that is right.
    """

    needs = ("trusted",)

    words: int = Field(300, ge=1, le=10_000, description="typical patches to compare a picture's with, 1 to 10000")
    components: int = Field(256, ge=1, le=1000, description="numbers that describe a picture by its patches, 1 to 1000")
    pixel_components: int = Field(40, ge=1, le=1000, description="principal components of grey pixels, 1 to 1000")
    neighbours: int = Field(15, ge=1, le=1000, description="nearest rows that each row is connected with, 1 to 1000")
    folds: int = Field(5, ge=2, le=100, description="parts of the trusted rows, which set the threshold, 2 to 100")
    share: float = Field(0.01, gt=0, lt=1, description="share of clean rows that may be flagged, between 0 and 1")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        images, labels = evidence.the_trusted()
        view, classes = self._view(evidence), len(evidence.classes)
        graph = neighbour_graph(np.concatenate([view(evidence.images), view(images)]), self.neighbours)
        rows = len(evidence) + np.arange(len(labels))
        fold, usual = folds(labels, self.folds, evidence.rng()), np.zeros(len(labels))
        told = np.zeros(len(labels), bool)
        for each in np.unique(fold):
            held = (fold == each) & np.isin(labels, labels[fold != each])
            shares = spread(graph, rows[fold != each], labels[fold != each], classes)
            usual[held] = _surprise(shares[rows[held]], labels[held])
            told |= held
        found = _surprise(spread(graph, rows, labels, classes)[: len(evidence)], evidence.labels)
        found[~np.isin(evidence.labels, labels)] = 0
        limit = threshold(usual[told], self.share) if told.any() else -np.log(FAINT)
        return found / max(limit, HALF)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > 1 + ROUNDING

    def _view(self, evidence: Evidence) -> Callable[[np.ndarray | Images], np.ndarray]:
        if evidence.images.shape[-1] == 1:
            return principal(evidence.images, self.pixel_components, evidence.rng())
        return patchwise(evidence.images, self.words, self.components, evidence.rng())


def _surprise(shares: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Minus the logarithm of each row's label's share, float64 `[n]`."""
    return -np.log(shares[np.arange(len(labels)), labels])
