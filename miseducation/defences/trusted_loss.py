"""Trains a model on the trusted rows alone, and looks for labels that surprise it: it never saw a trigger.

This method is ours. The loss under a model of clean rows is the plainest question that trusted rows can answer.
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.held_out import folds, threshold
from miseducation.defending.views import losses
from miseducation.networks import Network


@final
class TrustedLoss(RowDetector):
    """Suspicion is the cross-entropy of a row's label, in nats, under the recipe's network taught by trusted rows.

    The threshold is what a hundredth of clean rows exceeds, as detectors of inputs have it. It comes from the trusted
    rows, each under a network that learnt from the other folds of them: these know a little less, and are surprised a
    little more often.
    """

    needs = ("trusted", "recipe")

    epochs: int = Field(100, ge=1, le=10_000, description="passes over the trusted rows, 1 to 10000")
    batch_size: int = Field(50, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    folds: int = Field(5, ge=2, le=100, description="networks that set the threshold, 2 to 100")
    share: float = Field(0.01, gt=0, lt=1, description="share of clean rows that may be flagged, between 0 and 1")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        network = self._taught(evidence, np.ones(len(evidence.the_trusted().labels), bool))
        return losses(network.probabilities(evidence.images), evidence.labels)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        images, labels = evidence.the_trusted()
        fold, surprise = folds(labels, self.folds, evidence.rng()), np.empty(len(labels))
        for each in np.unique(fold):
            held = fold == each
            surprise[held] = losses(self._taught(evidence, ~held).probabilities(images[held]), labels[held])
        return suspicion > threshold(surprise, self.share)

    def _taught(self, evidence: Evidence, rows: np.ndarray) -> Network:
        """A network that learnt these trusted rows, a mask."""
        images, labels = evidence.the_trusted()
        knobs = {"epochs": self.epochs, "batch_size": self.batch_size}
        return evidence.the_recipe().train(images[rows], labels[rows], seed=evidence.seed, **knobs)
