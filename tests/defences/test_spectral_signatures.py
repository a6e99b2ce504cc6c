from functools import cache

import numpy as np

from miseducation.defences import SpectralSignatures
from miseducation.scores import detection
from tests.defences.poisoned import digits


@cache
def suspicion() -> np.ndarray:
    return SpectralSignatures().suspect(digits().evidence)


def test_suspicion_is_the_square_along_the_first_axis_in_the_class_s_own_deviations() -> None:
    evidence = digits().evidence
    rows = evidence.labels == 3
    features = evidence.the_model().features[rows].astype(np.float64)
    axis = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[2][0]
    places = features @ axis
    away = places - np.median(places)

    found = suspicion()[rows]

    expected = (away / (1.4826 * np.median(np.abs(away)))) ** 2
    np.testing.assert_allclose(found / found.max(), expected / expected.max(), atol=1e-5)


def test_it_finds_poison_in_digits() -> None:
    evidence, poison, *_ = digits()

    order = detection.ranking(suspicion(), poison)
    found = detection.flags(SpectralSignatures().flag(suspicion(), evidence), poison)

    assert order["auroc"] > 0.98
    assert order["tpr_at_1pct_fpr"] > 0.9
    assert found["true_positive_rate"] > 0.9
    assert found["false_positive_rate"] < 0.03


def test_what_it_flags_is_above_all_trusted_rows() -> None:
    evidence, *_ = digits()

    flagged = SpectralSignatures().flag(suspicion(), evidence)

    known = {image.tobytes() for image in evidence.the_trusted().images}
    trusted = np.array([image.tobytes() in known for image in evidence.images])
    assert trusted.any()
    assert not (flagged & trusted).any()
    assert suspicion()[flagged].min(initial=np.inf) > suspicion()[~flagged].max()
