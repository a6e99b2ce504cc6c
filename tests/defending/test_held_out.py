import numpy as np
import pytest

from miseducation.defending.held_out import folds, threshold


@pytest.mark.parametrize("count", [2, 3, 7])
def test_folds_are_even_within_each_class(count: int) -> None:
    labels = np.repeat([0, 1, 4], [50, 3, 30])
    dealt = folds(labels, count, np.random.default_rng(0))
    for rows in (labels >= 0, *(labels == label for label in (0, 1, 4))):
        sizes = np.bincount(dealt[rows], minlength=count)
        assert sizes.max() - sizes.min() <= 1
    assert not np.array_equal(dealt, folds(labels, count, np.random.default_rng(1)))


def test_fewer_rows_than_folds_are_a_fold_each() -> None:
    assert sorted(folds(np.zeros(3, int), 5, np.random.default_rng(0))) == [0, 1, 2]


@pytest.mark.parametrize(("share", "within"), [(0.3, 0.1), (0.01, 0.25), (0.001, 0.6)])
def test_about_the_share_of_clean_rows_exceeds_it(share: float, within: float) -> None:
    rng = np.random.default_rng(0)
    exceeding = [(rng.exponential(3, 20_000) + 1 > threshold(rng.exponential(3, 500) + 1, share)) for _ in range(50)]
    assert np.mean(exceeding) == pytest.approx(share, rel=within)


def test_few_clean_rows_will_do() -> None:
    assert threshold(np.array([2.0]), 0.001) == 2
    assert threshold(np.array([2.0, 2.0]), 0.001) == 2
    assert threshold(np.array([1.0, 2.0]), 0.001) > 2
    assert threshold(np.zeros(500), 0.001) == 0
