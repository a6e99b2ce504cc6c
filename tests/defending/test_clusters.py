"""Two clusters in a class's features."""

import numpy as np

from miseducation.defending.clusters import beyond


def two(rows: int, odd: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of rows, so many of which lie ten deviations off along a diagonal, and which those are."""
    rng = np.random.default_rng(0)
    places, far = rng.normal(size=(rows, 3)), np.arange(rows) < odd
    places[far] += 10 / np.sqrt(3)
    return places, far


def test_the_smaller_cluster_lies_beyond_the_middle() -> None:
    places, far = two(500, 60)
    found = beyond(places, seed=1)
    np.testing.assert_array_equal(found > 0, far)
    near, other = (found[each].mean() for each in (far, ~far))
    assert near == -other or abs(near + other) < 0.5, "in the middle is 0"
    assert 8 < near - other < 12, "in units of the spread within"


def test_a_sample_tells_as_much() -> None:
    places, far = two(5000, 600)
    found = beyond(places, seed=1, most=500)
    assert ((found > 0) == far).mean() > 0.999
    np.testing.assert_array_equal(found, beyond(places, seed=1, most=500))


def test_a_sample_that_is_all_in_one_place_tells_nothing() -> None:
    places = np.zeros((5000, 2))
    places[-1] = 1
    for seed in range(5):
        found = beyond(places, seed=seed, most=100)
        assert np.isfinite(found).all()
