import numpy as np
import torch

from miseducation.defences import Confidence
from miseducation.scores import detection
from tests.defences.poisoned import digits


def test_suspicion_is_the_largest_probability() -> None:
    evidence, _, test, _ = digits()
    with torch.no_grad():
        for images, found in (
            (evidence.images[:50], Confidence().suspect(evidence)[:50]),
            (test.images, Confidence().suspect_inputs(test.images, evidence)),
        ):
            shares = evidence.the_model().network(torch.from_numpy(images)).softmax(dim=1)
            np.testing.assert_allclose(found, shares.amax(dim=1), atol=1e-6)


def test_the_surest_share_is_flagged() -> None:
    suspicion = np.random.default_rng(0).permutation(200) / 200
    flagged = Confidence(share=0.05).flag(suspicion, digits().evidence)
    np.testing.assert_array_equal(flagged, suspicion > 0.945)


def test_on_digits_it_does_better_than_chance_and_not_well() -> None:
    evidence, poison, *_ = digits()
    suspicion = Confidence().suspect(evidence)
    assert 0.55 < detection.ranking(suspicion, poison)["auroc"] < 0.8
