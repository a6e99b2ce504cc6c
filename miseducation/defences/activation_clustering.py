"""Splits each class's features in two: poison learnt for its trigger lies apart from rows learnt for what they show.

Chen, Carvalho, Baracaldo, Ludwig, Edwards, Lee, Molloy, Srivastava: Detecting Backdoor Attacks on Deep Neural Networks
by Activation Clustering, 2018, https://arxiv.org/abs/1811.03728
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.classwise import Axes, classes
from miseducation.defending.clusters import beyond

ROWS_PER_DIMENSION = 10  # or every class of a few rows falls in two


@final
class ActivationClustering(RowDetector):
    """Suspicion is how far a row lies on the smaller cluster's side, in units of the spread within the two clusters.

    As in the paper: each class's features are reduced to independent components and split by two means. As these are
    white principal components, turned, and two means are the same for any turn, the turn is left out. A smaller cluster
    is poison by the first of the paper's rules, exclusionary reclassification: a model that did not learn it reads it,
    and other labels come out.

    Other than there: only clusters that stand `apart` are in question. To leave out the smaller one of every class,
    such as crossed sevens, makes clean rows be misread as well; in models of clean mnist and digits, no class's
    clusters were 12 spreads apart. Those in question have to keep their label twice as often as they get any other,
    not only as often: an attacker who does not look at the images poisons some that bear the label anyway, as many as
    of any other class. The paper's other rules are not here. A small share is no sign of poison, which may be a third
    of its class; and to a silhouette most components add only noise, as they have nothing to do with the split. One
    rule of IBM's toolbox takes the smaller cluster of each class, whatever it is.
    """

    needs = ("model", "recipe")

    dimensions: int = Field(10, ge=1, le=1000, description="components of each class's features, 1 to 1000")
    apart: float = Field(
        12,
        ge=0,
        le=1000,
        description="distance between clusters, in units of their spread, above which one may be poison, 0 to 1000",
    )
    kept: float = Field(
        2,
        ge=0,
        le=1000,
        description="how many times as often a clean cluster keeps its label as it gets any other, 0 to 1000",
    )

    def suspect(self, evidence: Evidence) -> np.ndarray:
        features, suspicion = evidence.the_model().features, np.zeros(len(evidence))
        for _, rows in classes(evidence.labels):
            axes = Axes(features[rows], min(self.dimensions, max(1, len(rows) // ROWS_PER_DIMENSION)))
            if len(axes.variances):
                white = axes.along(features[rows]) / np.sqrt(axes.variances)
                suspicion[rows] = beyond(white, seed=int(evidence.rng().integers(2**31)))
        return suspicion

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        asked, labels = np.zeros(len(evidence), bool), evidence.labels
        for _, rows in classes(labels):
            smaller = suspicion[rows] > 0
            if (
                smaller.any()
                and np.subtract(*(suspicion[rows][side].mean() for side in (smaller, ~smaller))) > self.apart
            ):
                asked[rows[smaller]] = True
        learnt, cluster = np.flatnonzero(~asked), np.flatnonzero(asked)
        if not len(cluster) or len(learnt) < 2:
            return np.zeros(len(evidence), bool)
        other = evidence.the_recipe().train(evidence.images[learnt], labels[learnt], seed=evidence.seed)
        votes = np.zeros((len(evidence.classes), len(evidence.classes)))
        np.add.at(votes, (labels[cluster], other.predict(evidence.images[cluster])), 1)
        kept = np.diagonal(votes).copy()
        np.fill_diagonal(votes, 0)
        return asked & (kept < self.kept * votes.max(axis=1))[labels]
