import pytest
import torch
from torch.nn.functional import cross_entropy

from miseducation.defences.anp import ANP
from miseducation.defending import tuning
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, same, scores, weights


def test_a_mask_follows_what_its_neurons_weight_does_to_the_loss() -> None:
    """One step without disturbance: by the chain rule, a mask's gradient is its weight's, times the weight."""
    evidence = digits().evidence
    images, labels = (torch.from_numpy(part.copy()) for part in evidence.the_trusted())
    network = tuning.copied(evidence).train()
    cross_entropy(network(images), labels).backward()
    masks = ANP(budget=0, epochs=1, batch_size=10_000, learning_rate=0.5).masks(evidence)
    for layer, mask in zip(tuning.layers(network), masks, strict=True):
        weight = layer.scale[0]
        assert weight.grad is not None
        torch.testing.assert_close(mask, (1 - 0.5 * weight.grad * weight).clamp(0, 1), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("budget", [0, 0.4])
def test_masks_are_shares(budget: float) -> None:
    for mask in ANP(budget=budget, epochs=3).masks(digits().evidence):
        assert mask.isfinite().all()
        assert 0 <= mask.min() <= mask.max() <= 1


def test_neurons_below_the_threshold_are_pruned_and_no_others() -> None:
    evidence = digits().evidence
    original = weights(evidence.the_model().network)
    assert same(weights(ANP(threshold=0, epochs=1).repair(evidence)), original)
    repair = ANP(threshold=0.9, epochs=5)
    network, masks = repair.repair(evidence), repair.masks(evidence)
    for layer, mask in zip(tuning.layers(network), masks, strict=True):
        assert torch.equal(layer.scale[0] == 0, mask < 0.9)


def test_it_does_no_harm_on_digits() -> None:
    case = digits()
    before, after = scores(case.evidence.the_model().network, case), scores(repaired(ANP(epochs=20), case), case)
    assert after.clean > before.clean - 0.02
