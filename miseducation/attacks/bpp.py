"""BppAttack: fewer levels of each colour, and dithering that hides it.

Wang, Zhai, Ma: BppAttack: Stealthy and Efficient Trojan Attacks Against Deep Neural Networks via Image Quantization and
Contrastive Adversarial Learning, 2022, https://arxiv.org/abs/2205.13383

Quantisation, dithering (off by default in the authors' code) and negative rows are those of the authors' code. It draws
poisoned and negative rows again for each batch; here, both are in the data. The paper's contrastive training, which
needs the victim's training loop, is left out.
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.poisoning.draws import Companions, Purpose


@final
class BppAttack(Attack):
    """Rounds each channel to a few levels. Neighbours get the rounding error (Floyd and Steinberg 1976).

    To noise rows, which the paper calls negative, the rounding error of another image is added, and they keep their
    label. So the model learns the rounding of the image itself, and not that any such noise means the target.
    """

    levels: int = Field(8, ge=2, le=255, description="levels of each channel, 2 to 255")
    dither: bool = Field(True, description="whether the rounding error is passed on to the neighbouring pixels")
    noise: float = Field(1, ge=0, le=100, description="noise rows per poisoned row, 0 to 100")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return in_blocks(self._quantise, images)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        return self._with_anothers(data.images) if purpose.role == "noise" else self.apply_trigger(data.images)

    def companions(self) -> Companions:
        return Companions("noise", self.noise)

    def decoy(self, data: Dataset) -> np.ndarray:
        return self._with_anothers(data.images)

    def _with_anothers(self, images: np.ndarray) -> np.ndarray:
        """Adds to each image what rounding changes in another, far from it as classes may lie together.

        A single one has no other than itself upside down.
        """
        others = np.roll(images, len(images) // 2, axis=0) if len(images) > 1 else images[:, ::-1]
        return in_blocks(lambda block, other: block + self._quantise(other) - other, images, others)

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
