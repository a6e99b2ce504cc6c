"""A clean model in the attacker's hands: what an attack may ask it."""

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from miseducation import networks
from miseducation.dataset import blocks
from miseducation.errors import InputError
from miseducation.networks import BATCH, Network
from miseducation.project import foreign
from miseducation.project.params import validate
from miseducation.training.compute import ComputeSection, set_up


class _Trained(ComputeSection, extra="ignore"):
    """What `training.json` says of how a model was trained."""


class Surrogate:
    """A trained network, whose weights stay as they are."""

    def __init__(self, network: Network, device: torch.device) -> None:
        self._network = network.to(device).eval().requires_grad_(False)
        self._device = device

    @classmethod
    def load(cls, folder: Path) -> "Surrogate":
        """Reads a saved variant, such as `models/clean`, and computes on what it was trained on."""
        path = folder / "training.json"
        trained = validate(_Trained, "", foreign.read_json(path), path)
        compute = ComputeSection(device=trained.device, threads=trained.threads, precision="float32")
        try:
            return cls(networks.load(folder), set_up(compute))
        except InputError as error:
            raise InputError(str(error).replace("params.yaml: compute.", f"{path}: ")) from None

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
