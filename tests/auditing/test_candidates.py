"""Which rows an audit asks about."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from miseducation.auditing.candidates import SHARE, named, standing_out, suspicions
from miseducation.defending.evidence import Evidence


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
        share = standing_out(suspicion, labels)[labels == label].mean()
        assert SHARE / 2 < share < 2 * SHARE


def test_of_a_class_of_two_kinds_the_odder_kind_is_named_whole() -> None:
    suspicion, labels, other = made(450)
    found = standing_out(suspicion, labels)
    usual = np.median([np.quantile(suspicion[labels == label], 1 - SHARE) for label in range(5)])
    assert (suspicion > usual)[other].mean() < 0.75, "the usual threshold would leave a quarter of it in"
    assert found[other].mean() > 0.95
    assert found[(labels == 2) & ~other].mean() < 0.2
    assert found[labels != 2].mean() < 2 * SHARE


def test_what_does_not_differ_is_not_named() -> None:
    assert not standing_out(np.zeros(300), np.arange(300) % 3).any()
    assert not standing_out(np.arange(3.0), np.arange(3)).any(), "classes of one row"


@pytest.mark.parametrize(("apart", "odd_rows"), [(4.0, 50), (8.0, 50), (6.0, 290)])
def test_of_a_small_cluster_all_rows_are_named_not_only_the_farthest(apart: float, odd_rows: int) -> None:
    """A twelfth of a class lies elsewhere, or nearly half, some of it half-way: the rest would teach a trigger."""
    rng, classes, rows = np.random.default_rng(0), 6, 600
    labels, other = np.repeat(np.arange(classes), rows), np.zeros(classes * rows, bool)
    other[2 * rows : 2 * rows + odd_rows] = True
    features = rng.normal(size=(len(labels), 12)).astype(np.float32)
    features[other, 0] += rng.uniform(apart, 2 * apart, odd_rows)
    model: Any = SimpleNamespace(features=features)
    images = rng.integers(0, 256, (len(labels), 4, 4, 1), dtype=np.uint8)
    evidence = Evidence(images, labels, tuple("abcdef"), 1, model=model)
    odd = suspicions(evidence, np.full((len(labels), classes), 1 / classes))
    found = named(odd, labels)["activation_clustering"]
    assert found[other].mean() > 0.95
    assert found[~other].mean() < 2 * SHARE
