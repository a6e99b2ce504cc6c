"""Prunes the channels that trusted rows leave idle, where a backdoor may hide, and fine-tunes what is left.

Liu, Dolan-Gavitt, Garg: Fine-Pruning: Defending Against Backdooring Attacks on Deep Neural Networks, 2018,
https://arxiv.org/abs/1805.12185
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from miseducation.defences import Evidence, Repair
from miseducation.defending import tuning
from miseducation.networks import Network


@final
class FinePruning(Repair):
    """Takes the idlest channels out of the last convolution until accuracy falls, then fine-tunes.

    As in the paper: mean activation on trusted rows, behind normalisation and cut off at 0; the last convolution; what
    is pruned stays out while the rest is trained (github.com/kangliucn/Fine-pruning-defense). Other here:

    * How many channels go is found by halving the interval, ten forward passes in place of hundreds. The paper takes
      one at a time until accuracy is below the threshold; the two differ where accuracy falls and rises again.
    * The threshold, which the paper leaves to the defender, is the accuracy before less `tolerance`.
    * Where a network adds what came before to its last convolution, as `resnet9` and `resnet18` do, that stays.
    * The optimiser is that of `fine_tune`.
    """

    needs = ("model", "trusted")

    tolerance: float = Field(
        0.04, ge=0, lt=1, description="accuracy on trusted rows that pruning may cost, 0 to below 1"
    )
    epochs: int = Field(30, ge=1, le=10_000, description="passes over the trusted rows, 1 to 10000")
    batch_size: int = Field(50, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    learning_rate: float = Field(0.012, gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")

    def repair(self, evidence: Evidence) -> Network:
        network = tuning.copied(evidence)
        layer, gone = tuning.layers(network)[-1], torch.from_numpy(self.idle(evidence))
        layer.cut(gone)
        weights = list(network.parameters())

        def gradients(images: Tensor, labels: Tensor) -> Sequence[Tensor]:
            """Those of the cross-entropy, but for what was pruned."""
            found = torch.autograd.grad(cross_entropy(network(images), labels), weights)
            for weight, gradient in zip(weights, found, strict=True):
                if any(weight is scale for scale in layer.scale):
                    gradient[gone] = 0
            return found

        return tuning.fine_tune(
            network,
            evidence,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            gradients=gradients,
        )

    def idle(self, evidence: Evidence) -> np.ndarray:
        """The channels of the last convolution that trusted rows can do without, the idlest first, int64 `[m]`."""
        images, labels = evidence.the_trusted()
        whole = tuning.copied(evidence)
        order = np.argsort(activity(whole, images), kind="stable")

        def accuracy(pruned: int) -> float:
            network = deepcopy(whole)
            tuning.layers(network)[-1].cut(torch.from_numpy(order[:pruned]))
            return float((network.predict(images) == labels).mean())

        floor, most, too_many = accuracy(0) - self.tolerance, 0, len(order)
        while too_many - most > 1:
            middle = (most + too_many) // 2
            most, too_many = (middle, too_many) if accuracy(middle) >= floor else (most, middle)
        return order[:most]


def activity(network: Network, images: np.ndarray) -> np.ndarray:
    """The mean of what each channel of the last convolution passes on, normalised and cut off at 0, `[channels]`."""
    layer = tuning.layers(network)[-1]
    seen: list[Tensor] = []
    handle = (layer.norm or layer.convolution).register_forward_hook(
        lambda _module, _given, maps: seen.append(maps.relu().mean(dim=(2, 3)).double().sum(dim=0))
    )
    try:
        network.predict(images)
    finally:
        handle.remove()
    return torch.stack(seen).sum(dim=0).cpu().numpy() / len(images)
