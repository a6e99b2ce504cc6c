"""Labels of a few rows, spread over all rows along a graph of neighbours.

Zhou, Bousquet, Lal, Weston, Schölkopf: Learning with Local and Global Consistency, 2004,
https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency
"""

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.neighbors import NearestNeighbors

ALPHA = 0.99  # the paper's: what a row takes from its neighbours
STEPS = 50  # labels go no farther
FAINT = 1e-15  # of a label that does not get to a row


def neighbour_graph(points: np.ndarray, count: int) -> csr_array:
    """How strongly rows hold together: the paper's S, between nearest neighbours only.

    A weight falls with the square of the distance, in units of what is usual between a row and the last of its
    neighbours. Rows are neighbours if either is among the other's nearest.

    Args:
        points: float `[n, d]`, 2 or more.
        count: Nearest rows of each.

    Returns:
        float32 `[n, n]`, symmetrical, 0 on the diagonal.
    """
    nearest = NearestNeighbors(n_neighbors=min(count, len(points) - 1), algorithm="brute").fit(points)
    graph = nearest.kneighbors_graph(mode="distance")
    usual = np.median(graph.data.reshape(len(points), -1).max(axis=1))
    graph.data = np.exp(-((graph.data / (usual or 1)) ** 2))
    graph = csr_array(graph.maximum(graph.T)).astype(np.float32)
    scale = diags_array(1 / np.sqrt(graph.sum(axis=1)).clip(FAINT))
    return csr_array(scale @ graph @ scale).astype(np.float32)


def spread(graph: csr_array, rows: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """What share each class has in what gets to a row.

    Args:
        graph: Of all n rows, see `neighbour_graph`.
        rows: int64 `[m]`, those whose labels are spread.
        labels: int64 `[m]`; the rows of a class spread as much together as those of any other.
        classes: How many there are.

    Returns:
        float64 `[n, classes]`, above 0; each row's sum is 1.
    """
    own = np.zeros((graph.shape[0], classes), np.float32)
    own[rows, labels] = 1 / np.bincount(labels)[labels]
    found = own
    for _ in range(STEPS):
        found = ALPHA * (graph @ found) + (1 - ALPHA) * own
    shares = found.astype(float) + FAINT
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
