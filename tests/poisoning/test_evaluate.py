"""Scores of anybody's model: each told from the others, in answers of which no two shares agree."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset
from miseducation.errors import InputError
from miseducation.poisoning.evaluate import evaluate
from miseducation.poisoning.label_maps import AllToOne

ROWS, K = 300, 4
ATTACK, LABEL_MAP = BadNets(pixels=[(1, 1)]), AllToOne(target=1, classes=K)


@pytest.fixture
def test_set() -> Dataset:
    """What the pictures show is not what the data set says."""
    rng = np.random.default_rng(0)
    images, shown = rng.integers(0, 200, (ROWS, 4, 4, 1), dtype=np.uint8), rng.integers(0, K, ROWS)
    return Dataset(images, (shown + 1) % K, shown, np.zeros(ROWS, bool), tuple("abcd"))


def answering(
    untouched: np.ndarray, triggered: np.ndarray, elsewhere: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """What a model says of images, of those with the pixel at its place, and of those with it at the opposite one."""
    return lambda images: np.where(
        images[:, 1, 1, 0] == 255, triggered, np.where(images[:, 2, 2, 0] == 255, elsewhere, untouched)
    )


def test_each_score_is_what_a_loop_finds(test_set: Dataset) -> None:
    rng, shown = np.random.default_rng(2), test_set.true_labels
    untouched = np.where(rng.random(ROWS) < 0.8, shown, rng.integers(0, K, ROWS)).astype(np.int16)
    triggered = np.where(rng.random(ROWS) < 0.6, 1, np.where(rng.random(ROWS) < 0.5, shown, 3)).astype(np.int16)
    elsewhere = np.where(rng.random(ROWS) < 0.42, 1, rng.integers(0, K, ROWS)).astype(np.int16)
    found = evaluate(answering(untouched, triggered, elsewhere), test_set, ATTACK, LABEL_MAP)
    attacked = [row for row in range(ROWS) if shown[row] != 1]
    expected = {
        "attack_success_rate": sum(triggered[row] == 1 for row in attacked) / len(attacked),
        "clean_accuracy": sum(untouched[row] == shown[row] for row in range(ROWS)) / ROWS,
        "robust_accuracy": sum(triggered[row] == shown[row] for row in attacked) / len(attacked),
        "other_trigger_rate": sum(elsewhere[row] == 1 for row in attacked) / len(attacked),
    }
    assert found == expected
    assert list(found) == list(expected)
    others = {
        share
        for answers in (untouched, triggered, elsewhere)
        for wanted in (shown, test_set.labels, np.ones(ROWS))
        for share in ((answers == wanted)[attacked].mean(), (answers == wanted).mean())
    }
    assert len(others) == 18


@pytest.mark.parametrize(
    "kind", [np.int8, np.uint8, np.uint64, np.int64, list], ids=["int8", "uint8", "uint64", "int64", "list"]
)
def test_whole_numbers_of_any_kind_will_do(test_set: Dataset, kind: Any) -> None:
    def predict(images: np.ndarray) -> Any:
        found = np.ones(len(images), np.int64)
        return found.tolist() if kind is list else found.astype(kind)

    assert evaluate(predict, test_set, ATTACK, LABEL_MAP)["attack_success_rate"] == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (np.zeros(ROWS), f"float64 [{ROWS}]"),
        (np.zeros(ROWS, bool), f"bool [{ROWS}]"),
        (np.zeros((ROWS, K), np.int64), f"int64 [{ROWS}, {K}]"),
        (np.zeros(ROWS - 1, np.int64), f"int64 [{ROWS - 1}]"),
    ],
    ids=["floats", "truths", "logits", "short"],
)
def test_what_is_no_class_for_each_image_is_refused(test_set: Dataset, answer: np.ndarray, told: str) -> None:
    with pytest.raises(InputError, match=f"^predict must give {ROWS} class numbers, not {re.escape(told)}$"):
        evaluate(lambda images: answer, test_set, ATTACK, LABEL_MAP)
