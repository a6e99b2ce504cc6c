"""Asks networks that did not learn a row whether its label is right, by cleanlab.

Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, 2021,
https://arxiv.org/abs/1911.00068
"""

import warnings
from typing import final
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import Field

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.held_out import out_of_sample

_known: WeakKeyDictionary[Evidence, dict[int, np.ndarray]] = WeakKeyDictionary()  # by evidence and folds


@final
class ConfidentLearning(RowDetector):
    """Suspicion is how much surer a network is of another label, -1 to 1: cleanlab's normalized margin, turned round.

    Each fold's probabilities come from a network that the recipe trained on the others. Flagged is what cleanlab flags
    by default, the paper's "prune by noise rate": as many rows of each wrong label as the networks, sure of it, count.

    It was made for honest mistakes. The networks of all folds learn the backdoor from the poison of the others, so that
    poison is found only as far as it fails. Where all rows have one label, nothing is wrong with it.
    """

    needs = ("recipe",)

    folds: int = Field(5, ge=2, le=100, description="parts, each judged by a network that learnt the others, 2 to 100")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        from cleanlab.rank import get_label_quality_scores

        labels = evidence.labels
        if len(np.unique(labels)) < 2:
            return np.zeros(len(labels))
        return 1 - 2 * get_label_quality_scores(labels, self._out_of_sample(evidence), method="normalized_margin")

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        from cleanlab.filter import find_label_issues

        if len(np.unique(evidence.labels)) < 2:
            return np.zeros(len(suspicion), bool)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "May not flag all label issues")  # in a class of one row, or none
            return find_label_issues(evidence.labels, self._out_of_sample(evidence), n_jobs=1)

    def _out_of_sample(self, evidence: Evidence) -> np.ndarray:
        """Float64 `[n, K]`; trained for once, whoever asks."""
        known = _known.setdefault(evidence, {})
        if self.folds not in known:
            known[self.folds] = out_of_sample(evidence, self.folds)
        return known[self.folds]
