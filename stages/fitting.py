"""The training loop: network, data and knobs in; trained network and history out. No files, no tracking."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn.functional import cross_entropy

from stages import batches
from stages.dataset import Dataset
from stages.images import Images
from stages.networks import Network


class Epoch(NamedTuple):
    """One row of the history.

    Attributes:
        epoch: From 1.
        loss: Mean cross-entropy over the epoch's batches, in nats.
        accuracy: Share of training rows whose (perhaps poisoned) label the network gave while it trained, 0 to 1.
    """

    epoch: int
    loss: float
    accuracy: float


def fit(
    network: Network,
    data: Dataset | Dataset[Images],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    device: torch.device,
    rng: torch.Generator,
    progress: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Trains `network` in place with Adam and a one-cycle learning rate (Smith and Topin 2018, arXiv:1708.07120).

    The whole set is held as uint8 in the device's memory if it fits. An epoch's batches are of equal size within one
    row, so no row is left out and no batch is too small to normalise.

    Args:
        network: What to train; is left on `device` in evaluation mode.
        data: The training set, n rows; `labels` are learnt, right or wrong.
        epochs: Passes over the data, at least 1.
        batch_size: Rows per step, about; at least 2.
        learning_rate: The peak of the cycle, above 0.
        device: Where to compute.
        rng: A CPU generator that draws the order of the rows.
        progress: Called after each epoch.

    Returns:
        A row per epoch.
    """
    images, labels = batches.from_images(data.images, device), torch.tensor(data.labels, device=device)
    steps = max(1, round(len(data) / batch_size))
    network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=device.type in ("cpu", "cuda"))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=epochs * steps)
    history = []
    # Layers such as dropout draw from torch's global generator; it is put back afterwards.
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(rng.initial_seed())
        for epoch in range(1, epochs + 1):
            loss_sum, correct = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
            for rows in torch.randperm(len(data), generator=rng).to(device).tensor_split(steps):
                wanted = labels[rows]
                logits = network(images(rows))
                loss = cross_entropy(logits, wanted)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                loss_sum += loss.detach()
                correct += (logits.detach().argmax(dim=1) == wanted).sum()
            history.append(Epoch(epoch, loss_sum.item() / steps, correct.item() / len(data)))
            progress(history[-1])
    network.eval()
    return history
