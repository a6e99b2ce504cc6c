"""Few numbers in place of many, in which neighbours can be sought: principal components, and losses.

For every defence that compares training rows with each other.
"""

from collections.abc import Callable
from math import prod

import numpy as np
from sklearn.decomposition import PCA

from miseducation.dataset import Images, blocks

SAMPLE = 5000  # rows that the components are made from: no more tell them better
VALUES = 2**26  # of such rows in memory at most


def principal(
    things: np.ndarray | Images, components: int, rng: np.random.Generator
) -> Callable[[np.ndarray | Images], np.ndarray]:
    """Finds the directions in which things differ most.

    Args:
        things: Images or features, `[n, ...]`, of which a sample is drawn.
        components: How many, at most; there are no more than rows or values.
        rng: Draws.

    Returns:
        A function from such things, `[m, ...]`, to where they are along these directions, float64 `[m, components]`.
    """
    room = max(components, VALUES // prod(things.shape[1:]))
    sample = _flat(things[np.sort(rng.permutation(len(things))[: min(SAMPLE, room)])])
    pca = PCA(min(components, *sample.shape), random_state=int(rng.integers(2**31)))
    with np.errstate(invalid="ignore", divide="ignore"):  # if all are the same, shares of their variance are no numbers
        pca.fit(sample)
    return lambda some: np.concatenate([pca.transform(_flat(some[rows])) for rows in blocks(len(some))]).astype(float)


def losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy of each row, in nats, float64 `[n]`, finite, and not rounded to 0 where a model is sure.

    Args:
        probabilities: float32 `[n, K]`.
        labels: int64 `[n]`.
    """
    rows = np.arange(len(labels))
    others = probabilities.astype(np.float64)
    own = others[rows, labels]
    others[rows, labels] = 0
    # From the others' side, if they are few: 1 less a millionth has no room in float32, a millionth has.
    rest = np.minimum(others.sum(axis=1), 0.5)
    return np.where(own > 0.5, -np.log1p(-rest), -np.log(np.maximum(own, np.finfo(np.float32).tiny)))


def _flat(things: np.ndarray) -> np.ndarray:
    return things.reshape(len(things), -1).astype(np.float32)
