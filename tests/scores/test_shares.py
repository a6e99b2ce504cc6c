"""Each share against a reference that has no code in common with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, confusion_matrix

from miseducation.scores import shares
from miseducation.scores.shares import Share

K = 5
labels = st.lists(st.tuples(*[st.integers(0, K - 1)] * 3, st.booleans()), min_size=1, max_size=60)


@given(labels)
def test_shares_agree_with_a_loop(rows: list[tuple[int, int, int, bool]]) -> None:
    predictions, true_labels, goal, attackable = (np.array(column) for column in zip(*rows, strict=True))
    hits = sum(p == g for p, _, g, counts in rows if counts)
    kept = sum(p == t for p, t, _, counts in rows if counts)
    assert shares.accuracy(predictions, true_labels).value == pytest.approx(accuracy_score(true_labels, predictions))
    assert shares.attack_success_rate(predictions, goal, attackable) == (hits, attackable.sum())
    assert shares.robust_accuracy(predictions, true_labels, attackable) == (kept, attackable.sum())
    assert shares.accuracy(predictions, true_labels, attackable) == (kept, attackable.sum())
    moved = sum(p != g for p, _, g, counts in rows if not counts)
    assert shares.side_effect_rate(predictions, goal, attackable) == (moved, (~attackable).sum())
    np.testing.assert_array_equal(
        shares.confusion_matrix(predictions, true_labels, K),
        confusion_matrix(true_labels, predictions, labels=range(K)),
    )
    by_class = shares.per_class(predictions == true_labels, true_labels, K)
    for label in range(K):
        of_class = [p == t for p, t, _, _ in rows if t == label]
        expected = sum(of_class) / len(of_class) if of_class else math.nan
        assert by_class[label] == pytest.approx(expected, nan_ok=True)


def test_the_last_classes_count_also_where_they_do_not_occur() -> None:
    zeros = np.zeros(3, int)
    np.testing.assert_array_equal(shares.per_class(zeros == 0, zeros, 3), [1, np.nan, np.nan])
    np.testing.assert_array_equal(shares.per_class(zeros == 1, zeros, 3), [0, np.nan, np.nan])
    np.testing.assert_array_equal(shares.confusion_matrix(zeros, zeros, 2), [[3, 0], [0, 0]])


def test_a_share_is_of_whole_numbers_that_json_knows() -> None:
    share = shares.accuracy(np.array([1, 2, 3]), np.array([1, 2, 0]))
    assert share == Share(2, 3)
    assert {type(number) for number in share} == {int}


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_scipys(counts: tuple[int, int]) -> None:
    low, high = Share(*counts).interval
    reference = binomtest(*counts).proportion_ci(method="wilson")
    assert low == pytest.approx(reference.low, abs=1e-12)
    assert high == pytest.approx(reference.high, abs=1e-12)
    assert 0 <= low <= Share(*counts).value <= high <= 1


@pytest.mark.parametrize("rows", [1, 3, 7, 49, 1000])
def test_intervals_end_where_nothing_is_beyond(rows: int) -> None:
    none, all_ = Share(0, rows).interval, Share(rows, rows).interval
    assert none[0] == 0
    assert 0 < none[1] < 1
    assert 0 < all_[0] < 1
    assert all_[1] == 1
