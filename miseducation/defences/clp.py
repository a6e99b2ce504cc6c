"""Prunes channels that can turn a small change of the image into an unusually large one; it needs no data.

Zheng, Tang, Li, Liu: Data-free Backdoor Removal Based on Channel Lipschitzness, 2022, https://arxiv.org/abs/2208.03111
"""

from typing import final

import torch
from pydantic import Field
from torch import Tensor

from miseducation.defences import Evidence, Repair
from miseducation.defending import tuning
from miseducation.networks import Network


def lipschitz(layer: tuning.Layer) -> Tensor:
    """The upper bound of each channel's Lipschitz constant, float64 `[channels]`.

    The largest singular value of its weights as a matrix, input channels by the kernel's positions, times what batch
    normalisation multiplies by in evaluation.
    """
    bounds = torch.linalg.matrix_norm(layer.convolution.weight.detach().double().flatten(2), ord=2)
    if (norm := layer.norm) is None:
        return bounds
    assert norm.running_var is not None, "no averages to normalise by"
    return bounds * (norm.weight.detach() / (norm.running_var + norm.eps).sqrt()).abs().double()


@final
class CLP(Repair):
    """Cuts channels whose bound stands out among those of their layer.

    As in the paper and in its authors' code (github.com/rkteddy/channel-Lipschitzness-based-pruning): the bound, with
    batch normalisation folded in; mean plus 3 standard deviations of a layer; all layers. One difference: the constant
    that batch normalisation adds to the variance is included here.
    """

    needs = ("model",)

    deviations: float = Field(3, ge=0, le=100, description="standard deviations above a layer's mean, 0 to 100")

    def repair(self, evidence: Evidence) -> Network:
        network = tuning.copied(evidence)
        for layer in tuning.layers(network):
            bounds = lipschitz(layer)
            if len(bounds) > 1:  # one alone has nothing to stand out from
                layer.cut(bounds > bounds.mean() + self.deviations * bounds.std())
        return network
