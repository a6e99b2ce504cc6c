import numpy as np
import pytest
from scipy.stats import norm

from miseducation.defences import Strip
from miseducation.scores import detection
from tests.defences.poisoned import digits


def plain_entropy(image: np.ndarray, pictures: np.ndarray) -> float:
    """The paper's formula, an image at a time, over the pictures that are not the image itself."""
    network = digits().evidence.the_model().network
    sums = []
    for picture in pictures:
        if not np.array_equal(picture, image):
            both = np.clip(image.astype(int) + picture.astype(int), 0, 255).astype(np.uint8)
            shares = network.probabilities(both[None])[0].astype(float)
            sums.append(-sum(share * np.log2(share) for share in shares if share > 0))
    return float(np.mean(sums))


def test_suspicion_is_minus_the_mean_entropy_over_the_classes() -> None:
    case = digits()
    evidence = case.evidence
    trusted = evidence.the_trusted().images
    pictures = trusted[evidence.rng().permutation(len(trusted))[:5]]
    images = np.concatenate([case.triggered.images[:3], pictures[:2]])

    suspicion = Strip(overlays=5).suspect_inputs(images, evidence)

    np.testing.assert_allclose(suspicion, [-plain_entropy(image, pictures) for image in images], rtol=1e-4, atol=1e-6)


def test_rows_are_flagged_below_the_paper_s_boundary() -> None:
    evidence = digits().evidence
    detector = Strip(overlays=16)
    suspicion = detector.suspect(evidence)
    entropy = -detector.suspect_inputs(evidence.the_trusted().images, evidence)
    boundary = norm(entropy.mean(), entropy.std()).ppf(0.01)

    np.testing.assert_array_equal(detector.flag(suspicion, evidence), -suspicion < boundary)


def test_it_finds_a_trigger_in_inputs() -> None:
    case = digits()
    detector = Strip(overlays=30)
    clean, triggered = (detector.suspect_inputs(data.images, case.evidence) for data in (case.test, case.triggered))

    threshold = detector.threshold(case.evidence)

    assert (triggered > threshold).mean() > 0.95
    assert (clean > threshold).mean() < 0.02


def test_it_finds_a_trigger_in_rows() -> None:
    evidence, poison, *_ = digits()
    detector = Strip()
    suspicion = detector.suspect(evidence)

    scores = detection.ranking(suspicion, poison)
    found = detection.flags(detector.flag(suspicion, evidence), poison)

    assert scores["auroc"] > 0.99
    assert scores["tpr_at_1pct_fpr"] > 0.95
    assert found["true_positive_rate"] > 0.95
    assert found["false_positive_rate"] < 0.06


@pytest.mark.parametrize("overlays", [1, 1000])
def test_more_pictures_than_there_are_and_a_single_one_do(overlays: int) -> None:
    evidence = digits().evidence

    suspicion = Strip(overlays=overlays).suspect_inputs(evidence.the_trusted().images[:2], evidence)

    assert np.isfinite(suspicion).all()
