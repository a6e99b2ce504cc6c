"""Prunes the neurons that go wrong first when all of them are disturbed.

Wu, Wang: Adversarial Neuron Pruning Purifies Backdoored Deep Models, 2021, https://arxiv.org/abs/2110.14430
"""

from collections.abc import Mapping
from typing import final

import torch
from pydantic import Field
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from miseducation.defences import Evidence, Repair
from miseducation.defending import tuning
from miseducation.networks import Network


@final
class ANP(Repair):
    """Learns a mask for each neuron that keeps the loss low while all neurons are disturbed, and prunes where it fell.

    As in the paper and in its authors' code (github.com/csdongxian/ANP_backdoor): neurons are the channels that batch
    normalisation scales; weights are disturbed by adding to the mask, shifts by a factor; one step along the sign of
    the gradient from a random start; masks by gradient descent with momentum 0.9 from 1, kept within 0 and 1; batches
    are normalised by themselves; the model that is pruned is the original, its averages too; budget, trade-off, rate
    and threshold. Other here:

    * The disturbance stays within its budget, as in the paper's formula; in the code it gets to twice as much.
    * There are fewer steps: 400 with 500 trusted rows, where the code takes 2,000.
    * A pruned channel loses its shift as well and is 0 on any image; in the code it goes on to say a constant.
    * The last linear layer has no mask, as in the code.
    """

    needs = ("model", "trusted")

    budget: float = Field(
        0.4, ge=0, le=10, description="how far a neuron is disturbed, as a share of its weight, 0 to 10"
    )
    trade_off: float = Field(0.2, ge=0, le=1, description="weight of the undisturbed loss beside the disturbed, 0 to 1")
    threshold: float = Field(0.2, ge=0, le=1, description="a neuron is pruned if its mask is below, 0 to 1")
    epochs: int = Field(100, ge=1, le=10_000, description="passes over the trusted rows, 1 to 10000")
    batch_size: int = Field(128, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    learning_rate: float = Field(0.2, gt=0, le=10, description="learning rate of the masks, above 0, at most 10")

    def repair(self, evidence: Evidence) -> Network:
        network = tuning.copied(evidence)
        for layer, mask in zip(tuning.layers(network), self.masks(evidence), strict=True):
            layer.cut(mask < self.threshold)
        return network

    def masks(self, evidence: Evidence) -> list[Tensor]:
        """What is left of each neuron, a tensor for each layer, `[channels]`, 0 to 1."""
        network = tuning.copied(evidence).requires_grad_(False)
        network.train(len(evidence.the_trusted().labels) > 1)
        weights = dict(network.named_parameters())
        scaled = [_named(weights, layer) for layer in tuning.layers(network)]
        masks = [torch.ones(len(weights[names[0]]), device=weights[names[0]].device) for names in scaled]
        masks = [mask.requires_grad_() for mask in masks]
        speeds = [torch.zeros_like(mask) for mask in masks]
        rng = torch.Generator().manual_seed(evidence.seed)

        def loss(images: Tensor, labels: Tensor, noise: list[Tensor] | None = None) -> Tensor:
            changed = {}
            for place, (names, mask) in enumerate(zip(scaled, masks, strict=True)):
                factors = [mask, torch.ones_like(mask)]
                if noise is not None:
                    factors = [factor + noise[2 * place + i] for i, factor in enumerate(factors)]
                for name, factor in zip(names, factors, strict=False):
                    weight = weights[name]
                    changed[name] = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
            state = {name: value.clone() for name, value in network.named_buffers()}
            return cross_entropy(functional_call(network, changed | state, images), labels)

        for _, images, labels in tuning.batches(evidence, epochs=self.epochs, size=self.batch_size):
            noise = [
                self.budget * (2 * torch.rand(len(mask), generator=rng) - 1).to(mask.device)
                for mask in masks
                for _ in range(2)
            ]
            noise = [one.requires_grad_() for one in noise]
            up = torch.autograd.grad(loss(images, labels, noise), noise)
            worst = [
                (one.detach() + self.budget * way.sign()).clamp(-self.budget, self.budget)
                for one, way in zip(noise, up, strict=True)
            ]
            both = self.trade_off * loss(images, labels) + (1 - self.trade_off) * loss(images, labels, worst)
            down = torch.autograd.grad(both, masks)
            with torch.no_grad():
                for mask, speed, way in zip(masks, speeds, down, strict=True):
                    mask.sub_(speed.mul_(0.9).add_(way), alpha=self.learning_rate).clamp_(0, 1)
        return [mask.detach() for mask in masks]


def _named(weights: Mapping[str, Tensor], layer: tuning.Layer) -> list[str]:
    """The names of what scales and shifts a layer's channels."""
    return [next(name for name, weight in weights.items() if weight is scale) for scale in layer.scale]
