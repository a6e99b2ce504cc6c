from typing import Any

import numpy as np

from miseducation.defences import Evidence, KnnLabel
from miseducation.scores.detection import flags, ranking
from tests.defences.poisoned import digits


class Given:
    """Stands for a model whose features are known."""

    def __init__(self, features: np.ndarray) -> None:
        self.features = features


def evidence(features: np.ndarray, labels: np.ndarray, classes: int = 3) -> Evidence:
    model: Any = Given(features.astype(np.float32))
    return Evidence(np.zeros((len(labels), 1, 1, 1), np.uint8), labels, tuple("abcdefghij"[:classes]), 1, model=model)


def test_suspicion_is_the_lead_of_another_label_among_the_neighbours() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(80, 6)), rng.integers(0, 3, 80)
    expected = []
    for row, label in enumerate(labels):
        others = np.delete(np.arange(80), row)
        nearest = others[np.argsort(np.linalg.norm(features[others] - features[row], axis=1))[:7]]
        votes = [int((labels[nearest] == each).sum()) for each in range(3)]
        expected.append((max(votes[:label] + votes[label + 1 :]) - votes[label]) / 7)
    defence = KnnLabel(neighbours=7)
    found = defence.suspect(evidence(features, labels))
    np.testing.assert_allclose(found, expected)
    np.testing.assert_array_equal(defence.flag(found, evidence(features, labels)), np.array(expected) > 0)


def test_a_label_in_the_midst_of_another_class_is_flagged_however_small_the_classes_are() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 10)
    features = rng.normal(size=(30, 4)) + 100 * np.eye(4)[labels]
    told = labels.copy()
    told[0] = 1
    defence, given = KnnLabel(), evidence(features, told)
    np.testing.assert_array_equal(np.flatnonzero(defence.flag(defence.suspect(given), given)), [0])


def test_one_class_is_not_suspicious() -> None:
    defence, given = KnnLabel(), evidence(np.random.default_rng(0).normal(size=(10, 4)), np.zeros(10, int), classes=1)
    assert not defence.flag(defence.suspect(given), given).any()


def test_on_digits() -> None:
    case, defence = digits(), KnnLabel()
    given = case.evidence.limited_to(defence.needs)
    suspicion = defence.suspect(given)
    figures = ranking(suspicion, case.poison) | flags(defence.flag(suspicion, given), case.poison)
    assert figures["auroc"] > 0.97, figures
    assert figures["tpr_at_1pct_fpr"] > 0.6, figures
    assert figures["true_positive_rate"] > 0.8, figures
    assert figures["false_positive_rate"] < 0.05, figures
