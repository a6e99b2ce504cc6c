"""Tells a backdoor from hard pictures and from wrong labels, by what carries over from some suspicious rows to others.

Ours. A trigger is what teaches a model the wrong label: who learns some of the rows reads the others so, too, though
who learnt none of them reads what the pictures show. What is hard to read stays hard, and a careless label teaches
nothing that another careless label would profit from. So the test needs no rate, no target, no trusted row and no
threshold of a suspicion: only rows to ask about, and too many of them do no harm.
"""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from miseducation.defending.evidence import Evidence
from miseducation.defending.views import principal

HEAPS = 40  # of like pictures, each of which comes into one half as a whole
COMPONENTS = 40  # of the pixels, by which pictures are alike


class Readings(NamedTuple):
    """How rows are read, int64 `[n]` each, 0 to K - 1.

    Attributes:
        without: By a network that learnt none of the candidates.
        crossed: The candidates by a network that learnt those of the other half; the other rows as by `without`.
    """

    without: np.ndarray
    crossed: np.ndarray


def halves(evidence: Evidence, candidates: np.ndarray) -> np.ndarray:
    """Splits the candidates into two halves of unlike pictures: bool `[n]`, true for those of the second.

    Near duplicates, such as frames of one film, would carry their label over to each other without any trigger. So
    pictures that look alike go to the same half, class by class.
    """
    rng, second = evidence.rng(), np.zeros(len(evidence), bool)
    view = principal(evidence.images, COMPONENTS, rng)
    for label in np.unique(evidence.labels[candidates]):
        rows = np.flatnonzero(candidates & (evidence.labels == label))
        places = view(evidence.images[rows])
        count = min(HEAPS, max(1, len(rows) // 2), len(np.unique(places, axis=0)))
        heaps = KMeans(count, n_init=1, random_state=int(rng.integers(2**31))).fit_predict(places)
        sizes, filled = np.bincount(heaps, minlength=count), [0, 0]
        for heap in np.argsort(-sizes, kind="stable"):  # the largest first, each to where there is less
            side = int(filled[1] < filled[0])
            filled[side] += sizes[heap]
            second[rows[heaps == heap]] = bool(side)
    return second


def read(evidence: Evidence, candidates: np.ndarray) -> Readings:
    """Trains three networks: one without the candidates, bool `[n]`, and one with each half of them."""
    second, recipe = halves(evidence, candidates), evidence.the_recipe()

    def reading(learnt: np.ndarray, asked: np.ndarray) -> np.ndarray:
        found = evidence.labels.copy()
        if learnt.sum() > 1 and asked.any():
            network = recipe.train(evidence.images[learnt], evidence.labels[learnt], seed=evidence.seed)
            found[asked] = network.predict(evidence.images[asked])
        return found

    without = reading(~candidates, np.ones(len(evidence), bool))
    crossed = without.copy()
    for half in (second, ~second):
        asked = candidates & half
        crossed[asked] = reading(~asked, asked)[asked]
    return Readings(without, crossed)
