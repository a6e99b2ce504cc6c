import numpy as np
import pytest

from miseducation.defending.spreading import ALPHA, STEPS, neighbour_graph, spread


def points(rows: int = 30) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, 3))


def test_the_graph_is_the_papers_between_neighbours() -> None:
    spaces = np.linalg.norm(points()[:, np.newaxis] - points()[np.newaxis], axis=2)
    np.fill_diagonal(spaces, np.inf)
    last = np.sort(spaces, axis=1)[:, 3]
    near = spaces <= np.maximum(last[:, np.newaxis], last[np.newaxis])
    weights = np.where(near, np.exp(-((spaces / np.median(last)) ** 2)), 0)
    expected = weights / np.sqrt(np.outer(weights.sum(axis=0), weights.sum(axis=0)))
    np.testing.assert_allclose(neighbour_graph(points(), 4).toarray(), expected, rtol=1e-4, atol=1e-7)


def test_labels_spread_as_in_the_paper() -> None:
    graph, rows, labels = neighbour_graph(points(), 4), np.array([3, 8, 20]), np.array([1, 0, 1])
    own = np.zeros((30, 3))
    own[rows, labels] = [0.5, 1, 0.5]
    powers = [np.linalg.matrix_power(ALPHA * graph.toarray().astype(float), step) for step in range(STEPS + 1)]
    expected = (1 - ALPHA) * sum(powers[:-1]) @ own + powers[-1] @ own
    shares = spread(graph, rows, labels, 3)
    np.testing.assert_allclose(shares, expected / expected.sum(axis=1, keepdims=True), rtol=1e-3, atol=1e-9)


def test_where_nothing_gets_all_classes_have_the_same_share() -> None:
    apart = np.concatenate([points(10), points(10) + 1000])
    shares = spread(neighbour_graph(apart, 3), np.array([0]), np.array([1]), 2)
    np.testing.assert_allclose(shares[10:], 0.5)
    assert (shares[1:10, 1] > 0.999).all()


@pytest.mark.filterwarnings("error")
def test_rows_at_one_place_hold_together_evenly() -> None:
    graph = neighbour_graph(np.zeros((5, 2)), 10).toarray()
    np.testing.assert_allclose(graph, (1 - np.eye(5)) / 4, rtol=1e-6)
