"""A clean model in the attacker's hands: what an attack may ask it."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from miseducation import networks
from miseducation.dataset import blocks
from miseducation.networks import BATCH, Network
from miseducation.project.files import read_json
from miseducation.training.compute import ComputeSection, set_up


class Surrogate:
    """A trained network, whose weights stay as they are."""

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
        """The gradient of each image's loss (cross-entropy with its label) with respect to its grey levels.

        Takes float32 `[n, h, w, c]`, 0 to 255, and int64 `[n]`; returns float32 `[n, h, w, c]`.
        """
        gradients = np.empty_like(images)
        for rows in blocks(len(images), BATCH):
            batch = torch.from_numpy(images[rows]).to(self._device).requires_grad_()
            wanted = torch.from_numpy(labels[rows]).to(self._device)
            loss = cross_entropy(self._network.logits(batch), wanted, reduction="sum")
            (gradient,) = torch.autograd.grad(loss, batch)
            gradients[rows] = gradient.cpu().numpy()
        return gradients
