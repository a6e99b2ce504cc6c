"""BppAttack: fewer levels of each colour, and dithering that hides it.

Wang, Zhai, Ma: BppAttack: Stealthy and Efficient Trojan Attacks Against Deep Neural Networks via Image Quantization and
Contrastive Adversarial Learning, 2022, https://arxiv.org/abs/2205.13383; the part of it that needs the data only.
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import in_blocks


@final
class BppAttack(Attack):
    """Rounds each channel to a few levels. The rounding error goes to the neighbours (Floyd and Steinberg 1976)."""

    levels: int = Field(8, ge=2, le=255, description="levels of each channel, 2 to 255")
    dither: bool = Field(True, description="whether the rounding error goes to the neighbours")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return in_blocks(self._quantise, images)

    def _quantise(self, images: np.ndarray) -> np.ndarray:
        """From pixel to pixel, but all images at once."""
        images, highest = images.astype(float), self.levels - 1
        if not self.dither:
            return np.rint(images / 255 * highest) * 255 / highest
        _, height, width, _ = images.shape
        for row in range(height):
            for column in range(width):
                wanted = images[:, row, column]
                found = np.clip(np.rint(wanted / 255 * highest), 0, highest) * 255 / highest
                error = (wanted - found) / 16
                images[:, row, column] = found
                for down, right, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                    if row + down < height and 0 <= column + right < width:
                        images[:, row + down, column + right] += share * error
        return images
