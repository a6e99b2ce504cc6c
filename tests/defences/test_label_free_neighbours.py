from dataclasses import replace

import numpy as np
import pytest

from miseducation.defences import Evidence, LabelFreeNeighbours
from miseducation.defending.evidence import Trusted
from miseducation.scores.detection import flags, ranking
from tests.defences.poisoned import digits


def evidence(images: np.ndarray, labels: np.ndarray) -> Evidence:
    return Evidence(images, labels, tuple("abcdefghij"), 1, trusted=Trusted(images[:9], labels[:9]))


def noise(rows: int = 60) -> Evidence:
    rng = np.random.default_rng(0)
    return evidence(rng.integers(0, 256, (rows, 3, 3, 1), dtype=np.uint8), rng.integers(0, 3, rows))


def test_suspicion_is_the_ratio_of_distances() -> None:
    given = noise()
    points = given.images[:].reshape(60, 9).astype(float)
    expected = []
    for row, label in enumerate(given.labels):
        others = np.delete(np.arange(60), row)
        distances = np.linalg.norm(points[others] - points[row], axis=1)
        own = np.sort(distances[given.labels[others] == label])[:4].mean()
        expected.append(np.log(own / np.sort(distances)[:4].mean()))
    found = LabelFreeNeighbours(components=9, neighbours=4).suspect(given)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_copy_of_a_picture_under_another_label_is_the_worst() -> None:
    given = noise()
    images, labels = given.images[:], given.labels.copy()
    images[1], labels[1] = images[0], (labels[0] + 1) % 3
    found = LabelFreeNeighbours(components=9, neighbours=1).suspect(evidence(images, labels))
    assert set(np.argsort(-found)[:2]) == {0, 1}


def test_trusted_rows_are_compared_as_if_they_were_not_in_the_training_set() -> None:
    given = noise()
    given = replace(given, trusted=Trusted(given.images[:], given.labels))
    defence = LabelFreeNeighbours(share=0.1)
    suspicion = defence.suspect(given)
    flagged = defence.flag(suspicion, given)
    np.testing.assert_array_equal(flagged, suspicion > np.quantile(suspicion, 0.9, method="higher"))


@pytest.mark.filterwarnings("error")
def test_rows_without_their_like_are_not_suspicious() -> None:
    given = noise(10)
    alone = LabelFreeNeighbours().suspect(evidence(given.images[:], np.arange(10)))
    np.testing.assert_array_equal(alone, np.zeros(10))
    same = LabelFreeNeighbours().suspect(evidence(np.zeros((10, 3, 3, 1), np.uint8), np.arange(10) % 2))
    np.testing.assert_array_equal(same, np.zeros(10))


def test_on_digits() -> None:
    case, defence = digits(), LabelFreeNeighbours()
    given = case.evidence.limited_to(defence.needs)
    suspicion = defence.suspect(given)
    figures = ranking(suspicion, case.poison) | flags(defence.flag(suspicion, given), case.poison)
    assert figures["auroc"] > 0.99, figures
    assert figures["tpr_at_1pct_fpr"] > 0.95, figures
    assert figures["true_positive_rate"] > 0.9, figures
    assert figures["false_positive_rate"] < 0.01, figures


def test_of_many_rows_a_sample_does() -> None:
    case = digits()
    few, all_of_them = (LabelFreeNeighbours(known=known).suspect(case.evidence) for known in (700, len(case.poison)))
    np.testing.assert_array_equal(all_of_them, LabelFreeNeighbours().suspect(case.evidence))
    assert ranking(few, case.poison)["auroc"] > 0.98
    assert not np.array_equal(few, all_of_them)
