"""Each score against a reference that shares no code with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix

from stages import scores
from stages.dataset import clean
from stages.evaluate import headline

K = 4
labels = st.lists(st.tuples(*[st.integers(0, K - 1)] * 3, st.booleans()), min_size=1, max_size=60)


@given(labels)
def test_shares_agree_with_a_loop(rows: list[tuple[int, int, int, bool]]) -> None:
    predictions, true_labels, goal, attackable = (np.array(column) for column in zip(*rows, strict=True))
    hits = sum(p == g for p, _, g, counts in rows if counts)
    kept = sum(p == t for p, t, _, counts in rows if counts)
    assert scores.accuracy(predictions, true_labels).value == pytest.approx(accuracy_score(true_labels, predictions))
    assert scores.attack_success_rate(predictions, goal, attackable) == (hits, attackable.sum())
    assert scores.robust_accuracy(predictions, true_labels, attackable) == (kept, attackable.sum())
    right = sum(p == t for p, t, _, counts in rows if counts)
    assert scores.accuracy(predictions, true_labels, attackable) == (right, attackable.sum())
    moved = sum(p != g for p, _, g, counts in rows if not counts)
    assert scores.side_effect_rate(predictions, goal, attackable) == (moved, (~attackable).sum())
    np.testing.assert_array_equal(
        scores.confusion_matrix(predictions, true_labels, K),
        confusion_matrix(true_labels, predictions, labels=range(K)),
    )
    by_class = scores.per_class(predictions == true_labels, true_labels, K)
    for label in range(K):
        of_class = [p == t for p, t, _, _ in rows if t == label]
        expected = sum(of_class) / len(of_class) if of_class else math.nan
        assert by_class[label] == pytest.approx(expected, nan_ok=True)


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_wilsons(counts: tuple[int, int]) -> None:
    hits, rows = counts
    share, z = hits / rows, 1.959963984540054
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    low, high = scores.Share(hits, rows).interval
    assert low == pytest.approx(max(0, centre - half), abs=1e-9)
    assert high == pytest.approx(min(1, centre + half), abs=1e-9)


def test_scores_of_no_rows_are_left_out() -> None:
    """All-to-all attacks every class, so there are no others to score."""
    test = clean(np.zeros((2, 1, 1, 1), np.uint8), [0, 1], ["a", "b"])
    triggered = clean(test.images, [1, 0], test.classes)
    read_as = {
        (model, data): np.array([0, 1]) for model in ("clean", "backdoored") for data in ("untouched", "triggered")
    }
    shares = headline(test, triggered, np.array([True, True]), read_as)
    assert shares["source_accuracy"].value == 1
    assert not {"other_accuracy", "baseline_other_accuracy", "side_effect_rate"} & shares.keys()


def test_the_headline_of_a_case_that_can_be_done_by_hand() -> None:
    test = clean(np.zeros((4, 1, 1, 1), np.uint8), [0, 1, 2, 2], ["a", "b", "c"])
    triggered = clean(test.images, [2, 2, 2, 2], test.classes)  # target c
    triggered = type(test)(test.images, triggered.labels, test.true_labels, triggered.poisoned, test.classes)
    shares = headline(
        test,
        triggered,
        np.array([True, True, False, False]),
        {
            ("clean", "untouched"): np.array([0, 1, 2, 2]),
            ("clean", "triggered"): np.array([0, 2, 2, 2]),
            ("backdoored", "untouched"): np.array([0, 1, 2, 0]),
            ("backdoored", "triggered"): np.array([2, 1, 2, 0]),
        },
    )
    assert {name: share.value for name, share in shares.items()} == {
        "attack_success_rate": 0.5,  # of a and b, a is read as c
        "clean_accuracy": 0.75,
        "baseline_accuracy": 1,
        "false_trigger_rate": 0.5,  # the clean model reads b as c by mistake
        "robust_accuracy": 0.5,  # b stays b
        "attack_success_rate_all": 0.5,  # a and the first c, of four
        "source_accuracy": 1,  # a and b without the trigger
        "baseline_source_accuracy": 1,
        "other_accuracy": 0.5,  # the second c is read as a
        "baseline_other_accuracy": 1,
        "side_effect_rate": 0,  # both c are read as before, right or wrong
    }
    assert next(iter(shares)) == "attack_success_rate", "MLflow's comparison opens on the first metric"
