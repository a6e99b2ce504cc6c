"""Which rows an audit asks about."""

import numpy as np

from miseducation.auditing.candidates import SHARE, named


def made(odd: int, *, rows: int = 1000, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Suspicions, labels, and which rows of class 2 are of another kind: 3 to 7 deviations off, not all of them far."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), rows)
    suspicion, other = np.abs(rng.normal(size=len(labels))), np.zeros(len(labels), bool)
    other[2 * rows : 2 * rows + odd] = True
    suspicion[other] = rng.normal(2.4, 0.5, odd).clip(1.2)
    return suspicion, labels, other


def test_of_usual_classes_a_few_rows_are_named() -> None:
    suspicion, labels, _ = made(0)
    for label in range(5):
        share = named(suspicion, labels)[labels == label].mean()
        assert SHARE / 2 < share < 2 * SHARE


def test_of_a_class_of_two_kinds_the_odder_kind_is_named_whole() -> None:
    suspicion, labels, other = made(450)
    found = named(suspicion, labels)
    usual = np.median([np.quantile(suspicion[labels == label], 1 - SHARE) for label in range(5)])
    assert (suspicion > usual)[other].mean() < 0.75, "the usual threshold would leave a quarter of it in"
    assert found[other].mean() > 0.95
    assert found[(labels == 2) & ~other].mean() < 0.2
    assert found[labels != 2].mean() < 2 * SHARE


def test_what_does_not_differ_is_not_named() -> None:
    assert not named(np.zeros(300), np.arange(300) % 3).any()
    assert not named(np.arange(3.0), np.arange(3)).any(), "classes of one row"
