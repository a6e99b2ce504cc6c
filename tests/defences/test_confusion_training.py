import numpy as np
from scipy.special import logit
from scipy.stats import multivariate_normal

from miseducation.defences import ConfusionTraining, confusion_training
from miseducation.scores import detection
from tests.defences.poisoned import digits

DETECTOR = ConfusionTraining(steps=40)


def test_what_a_confused_model_fits_is_poison() -> None:
    evidence, poison, *_ = digits()
    suspicion = DETECTOR.suspect(evidence)

    scores = detection.ranking(suspicion, poison)
    found = detection.flags(DETECTOR.flag(suspicion, evidence), poison)

    assert scores["auroc"] > 0.99
    assert scores["tpr_at_1pct_fpr"] > 0.95
    assert found["true_positive_rate"] > 0.9
    assert found["false_positive_rate"] < 0.02


def test_log_odds_are_those_of_the_label() -> None:
    shares = np.array([[0.7, 0.2, 0.1], [0.05, 0.05, 0.9], [0, 1, 0]])
    labels = np.array([0, 1, 1])

    odds = confusion_training.log_odds(shares.astype(np.float32), labels)

    np.testing.assert_allclose(odds[:2], logit([0.7, 0.05]), rtol=1e-6)
    assert np.isfinite(odds).all()


def test_a_class_is_searched_where_two_clusters_are_e_times_likelier() -> None:
    rng = np.random.default_rng(0)
    evidence = digits().evidence
    labels = evidence.labels
    fitted = (labels == 8) & (np.arange(len(labels)) % 3 == 0)
    odds = np.where(fitted, 4, -3) + rng.normal(0, 0.5, len(labels))
    stray = np.flatnonzero(labels == 2)[:3]
    odds[stray] = 0.1

    flagged = DETECTOR.flag(odds, evidence)

    np.testing.assert_array_equal(flagged, fitted)
    own, high = odds[labels == 8], odds[labels == 8] > 0
    one = multivariate_normal(own[~high].mean(), own[~high].var() + 0.001)
    two = multivariate_normal(own[high].mean(), own[high].var() + 0.001)
    gain = np.mean([(two if each > 0 else one).logpdf(each) - one.logpdf(each) for each in own])
    assert gain > 1
    np.testing.assert_allclose(confusion_training._gain(own), gain)


def test_some_rows_of_each_class_are_kept() -> None:
    labels = np.repeat([0, 1], 100)
    odds = np.arange(200.0)

    kept = confusion_training._best(odds, labels, 0.1)

    np.testing.assert_array_equal(kept, [98, 99, *range(180, 200)])
