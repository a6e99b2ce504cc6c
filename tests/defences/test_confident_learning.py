from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from miseducation.defences import ConfidentLearning, Evidence
from miseducation.scores.detection import flags, ranking
from tests.defences.poisoned import SECTION, digits


class Known:
    """Stands for recipe and network: its probabilities are given, a row of them for each number in the first pixel."""

    def __init__(self, probabilities: np.ndarray) -> None:
        self.given, self.taught = probabilities, list[set[int]]()

    def train(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> "Known":
        self.taught.append(set(images[:, 0, 0, 0].tolist()))
        return self

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        asked = images[:, 0, 0, 0]
        assert not self.taught[-1] & set(asked.tolist()), "it learnt what it is asked"
        return self.given[asked].astype(np.float32)


def evidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[Evidence, Known]:
    recipe: Any = Known(probabilities)
    images = np.arange(len(labels), dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    return Evidence(images, labels, tuple("abcdefghij"[: probabilities.shape[1]]), 1, recipe=recipe), recipe


def test_suspicion_is_the_margin_under_networks_that_did_not_learn_the_row() -> None:
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    given, recipe = evidence(probabilities, labels)
    expected = [max(np.delete(row, label)) - row[label] for row, label in zip(probabilities, labels, strict=True)]
    defence = ConfidentLearning(folds=3)
    found = defence.suspect(given)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    defence.flag(found, given)
    assert len(recipe.taught) == 3, "flag needs no more networks"
    assert set.union(*recipe.taught) == set(range(50))


def test_flagged_is_what_networks_are_sure_is_another_class() -> None:
    """As in the paper: sure is what is above the mean of those who have the label."""
    labels = np.repeat([0, 1, 2], 20)
    probabilities = np.full((60, 3), 0.05) + 0.85 * np.eye(3)[labels]
    probabilities[[0, 1, 2, 30]] = [[0.05, 0.9, 0.05]] * 3 + [[0.05, 0.05, 0.9]]
    probabilities[3] = [0.4, 0.45, 0.15]  # says another class, but is not sure
    given, _ = evidence(probabilities, labels)
    flagged = ConfidentLearning().flag(np.zeros(60), given)
    np.testing.assert_array_equal(np.flatnonzero(flagged), [0, 1, 2, 30])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", [0, 2])
def test_one_label_is_right_and_one_row_of_a_class_no_reason_to_warn(label: int) -> None:
    defence = ConfidentLearning()
    given, _ = evidence(np.full((10, 4), 0.25), np.full(10, label))
    assert not defence.flag(defence.suspect(given), given).any()
    given, _ = evidence(np.full((10, 4), 0.25), np.array([1] * 9 + [label]))
    assert np.isfinite(defence.suspect(given)).all()
    assert not defence.flag(defence.suspect(given), given).any()


def test_it_overlooks_a_backdoor_on_digits() -> None:
    case, defence = digits(), ConfidentLearning(folds=2)
    given = case.evidence.limited_to(defence.needs)
    suspicion = defence.suspect(given)
    figures = ranking(suspicion, case.poison) | flags(defence.flag(suspicion, given), case.poison)
    assert 0.55 < figures["auroc"] < 0.8, figures
    assert figures["flagged_rows"] < 5, figures


def test_it_finds_honest_mistakes_on_digits() -> None:
    given = digits().evidence.limited_to(ConfidentLearning.needs)
    recipe = replace(given.the_recipe(), section=SECTION.model_copy(update={"epochs": 4}))
    wrong = np.zeros(len(given), bool)
    wrong[given.rng().permutation(len(given))[:60]] = True
    mistaken = replace(given, labels=np.where(wrong, (given.labels + 3) % 10, given.labels), recipe=recipe)
    defence = ConfidentLearning(folds=2)
    suspicion = defence.suspect(mistaken)
    figures = ranking(suspicion, wrong) | flags(defence.flag(suspicion, mistaken), wrong)
    assert figures["auroc"] > 0.9, figures
