"""Tells a backdoor from hard pictures and from wrong labels, by what carries over from some suspicious rows to others.

Ours. A trigger is what teaches a model the wrong label: who learns some of the rows reads the others so, too, though
who learnt none of them reads what the pictures show. What is hard to read stays hard, and a careless label teaches
nothing that another careless label would profit from. So the test needs no rate, no target, no trusted row and no
threshold of a suspicion: only rows to ask about, and too many of them do little harm.
"""

from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from miseducation.defending.evidence import Evidence
from miseducation.defending.views import principal

HEAPS = 40  # of like pictures, each of which comes into one half as a whole
COMPONENTS = 40  # of the pixels, by which pictures are alike
TIMES = 3  # how often a network sees its half of the candidates: half of the triggers are to teach as all of them do
ORDINARY = 0.25  # share of a class's rows that are read less surely than a row that is an ordinary one of it


class Readings(NamedTuple):
    """How rows are read.

    Attributes:
        candidates: bool `[n]`, the rows asked about.
        without: float32 `[n, K]`, probabilities by a network that learnt none of the candidates.
        crossed: float32 `[n, K]`, those of the candidates by a network that learnt the other half of them; the other
            rows' as by `without`.
        random: bool `[n]`, candidates whose labels look drawn at random, see `random_labels.find`.
    """

    candidates: np.ndarray
    without: np.ndarray
    crossed: np.ndarray
    random: np.ndarray

    def unread(self, labels: np.ndarray) -> np.ndarray:
        """The candidates that the first network reads as something else than their labels, bool `[n]`."""
        return self.candidates & (self.without.argmax(axis=1) != labels)

    def ordinary(self, labels: np.ndarray) -> np.ndarray:
        """Of these, those that it takes for ordinary rows of another class, bool `[n]`.

        It is as sure of them as of most rows of that class, or at least of a quarter. Of rows that are hard to read, or
        odd ones of their own class, it is less sure.
        """
        read, found = self.without.argmax(axis=1), np.zeros(len(labels), bool)
        for label in range(self.without.shape[1]):
            own = self.without[~self.candidates & (labels == label) & (read == label), label]
            if len(own):
                found |= self.unread(labels) & (read == label) & (self.without[:, label] > np.quantile(own, ORDINARY))
        return found

    def won(self, labels: np.ndarray) -> np.ndarray:
        """The candidates that are read as their labels say by who learnt the other half of them, bool `[n]`."""
        return self.unread(labels) & (self.crossed.argmax(axis=1) == labels)

    def at_random(self, labels: np.ndarray) -> np.ndarray:
        """Rows whose labels look drawn at random, and that neither network reads as their labels say, bool `[n]`."""
        return self.random & self.unread(labels) & ~self.won(labels)


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


def read(evidence: Evidence, candidates: np.ndarray, random: np.ndarray) -> Readings:
    """Trains three networks: one without the candidates, bool `[n]`, and one with each half of them.

    `random`, bool `[n]`, are rows whose labels look drawn at random.
    """
    second, recipe = halves(evidence, candidates), evidence.the_recipe()
    others = np.flatnonzero(~candidates)

    def reading(learnt: np.ndarray, asked: np.ndarray) -> np.ndarray:
        network = recipe.train(evidence.images[learnt], evidence.labels[learnt], seed=evidence.seed)
        return network.probabilities(evidence.images[asked])

    without = reading(others, np.arange(len(evidence)))
    crossed = without.copy()
    for half in (candidates & second, candidates & ~second):
        asked, learnt = np.flatnonzero(half), np.flatnonzero(candidates & ~half)
        if len(asked) and len(learnt):
            crossed[asked] = reading(np.sort(np.concatenate([others, *[learnt] * TIMES])), asked)
    return Readings(candidates, without, crossed, random & candidates)
