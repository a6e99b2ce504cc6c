"""Looks along the direction in which a class's features vary most: enough poison turns this direction towards itself.

Tran, Li, Madry: Spectral Signatures in Backdoor Attacks, 2018, https://arxiv.org/abs/1811.00636
"""

from typing import final

import numpy as np

from miseducation.defences import Evidence, RowDetector
from miseducation.defending.classwise import classes, deviations, in_trusted_units


@final
class SpectralSignatures(RowDetector):
    """Suspicion is the square of a row's place along the first principal axis of its class's features.

    As in the paper, features are centred by class before the axis is sought; without that the axis is the class's mean,
    along which poison does not stand out. The authors' code centres for the axis, but then projects what is not.

    Other than there: places are counted from the class's median in median absolute deviations. Poison moves neither
    much, and classes can be compared, as one that varies a lot is not the more suspicious for it. The paper takes out
    1.5 times as many rows of each class as are poisoned, which a defender does not know. Here those go that are more
    suspicious than any trusted row, whose suspicion is the unit.
    """

    needs = ("model", "trusted")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        features, trusted = evidence.the_model().features, evidence.the_trusted()
        known = evidence.the_model().network.features(trusted.images)
        suspicion = np.zeros(len(evidence))
        of_trusted: list[np.ndarray] = []
        for label, rows in classes(evidence.labels):
            away = deviations(features[rows])
            if away is not None:
                suspicion[rows] = away(features[rows]) ** 2
                of_trusted.append(away(known[trusted.labels == label]) ** 2)
        return in_trusted_units(suspicion, of_trusted)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > 1
