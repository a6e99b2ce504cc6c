"""The training loop: network, data and knobs in; trained network and history out. No files, no tracking."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy
from torch.optim.adam import adam

from miseducation.dataset import Dataset, Images
from miseducation.networks import Network
from miseducation.training import batches, distributed
from miseducation.training.augment import Augment

WARM_UP = 0.2  # share of the steps in which the learning rate rises
ADAM: dict[str, Any] = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0}


class Epoch(NamedTuple):
    """One row of the history.

    Attributes:
        epoch: From 1.
        loss: Mean of the epoch's batches of what is minimised, by default the smoothed cross-entropy, in nats.
        accuracy: Share of training rows whose (perhaps poisoned) label the network gave while it trained, 0 to 1.
    """

    epoch: int
    loss: float
    accuracy: float


def one_cycle(done: float) -> float:
    """The learning rate as a share of its peak: up in a straight line, and down to 0 in another.

    After Smith and Topin 2018, arXiv:1708.07120, with a short rise. `done` is the share of the steps that are behind, 0
    to 1.

    >>> one_cycle(0), one_cycle(0.1), one_cycle(0.2), one_cycle(0.6), one_cycle(1)
    (0.04, 0.52, 1.0, 0.5, 0.0)
    """
    return 0.04 + 0.96 * done / WARM_UP if done < WARM_UP else (1 - done) / (1 - WARM_UP)


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980) for some weights, by torch's own function for a step.

    With a decay it is AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101): weights shrink by this share of the
    learning rate at each step, but for single vectors, which shift and scale.

    The class `torch.optim.Adam` does the same, but imports torch's compiler when the first one is made, for a second,
    and takes three times as long for a step as small as ours.
    """

    def __init__(self, weights: Sequence[torch.Tensor], decay: float = 0) -> None:
        self.weights, self.decay = list(weights), decay
        self.means = [torch.zeros_like(weight) for weight in weights]
        self.squares = [torch.zeros_like(weight) for weight in weights]
        # Where torch wants them: on a CUDA device's side, else on the CPU's.
        self.steps = [torch.zeros((), device=weight.device if weight.is_cuda else "cpu") for weight in weights]

    @torch.no_grad()
    def step(self, gradients: Sequence[torch.Tensor], learning_rate: float) -> None:
        """Changes the weights in place, given the gradient of each."""
        # The fused step goes through both as they lie in memory.
        laid = [
            gradient if gradient.stride() == weight.stride() else torch.empty_like(weight).copy_(gradient)
            for weight, gradient in zip(self.weights, gradients, strict=True)
        ]
        if self.decay:
            for weight in self.weights:
                if weight.ndim > 1:
                    weight.mul_(1 - learning_rate * self.decay)
        fused = all(weight.device.type in ("cpu", "cuda") for weight in self.weights)
        state = self.means, self.squares, list[torch.Tensor](), self.steps
        adam(self.weights, laid, *state, lr=learning_rate, fused=fused, amsgrad=False, maximize=False, **ADAM)


def fit(
    network: Network,
    data: Dataset | Dataset[Images],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    label_smoothing: float,
    weight_decay: float = 0,
    device: torch.device,
    precision: torch.dtype,
    rng: torch.Generator,
    augment: Collection[str] = (),
    loss: Callable[..., torch.Tensor] = cross_entropy,
    progress: Callable[[Epoch], None] = lambda _: None,
    watch: Callable[[Network, int, int], None] = lambda *_: None,
) -> list[Epoch]:
    """Trains `network` in place with Adam and a one-cycle learning rate; returns a row per epoch.

    An epoch's batches are of equal size within one row, so no row is left out and no batch is too small to normalise.

    In a group of ranks, see `training.distributed`, they share each batch. Every rank calls this function with the same
    arguments, and gets the same network and history.

    Args:
        network: What to train; is left on `device` in evaluation mode.
        data: The training set, at least 2 rows for each rank; `labels` are learnt, right or wrong.
        epochs: Passes over the data, at least 1.
        batch_size: Rows per step, about, of all ranks together; at least 2 for each.
        learning_rate: The peak of the cycle, above 0.
        label_smoothing: Share of each label that is spread over all classes (Szegedy et al. 2016, arXiv:1512.00567),
            0 to below 1.
        weight_decay: Share of the learning rate by which weights shrink at each step, see `Adam`; 0 to 1.
        device: Where to compute; a rank's own.
        precision: float32, or bfloat16 for the convolutions and linear layers; the weights are float32 in any case.
        rng: A CPU generator that draws the order of the rows; its seed draws what else is left to chance.
        augment: How images are changed each time they are seen, flip and shift, see `training.augment`.
        loss: What is minimised, of a batch's logits, labels and `label_smoothing` by name: a function such as torch's.
        progress: Called after each epoch.
        watch: Called after each step with the network, the steps behind it and those of the whole training, in their
            precision. It must leave the network as it is.

    Raises:
        ValueError: If there are fewer than 2 rows for each rank.
    """
    rank, ranks = distributed.place()
    if len(data) < 2 * ranks:
        raise ValueError(f"training takes at least {2 * ranks} rows, not {len(data)}")
    images, labels = batches.from_images(data.images, device), torch.tensor(data.labels, device=device)
    steps = max(1, min(round(len(data) / batch_size), len(data) // (2 * ranks)))
    changed = Augment(augment, data.images.shape, seed=rng.initial_seed(), device=device)
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    replica = distributed.replicate(network)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimiser = Adam(weights, weight_decay)
    numbers = partial(torch.autocast, device.type, precision, enabled=precision != torch.float32)
    history: list[Epoch] = []
    # Layers such as dropout draw from torch's global generator; it is put back afterwards.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(rng.initial_seed() + rank)
        for epoch in range(epochs):
            loss_sum, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
            order = torch.randperm(len(data), generator=rng).to(device)
            changed.start_epoch()
            for step, batch in enumerate(order.tensor_split(steps)):
                rows = batch.tensor_split(ranks)[rank]
                wanted, share = labels[rows], len(rows) / len(batch)
                with numbers():
                    logits = replica(changed(images(rows), rows)).float()
                cost = loss(logits, wanted, label_smoothing=label_smoothing)
                gradients = distributed.gradients(cost, weights, share)
                optimiser.step(gradients, learning_rate * one_cycle((epoch + step / steps) / epochs))
                loss_sum += cost.detach() * share
                correct += (logits.detach().argmax(dim=1) == wanted).sum()
                with numbers():
                    watch(network, epoch * steps + step + 1, epochs * steps)
            distributed.add_up(loss_sum, correct)
            history.append(Epoch(epoch + 1, loss_sum.item() / steps, correct.item() / len(data)))
            progress(history[-1])
    distributed.level(network)
    network.eval()
    return history
