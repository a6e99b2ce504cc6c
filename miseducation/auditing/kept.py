"""Networks that an audit trains are kept until it is done: who interrupts it goes on from there."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from miseducation import networks
from miseducation.defending.evidence import Recipe
from miseducation.networks import Network
from miseducation.project.files import replacing


@dataclass(frozen=True)
class Kept(Recipe):
    """A recipe that looks first whether it has trained this very network before.

    Attributes:
        folder: Where networks are kept; whoever is done with them removes it. None keeps none.
        done: Called when a network is there.
    """

    folder: Path | None
    done: Callable[[], object]

    def train(self, images: np.ndarray, labels: np.ndarray, *, seed: int, **knobs: float) -> Network:
        """See `Recipe.train`."""
        if self.folder is None:
            network = super().train(images, labels, seed=seed, **knobs)
        else:
            place = self.folder / self._key(images, labels, seed, knobs)
            if not place.is_dir():
                with replacing(place) as partial:
                    networks.save(super().train(images, labels, seed=seed, **knobs), partial)
            network = networks.load(place).to(self.device)
        self.done()
        return network

    def _key(self, images: np.ndarray, labels: np.ndarray, seed: int, knobs: dict[str, float]) -> str:
        """Of all that the weights depend on."""
        rest = self.section, self.classes, self.shape, self.device, self.precision, seed, sorted(knobs.items())
        key = hashlib.blake2b(repr((*rest, torch.__version__)).encode(), digest_size=16)
        for array in (images, labels):
            key.update(np.ascontiguousarray(array).data)
        return key.hexdigest()
