import numpy as np
import pytest
from scipy.stats import multivariate_normal

from miseducation.defences import Scan
from miseducation.defences.scan import ratio, variation
from miseducation.scores import detection
from tests.defences.poisoned import digits

RNG = np.random.default_rng(0)
MIXING = RNG.normal(size=(5, 5))


def drawn(rows: int) -> np.ndarray:
    return RNG.normal(size=(rows, 5)) @ MIXING


def test_variation_is_the_covariance_within_classes() -> None:
    labels = np.repeat(np.arange(20), 200)
    features = drawn(4000) + 9 * RNG.normal(size=(20, 5))[labels]

    found = variation(features, labels)

    within = np.mean([np.cov(features[labels == label].T, bias=True) for label in range(20)], axis=0)
    np.testing.assert_allclose(found, within, rtol=0.01, atol=0.01)


def test_the_ratio_is_that_of_two_normal_distributions_to_one() -> None:
    covariance = MIXING.T @ MIXING
    rows = np.concatenate([drawn(90), drawn(10) + 9])
    second = np.arange(100) >= 90
    centres = [rows[~second].mean(axis=0), rows[second].mean(axis=0)]
    alone = multivariate_normal(rows.mean(axis=0), covariance).logpdf(rows)
    two = [multivariate_normal(centre, covariance).logpdf(rows) for centre in centres]

    expected = 2 * (np.where(second, two[1], two[0]) - alone).mean()

    assert ratio(two[1] - two[0]) == pytest.approx(expected)


def test_it_finds_poison_in_digits() -> None:
    evidence, poison, *_ = digits()
    detector = Scan()

    suspicion = detector.suspect(evidence)

    order = detection.ranking(suspicion, poison)
    assert order["auroc"] > 0.98
    assert order["tpr_at_1pct_fpr"] > 0.95
    found = detection.flags(detector.flag(suspicion, evidence), poison)
    assert found["true_positive_rate"] > 0.9
    assert found["false_positive_rate"] < 0.02


def test_where_no_class_is_unlike_the_others_nothing_is_flagged() -> None:
    evidence = digits(rate=0).evidence
    detector = Scan()

    assert not detector.flag(detector.suspect(evidence), evidence).any()
