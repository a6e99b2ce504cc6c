"""What rows that were held out say: folds, how who did not learn a row reads it, and a threshold from the clean tail.

For every defence that trains on some rows and looks at others.
"""

import numpy as np

from miseducation.defending.evidence import Evidence

TAIL = 20  # a twentieth of the rows is the tail


def folds(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Deals rows out to `count` folds, each class as evenly as can be: int64 `[n]`, from 0; of fewer rows, fewer."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    dealt = np.empty(len(labels), np.int64)
    dealt[order] = np.arange(len(labels)) % count
    return dealt


def out_of_sample(evidence: Evidence, count: int, **knobs: float) -> np.ndarray:
    """How each row is read by a network that learnt the other folds: probabilities, float64 `[n, K]`.

    Args:
        evidence: With a recipe.
        count: Of folds.
        knobs: Stand in place of those of the recipe.
    """
    labels = evidence.labels
    fold, read = folds(labels, count, evidence.rng()), np.empty((len(labels), len(evidence.classes)))
    for each in np.unique(fold):
        held = fold == each
        network = evidence.the_recipe().train(evidence.images[~held], labels[~held], seed=evidence.seed, **knobs)
        read[held] = network.probabilities(evidence.images[held])
    return read


def threshold(clean: np.ndarray, share: float) -> float:
    """What about a share of clean rows exceeds, where so few are known that it cannot be counted off.

    Above the largest twentieth, the chance to exceed is taken to fall exponentially, at the pace that their mean shows
    (Hill 1975 has it for logarithms). Of 500 rows, the largest by itself would be a matter of luck.

    Args:
        clean: Suspicion of rows known to be clean, float64 `[m]`, at least 1.
        share: Above 0, below 1.

    >>> exponential = -np.log((np.arange(500) + 0.5) / 500)
    >>> round(threshold(exponential, 0.001), 1), round(float(-np.log(0.001)), 1)
    (6.9, 6.9)
    """
    if share >= 1 / TAIL:
        return float(np.quantile(clean, 1 - share, method="higher"))
    top = max(1, len(clean) // TAIL)
    *tail, start = np.sort(clean)[-top - 1 :][::-1]
    return float(start + (np.mean(tail) - start if tail else 0) * np.log(top / len(clean) / share))
