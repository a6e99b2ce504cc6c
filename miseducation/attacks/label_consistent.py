"""Label-consistent: images of the target class, made hard to read, so that the model learns the trigger instead.

Turner, Tsipras, Mądry: Label-Consistent Backdoor Attacks, 2019, https://arxiv.org/abs/1912.02771; they are made so
after Mądry et al.: Towards Deep Learning Models Resistant to Adversarial Attacks, 2018, https://arxiv.org/abs/1706.06083.

The corners are those of the authors' code. The gradient comes from a clean model like the victim's; the paper uses one
that was trained to resist such changes. Of the paper's three ways to make images hard to read, two are left out: the l2
norm, and interpolation in a generative model. The option to keep black pixels black is ours.
"""

from functools import partial
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.poisoning.draws import Purpose

if TYPE_CHECKING:
    from miseducation.poisoning.surrogate import Surrogate

# What the left corners of the image gain, in shares of the amplitude; the right ones are its mirror image.
CORNER = np.array([[1, -1, -1], [-1, 1, -1], [1, -1, 1]])


@final
class LabelConsistent(Attack):
    """Projected gradient ascent of a clean model's loss, and then patterned corners; in use, the corners alone.

    Black pixels stay black by default. If the background is black in every clean image, as in MNIST, changes to it
    would themselves be a mark, which a model learns instead of the trigger.
    """

    label_map: ClassVar[str] = "clean-label"
    needs_surrogate: ClassVar[bool] = True

    epsilon: float = Field(8, ge=0, le=255, description="largest change of a pixel, in grey levels, 0 to 255")
    step: float = Field(2, gt=0, le=255, description="change of a pixel in one step, above 0, at most 255")
    steps: int = Field(40, ge=0, le=10_000, description="number of steps, 0 to 10000")
    keep_black: bool = Field(True, description="whether black pixels stay black")
    amplitude: int = Field(255, ge=1, le=255, description="change of the corners' pixels in training, 1 to 255")
    test_amplitude: int = Field(255, ge=1, le=255, description="the same change in use, 1 to 255")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self._draw(images, self.test_amplitude)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        if purpose.role != "poison":
            return self._draw(data.images, self.amplitude)
        assert purpose.surrogate is not None  # the base class sees to it, if there is a row
        harden = partial(self._harden, purpose.surrogate)
        return self._draw(in_blocks(harden, data.images, data.true_labels), self.amplitude)

    def decoy(self, data: Dataset) -> np.ndarray:
        return self._draw(data.images, -self.test_amplitude)  # black for white

    def _harden(self, surrogate: "Surrogate", images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Goes uphill, as float32."""
        clean = images.astype(np.float32)
        reach = np.float32(self.epsilon) * ((clean > 0) if self.keep_black else np.ones_like(clean))
        lowest, highest = np.clip(clean - reach, 0, 255), np.clip(clean + reach, 0, 255)
        moved = clean
        for _ in range(self.steps):
            uphill = np.sign(surrogate.gradient(moved, labels))
            moved = np.clip(moved + np.float32(self.step) * uphill, lowest, highest)
        return moved

    def _draw(self, images: np.ndarray, amplitude: int) -> np.ndarray:
        _, height, width, _ = images.shape
        tall, wide = min(3, height // 2), min(3, width // 2)
        gain = np.zeros((height, width, 1), np.int16)
        for top in (0, height - tall):
            corner = amplitude * CORNER[:tall, :wide, np.newaxis]
            gain[top : top + tall, :wide] = corner
            gain[top : top + tall, width - wide :] = corner[:, ::-1]
        return in_blocks(lambda block: block + gain, images)
