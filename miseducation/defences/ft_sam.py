"""Fine-tunes towards weights that stay right when they are moved in the worst way, which a backdoor does not survive.

Zhu, Wei, Shen, Fan, Wu: Enhancing Fine-Tuning Based Backdoor Defense with Sharpness-Aware Minimization, 2023,
https://arxiv.org/abs/2304.11823
"""

from collections.abc import Mapping, Sequence
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
class FTSAM(Repair):
    """Fine-tunes by the gradient of where the loss is highest nearby.

    As in the paper and in its authors' code (github.com/SCLBD/BackdoorBench): nearby is measured against the size of
    each weight, so large weights move most (adaptive sharpness, Kwon et al. 2021); the radius for small images is 2;
    labels are smoothed by 0.1; the averages of batch normalisation follow the pass with the weights where they were.
    Other here: the optimiser is that of `fine_tune`, and no images are changed at random on the way.
    """

    needs = ("model", "trusted")

    radius: float = Field(
        2, ge=0, le=100, description="how far the weights are moved, relative to their size, 0 to 100"
    )
    label_smoothing: float = Field(
        0.1, ge=0, lt=1, description="share of a label spread over all classes, 0 to below 1"
    )
    epochs: int = Field(30, ge=1, le=10_000, description="passes over the trusted rows, 1 to 10000")
    batch_size: int = Field(50, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    learning_rate: float = Field(0.012, gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")

    def repair(self, evidence: Evidence) -> Network:
        network = tuning.copied(evidence)
        return tuning.fine_tune(
            network,
            evidence,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            gradients=lambda images, labels: self.gradients(network, images, labels),
        )

    def gradients(self, network: Network, images: Tensor, labels: Tensor) -> Sequence[Tensor]:
        """The gradients of the loss where the weights have been moved to raise it most."""

        def ascent(weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
            logits = functional_call(network, {**weights, **state}, images)
            loss = cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
            return torch.autograd.grad(loss, list(weights.values()))

        weights, state = dict(network.named_parameters()), dict(network.named_buffers())
        found = ascent(weights, state)
        length = torch.stack([(weight * up).norm() for weight, up in zip(weights.values(), found, strict=True)]).norm()
        share = self.radius / (length + 1e-12)
        moved = {
            name: (weight + share * weight**2 * up).detach().requires_grad_()
            for (name, weight), up in zip(weights.items(), found, strict=True)
        }
        # A copy, as the averages of batch normalisation are those of the weights where they were.
        return ascent(moved, {name: value.clone() for name, value in state.items()})
