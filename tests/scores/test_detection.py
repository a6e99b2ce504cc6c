"""How well poison is told apart, beside what counting row by row makes of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miseducation.scores.detection import Truth, flags, ranking, scores

ROWS = st.integers(2, 400)
SEEDS = st.integers(0, 2**32 - 1)


def drawn(rows: int, seed: int) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """Suspicions, many of them the same, and which rows are poison, at least one and not all."""
    rng = np.random.default_rng(seed)
    poison = rng.permutation(np.arange(rows) < rng.integers(1, rows))
    steps = rng.choice([1, 2, 10, 1000])
    return rng, np.rint(steps * (rng.normal(size=rows) + rng.uniform(-1, 3) * poison)) / steps, poison


@settings(max_examples=60)
@given(rows=ROWS, seed=SEEDS)
def test_ranking_is_what_counting_says(rows: int, seed: int) -> None:
    _, suspicion, poison = drawn(rows, seed)
    bad, good = suspicion[poison][:, np.newaxis], suspicion[~poison][np.newaxis]
    precision = recalled = 0.0
    most = 0.0
    for threshold in sorted(set(suspicion), reverse=True):
        above = suspicion >= threshold
        recall = above[poison].mean()
        precision += (recall - recalled) * poison[above].mean()
        recalled = recall
        if above[~poison].mean() <= 0.01:
            most = recall

    found = ranking(suspicion, poison)

    assert found.keys() == {"auroc", "average_precision", "tpr_at_1pct_fpr"}
    assert found["auroc"] == pytest.approx(((bad > good) + (bad == good) / 2).mean())
    assert found["average_precision"] == pytest.approx(precision)
    assert found["tpr_at_1pct_fpr"] == pytest.approx(most)
    assert all(type(value) is float for value in found.values())


def test_a_hundredth_of_the_rest_may_be_above_the_poison() -> None:
    poison = np.arange(400) >= 300
    suspicion = np.concatenate([np.arange(300), np.full(50, 296.5), np.full(50, 295.5)])  # below 3 and below 4 of 300
    assert ranking(suspicion, poison)["tpr_at_1pct_fpr"] == 0.5


def test_an_order_that_is_the_wrong_way_round_shows_as_such() -> None:
    poison = np.arange(100) < 10
    assert ranking(np.arange(100.0), poison)["auroc"] == 0
    assert ranking(np.zeros(100), poison) == {
        "auroc": 0.5,
        "average_precision": pytest.approx(0.1),
        "tpr_at_1pct_fpr": 0,
    }


@pytest.mark.parametrize("poison", [np.zeros(5, bool), np.ones(5, bool), np.zeros(0, bool)])
def test_where_nothing_is_to_be_told_apart_there_is_no_ranking(poison: np.ndarray) -> None:
    assert ranking(np.arange(len(poison), dtype=float), poison) == {}


@given(rows=st.integers(0, 50), seed=SEEDS)
def test_flags_are_counted(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    poison, flagged = (rng.random(rows) < rng.choice([0, 0.3, 1]) for _ in range(2))
    pairs = list(zip(poison.tolist(), flagged.tolist(), strict=True))
    bad, good = ([flag for is_poison, flag in pairs if is_poison == which] for which in (True, False))
    expected = {"flagged_rows": sum(flag for _, flag in pairs)}
    expected |= {"true_positive_rate": pytest.approx(sum(bad) / len(bad))} if bad else {}
    expected |= {"false_positive_rate": pytest.approx(sum(good) / len(good))} if good else {}
    found = flags(flagged, poison)
    assert found == expected
    assert type(found["flagged_rows"]) is int


ROLES = ["poison", "cover", "companion"]


@given(rows=st.integers(1, 40), seed=SEEDS)
def test_poison_is_what_teaches_the_trigger(rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, true_labels = rng.integers(0, 3, rows), rng.integers(0, 3, rows)
    poisoned = rng.random(rows) < 0.5
    roles = rng.choice(ROLES, poisoned.sum())
    if rng.random() < 0.3:  # an attack with clean labels
        labels = true_labels.copy()
    role_of = dict(zip(np.flatnonzero(poisoned).tolist(), roles.tolist(), strict=True))
    teaching = [role_of.get(row) == "poison" for row in range(rows)]
    wrong = [teaches and labels[row] != true_labels[row] for row, teaches in enumerate(teaching)]
    before = poisoned.copy()

    truth = Truth.of(labels, true_labels, poisoned, roles)

    assert truth.poison.tolist() == (wrong if any(wrong) else teaching)
    assert truth.rest.tolist() == [row not in role_of for row in range(rows)]
    assert not (truth.poison & truth.rest).any()
    assert truth.poison.dtype == truth.rest.dtype == np.bool_
    np.testing.assert_array_equal(poisoned, before)


@settings(max_examples=25)
@given(rows=st.integers(6, 200), seed=SEEDS)
def test_rows_that_are_neither_do_not_count(rows: int, seed: int) -> None:
    """Such as cover rows, or poison whose label is right by chance."""
    rng, suspicion, poison = drawn(rows, seed)
    flagged, neither = suspicion > 0.5, rng.random(rows) < 0.3
    truth = Truth(poison & ~neither, ~poison & ~neither)
    counted = [row for row in range(rows) if not neither[row]]
    expected = ranking(suspicion[counted], poison[counted]) | flags(flagged[counted], poison[counted])

    assert scores(suspicion, flagged, truth) == expected | {"flagged_rows": flagged.sum()}
    other = np.where(neither, 1e9, suspicion)
    assert scores(other, flagged ^ neither, truth) == expected | {"flagged_rows": (flagged ^ neither).sum()}


def test_without_poison_what_is_flagged_is_the_price() -> None:
    truth = Truth.of(np.arange(4), np.arange(4), np.zeros(4, bool), np.array([], dtype=str))
    assert scores(np.arange(4.0), np.array([True, False, False, False]), truth) == {
        "flagged_rows": 1,
        "false_positive_rate": 0.25,
    }
