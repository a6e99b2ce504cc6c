"""What repairs share: a copy of the network, batches of trusted rows, training on them, and channels that can be cut.

For every defence that changes a network; nothing here knows a method.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from miseducation.defending.evidence import Evidence
from miseducation.networks import Network
from miseducation.training.fitting import Adam, one_cycle

Gradients: TypeAlias = Callable[[Tensor, Tensor], Sequence[Tensor]]  # of the weights, given images and labels


def copied(evidence: Evidence) -> Network:
    """The evidence's network once more, in evaluation mode, all of whose weights may be trained."""
    return deepcopy(evidence.the_model().network).eval().requires_grad_()


def batches(evidence: Evidence, *, epochs: int, size: int) -> Iterator[tuple[float, Tensor, Tensor]]:
    """The trusted rows in an order drawn anew for each epoch: how much is done, images, labels, on the model's device.

    An epoch's batches are of equal size within one row, about `size`, and never of one row only if there are more.
    """
    device = evidence.the_model().device
    images, labels = (torch.tensor(part, device=device) for part in evidence.the_trusted())
    rng = torch.Generator().manual_seed(evidence.seed)
    steps = max(1, min(round(len(labels) / size), len(labels) // 2))
    for epoch in range(epochs):
        order = torch.randperm(len(labels), generator=rng).to(device)
        for step, rows in enumerate(order.tensor_split(steps)):
            yield (epoch + step / steps) / epochs, images[rows], labels[rows]


def fine_tune(
    network: Network,
    evidence: Evidence,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    gradients: Gradients | None = None,
) -> Network:
    """Trains a network on the trusted rows as models are trained here, see `training.fitting`: Adam and one cycle.

    Args:
        network: Changed in place, and returned in evaluation mode. In between, batches are normalised by themselves,
            and the averages that are kept for evaluation follow.
        evidence: Has the trusted rows.
        epochs: Passes over them.
        batch_size: Rows per step, about.
        learning_rate: The peak of the cycle.
        gradients: What the steps follow; None for those of the cross-entropy.
    """
    weights = list(network.parameters())
    follow = gradients or (lambda images, labels: torch.autograd.grad(cross_entropy(network(images), labels), weights))
    optimiser = Adam(weights)
    network.train(len(evidence.the_trusted().labels) > 1)  # one row by itself has no variance
    for done, images, labels in batches(evidence, epochs=epochs, size=batch_size):
        optimiser.step(follow(images, labels), learning_rate * one_cycle(done))
    return network.eval()


class Layer(NamedTuple):
    """A convolution and what normalises its channels, if anything does."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d | None

    @property
    def scale(self) -> list[nn.Parameter]:
        """What scales and shifts the channels, each `[channels, ...]`: where this is 0, a channel is 0 on any image."""
        return list((self.norm or self.convolution).parameters())

    def cut(self, channels: Tensor) -> None:
        """Takes out channels, bool or int64; they are 0 from now on."""
        with torch.no_grad():
            for weight in self.scale:
                weight[channels] = 0


def layers(network: nn.Module) -> list[Layer]:
    """The convolutions in the order in which the network has them; the last is the last before the linear layer.

    What normalises one is the next normalisation in this order, as all networks here are written.
    """
    found: list[Layer] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            found.append(Layer(module, None))
        elif isinstance(module, nn.BatchNorm2d) and found:
            found[-1] = Layer(found[-1].convolution, module)
    return found
