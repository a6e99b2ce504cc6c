import numpy as np
import torch

from miseducation import networks
from miseducation.defences.clp import CLP, lipschitz
from miseducation.defending import tuning
from miseducation.defending.evidence import Evidence, Model
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, same, scores, weights


def test_bounds_are_singular_values_behind_the_normalisation() -> None:
    for layer in tuning.layers(digits().evidence.the_model().network):
        assert layer.norm is not None
        assert layer.norm.running_var is not None
        kernel, gain, spread = (
            part.detach().double().numpy()
            for part in (layer.convolution.weight, layer.norm.weight, layer.norm.running_var)
        )
        for channel, bound in enumerate(lipschitz(layer).tolist()):
            folded = (
                kernel[channel].reshape(kernel.shape[1], -1) * gain[channel] / np.sqrt(spread[channel] + layer.norm.eps)
            )
            np.testing.assert_allclose(bound, np.linalg.svd(folded, compute_uv=False)[0], rtol=1e-6)


def test_a_channel_that_stands_out_is_cut_and_no_other() -> None:
    network = networks.build("cnn", (12, 12, 1), 3, seed=1).eval()
    images = np.zeros((2, 12, 12, 1), np.uint8)
    evidence = Evidence(images, np.arange(2), ("a", "b", "c"), 1, Model(network, images))
    assert same(weights(CLP().repair(evidence)), weights(network))
    with torch.no_grad():
        tuning.layers(network)[1].convolution.weight[7] *= 50
    cut = weights(CLP().repair(evidence))
    gone = [name for name, weight in weights(network).items() if not torch.equal(weight, cut[name])]
    assert gone == ["layers.4.weight"]  # of the second normalisation, whose shifts are 0 in a new network
    assert (cut["layers.4.weight"] == 0).nonzero().flatten().tolist() == [7]


def test_it_does_no_harm_on_digits_and_little_good() -> None:
    case = digits()
    before, after = scores(case.evidence.the_model().network, case), scores(repaired(CLP(), case), case)
    assert after.clean > before.clean - 0.02
    assert before.success - after.success > 0.05
