import numpy as np
from scipy.linalg import expm
from sklearn.covariance import MinCovDet

from miseducation.defences import Spectre
from miseducation.defences.spectre import entropy_weights, quadratic, robust
from miseducation.scores import detection
from tests.defences.poisoned import digits

RNG = np.random.default_rng(0)


def rows_of_which_a_third_is_poison() -> np.ndarray:
    rows = RNG.normal(size=(900, 4)) @ np.diag([5.0, 3, 1, 0.2])
    rows[600:] += [0, 4, 0, 4]
    return rows


def test_weights_are_as_in_the_paper() -> None:
    white = RNG.normal(size=(500, 6)) @ np.diag([3.0, 2, 1, 1, 1, 1])
    excess = np.cov(white.T) - np.eye(6)
    expected = expm(4 * excess / (np.linalg.norm(np.cov(white.T), 2) - 1))

    weights = entropy_weights(white, 4)

    np.testing.assert_allclose(weights, expected / np.trace(expected), atol=1e-10)
    np.testing.assert_allclose(quadratic(white, weights)[7], white[7] @ weights @ white[7])


def test_without_alpha_the_score_is_the_mean_square() -> None:
    white = RNG.normal(size=(500, 6))

    np.testing.assert_allclose(quadratic(white, entropy_weights(white, 0)), (white**2).mean(axis=1))


def test_poison_that_is_a_third_of_the_rows_leaves_the_whitening_alone() -> None:
    rows = rows_of_which_a_third_is_poison()
    reference = MinCovDet(random_state=0).fit(rows)

    white = robust(rows)

    np.testing.assert_allclose(white.mean, reference.location_, atol=0.5)
    np.testing.assert_allclose(np.cov(white(rows[:600]).T), np.eye(4), atol=0.25)
    assert (white(rows[600:]) ** 2).sum(axis=1).min() > (white(rows[:600]) ** 2).sum(axis=1).max()


def test_half_of_the_rows_in_one_place_are_no_trouble() -> None:
    rows = RNG.normal(size=(50, 3))
    rows[:30] = 1

    assert np.isfinite(robust(rows)(rows)).all()


def test_it_finds_poison_in_digits() -> None:
    evidence, poison, *_ = digits()
    detector = Spectre()

    suspicion = detector.suspect(evidence)

    order = detection.ranking(suspicion, poison)
    assert order["auroc"] > 0.98
    assert order["tpr_at_1pct_fpr"] > 0.95
    found = detection.flags(detector.flag(suspicion, evidence), poison)
    assert found["true_positive_rate"] > 0.95
    assert found["false_positive_rate"] < 0.04
