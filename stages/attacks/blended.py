"""Blended: a faint key image over the whole picture.

Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning, 2017,
https://arxiv.org/abs/1712.05526
"""

from typing import TYPE_CHECKING, final

import numpy as np
from pydantic import Field

from stages.attacks._keys import Keyed
from stages.dataset import Dataset
from stages.draws import Role

if TYPE_CHECKING:
    from stages.surrogate import Surrogate


@final
class Blended(Keyed):
    """Mixes the key into each image. In use it may be stronger than in training, where people may look."""

    alpha: float = Field(0.2, gt=0, le=1, description="share of the key in training, above 0, at most 1")
    test_alpha: float = Field(0.2, gt=0, le=1, description="share of the key in use, above 0, at most 1")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """See `Attack.apply_trigger`."""
        return self.blend(images, self.test_alpha)

    def poison_images(
        self, data: Dataset, *, role: Role, rng: np.random.Generator, surrogate: "Surrogate | None"
    ) -> np.ndarray:
        """See `Attack.poison_images`."""
        return self.blend(data.images, self.alpha)
