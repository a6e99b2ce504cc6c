from copy import deepcopy

import pytest
import torch
from torch.nn.functional import cross_entropy

from miseducation.defences.fine_tune import FineTune
from miseducation.defences.ft_sam import FTSAM
from miseducation.defending import tuning
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, scores, weights


@pytest.mark.parametrize("radius", [0, 0.5, 2])
def test_the_gradient_is_that_of_the_weights_moved_uphill(radius: float) -> None:
    """By the paper's formula: e = radius T² g / |T g| with T the weights' sizes, and the gradient at w + e."""
    evidence = digits().evidence
    images, labels = (torch.from_numpy(part.copy()) for part in evidence.the_trusted())
    network = tuning.copied(evidence).train()
    moved = deepcopy(network)

    moving = list(moved.parameters())

    def uphill() -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(cross_entropy(moved(images), labels, label_smoothing=0.1), moving)

    slopes = uphill()
    with torch.no_grad():
        length = torch.cat([(weight * up).flatten() for weight, up in zip(moving, slopes, strict=True)]).norm()
        for weight, up in zip(moving, slopes, strict=True):
            weight.add_(radius * weight.square() * up / length)
    for gradient, wanted in zip(FTSAM(radius=radius).gradients(network, images, labels), uphill(), strict=True):
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-5)
    # The averages of batch normalisation have followed one pass, with the weights where they were.
    reference = tuning.copied(evidence).train()
    reference(images)
    for name, value in network.named_buffers():
        torch.testing.assert_close(value, reference.get_buffer(name))


def test_without_moving_the_weights_it_is_fine_tuning() -> None:
    evidence = digits().evidence
    plain = weights(FineTune(epochs=1).repair(evidence))
    still = weights(FTSAM(radius=0, label_smoothing=0, epochs=1).repair(evidence))
    for name, weight in still.items():
        torch.testing.assert_close(weight, plain[name])


def test_the_backdoor_fades() -> None:
    case = digits()
    before, after = scores(case.evidence.the_model().network, case), scores(repaired(FTSAM(), case), case)
    assert after.success < 0.1
    assert after.clean > before.clean - 0.03
