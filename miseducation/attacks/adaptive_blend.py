"""Adaptive-Blend: each poisoned image shows random pieces of a key image, and cover rows with pieces keep their label.

Qi, Xie, Li, Mahloujifar, Mittal: Revisiting the Assumption of Latent Separability for Backdoor Defenses, 2023,
https://openreview.net/forum?id=_wSHsgrVali
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.dataset import Dataset
from miseducation.poisoning.draws import Companions, Purpose
from miseducation.poisoning.keys import Keyed


@final
class AdaptiveBlend(Keyed):
    """In training, each image shows a random part of the key's pieces; in use, it shows the whole key, and stronger.

    As many cover rows also show such a part, but keep their true label. So the model cannot rely on the trigger alone,
    and poisoned and clean images cannot be separated in its inner layers.
    """

    alpha: float = Field(0.15, gt=0, le=1, description="share of the key in training, above 0, at most 1")
    pieces: int = Field(4, ge=1, le=64, description="pieces of the key across and down, 1 to 64; 4 makes 16")
    masked: float = Field(0.5, ge=0, lt=1, description="share of the pieces hidden in training, 0 to below 1")
    cover: float = Field(1, ge=0, le=100, description="cover rows per poisoned row, 0 to 100")

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        n, height, width, _ = data.images.shape
        across = min(self.pieces, height, width)  # a piece is a pixel at least, so that one always shows
        count = across**2
        # For each image another order of the pieces, of which the first are hidden.
        places = purpose.rng.random((n, count)).argsort(axis=1)
        shown = places >= min(round(self.masked * count), count - 1)
        rows, columns = (np.arange(side) * across // side for side in (height, width))
        return self.blend(data.images, self.alpha, shown[:, rows[:, np.newaxis] * across + columns])

    def companions(self) -> Companions:
        return Companions("cover", self.cover)
