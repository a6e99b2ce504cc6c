"""Two clusters in the features of a class, and where each row lies between them.

For every detector that asks whether a label is borne by rows of two kinds.
"""

import sys

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

# Two means start from those rows that are farthest out along each axis, either way, and from random rows. One random
# start in twelve ends at the best split where poison is a tenth of its class: 30 alone missed it now and then.
TAILS, STARTS = (0.02, 0.05, 0.5), 60
TIGHTEST = 0.02  # spread within clusters, as a share of their distance, below which it does not matter


def beyond(places: np.ndarray, *, seed: int, most: int = sys.maxsize) -> np.ndarray:
    """How far beyond the middle between the centres of two clusters each row is, towards the smaller.

    Args:
        places: float64 `[m, d]`.
        seed: Of the random starts, and of the sample.
        most: Rows that the clusters are sought among; of more, a sample.

    Returns:
        float64 `[m]`, in units of the spread within the clusters; 0 is the middle. All are 0 if they lie in one place.
    """
    every, rng = places, np.random.default_rng(seed)
    if len(every) > most:
        places = every[np.sort(rng.permutation(len(every))[:most])]
    if len(np.unique(places, axis=0)) < 2:
        return np.zeros(len(every))
    ends = [way * each >= np.quantile(way * each, 1 - tail) for each in places.T for way in (1, -1) for tail in TAILS]
    starts = [np.stack([places[end].mean(axis=0), places[~end].mean(axis=0)]) for end in ends if not end.all()]
    with threadpool_limits(1):  # more are no faster, and on busy cores they wait for each other
        tried = [KMeans(2, init=start, n_init=1).fit(places) for start in starts]
        tried.append(KMeans(2, n_init=STARTS, random_state=seed).fit(places))
    found = min(tried, key=lambda each: each.inertia_)
    small = np.bincount(found.labels_, minlength=2).argmin()
    near, far = found.cluster_centers_[small], found.cluster_centers_[1 - small]
    apart = np.linalg.norm(near - far)
    along = (every - (near + far) / 2) @ (near - far) / apart
    spread = np.sqrt(np.mean((np.abs(along) - apart / 2) ** 2))
    return along / max(spread, TIGHTEST * apart)
