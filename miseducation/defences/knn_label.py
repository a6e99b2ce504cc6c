"""Asks the nearest rows, in what the model's last layer gets, whether a row's label is theirs.

Peri, Gupta, Huang, Fowl, Zhu, Feizi, Goldstein, Dickerson: Deep k-NN Defense against Clean-label Data Poisoning
Attacks, 2020, https://arxiv.org/abs/1909.13374
"""

from typing import final

import numpy as np
from pydantic import Field
from sklearn.neighbors import NearestNeighbors

from miseducation.dataset import blocks
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.views import principal


@final
class KnnLabel(RowDetector):
    """Suspicion is by what share of the neighbours another label leads, -1 to 1; flagged is what it does lead for.

    So a row is taken out if its label is not the most frequent one among its neighbours', as in the paper. The default
    is the authors' code's; no more vote than a class has rows on average, or others would always be in the majority.

    Other than there, neighbours are sought in the features' principal components: a search in all 1,024 features of our
    small network would take minutes. It was made for clean-label attacks on one picture. A backdoor's rows are each
    other's neighbours and the target class's, so that a model that learnt the backdoor well hides them.
    """

    components: int = Field(40, ge=1, le=1000, description="principal components of the features, 1 to 1000")
    neighbours: int = Field(101, ge=1, le=1000, description="nearest rows that vote, 1 to 1000")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        features, labels = evidence.the_model().features, evidence.labels
        points = principal(features, self.components, evidence.rng())(features)
        count = min(self.neighbours, max(1, len(labels) // len(evidence.classes)), len(labels) - 1)
        nearest = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(points).kneighbors(return_distance=False)
        suspicion = np.empty(len(labels))
        for rows in blocks(len(labels)):
            voters, own = labels[nearest[rows]], labels[rows, np.newaxis]
            votes = np.zeros((len(voters), len(evidence.classes)))
            np.add.at(votes, (np.arange(len(voters))[:, np.newaxis], voters), 1)
            lead = -np.take_along_axis(votes, own, axis=1)[:, 0]
            np.put_along_axis(votes, own, 0, axis=1)
            suspicion[rows] = (lead + votes.max(axis=1)) / count
        return suspicion

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > 0
