"""A clean model in the attacker's hands: what an attack may ask it."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from stages import networks
from stages.compute import ComputeSection, set_up
from stages.files import read_json
from stages.networks import Network

BATCH = 250  # images on the device at a time


class Surrogate:
    """A trained network, whose weights stay as they are.

    Args:
        network: In evaluation mode; takes float images, too.
        device: Where to compute.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device

    @classmethod
    def load(cls, folder: Path) -> "Surrogate":
        """Reads a saved variant, such as `models/clean`, and computes on what it was trained on."""
        trained = read_json(folder / "training.json")
        section = {name: trained[name] for name in ("device", "threads")}
        return cls(networks.load(folder), set_up(ComputeSection.model_validate(section | {"precision": "float32"})))

    def gradient(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The gradient of each image's loss (cross-entropy) with respect to its pixels.

        Args:
            images: float32 `[n, h, w, c]`, 0 to 255.
            labels: int64 `[n]`, what the loss is taken for.

        Returns:
            float32 `[n, h, w, c]`, per grey level.
        """
        gradients = np.empty_like(images)
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            batch = torch.from_numpy(images[rows]).to(self._device).requires_grad_()
            loss = cross_entropy(self._network(batch), torch.from_numpy(labels[rows]).to(self._device), reduction="sum")
            (gradient,) = torch.autograd.grad(loss, batch)
            gradients[rows] = gradient.cpu().numpy()
        return gradients
