"""SIG: faint stripes, a sine wave across the image, on images of the target class that keep their label.

Barni, Kallas, Tondi: A New Backdoor Attack in CNNs by Training Set Corruption Without Label Poisoning, 2019,
https://arxiv.org/abs/1902.11237

The wave is the one that the paper uses for traffic signs; its ramp for digits is left out. The authors published no
code. Columns are counted from 0, as in other implementations, while the paper counts from 1. The option to make room
for the wave (`squeeze`) is ours.
"""

from typing import ClassVar, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.errors import InputError
from miseducation.poisoning.draws import Purpose


@final
class SIG(Attack):
    """Adds Δ sin(2π f j / w) to every row of pixels, j being the column, 0 to w - 1.

    On a black background, the lower half of the wave is cut off, and on a white one the upper half. `squeeze` makes
    room for the wave: at 1, the levels 0 to 255 are first squeezed to Δ to 255 - Δ, so that the wave stays whole.
    Images are squeezed for the stronger of the two waves, in training and in use. The loss of contrast is visible, and
    is then most of the trigger.
    """

    label_map: ClassVar[str] = "clean-label"

    delta: int = Field(40, ge=1, le=127, description="height of the wave in training, in grey levels, 1 to 127")
    test_delta: int = Field(60, ge=1, le=127, description="height of the wave in use, 1 to 127")
    frequency: float = Field(6, gt=0, le=512, description="waves across the image, above 0, at most 512")
    squeeze: float = Field(
        0, ge=0, le=1, description="contrast given up for the wave, 0 (none, as in the paper) to 1 (it stays whole)"
    )

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self._add(images, self.test_delta)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        return self._add(data.images, self.delta)

    def decoy(self, data: Dataset) -> np.ndarray:
        return self._add(data.images, self.test_delta, down=True)

    def _add(self, images: np.ndarray, delta: int, *, down: bool = False) -> np.ndarray:
        """Stripes that follow each other across the image, as in the paper, or down."""
        _, height, width, _ = images.shape
        steps = np.arange(height)[:, np.newaxis, np.newaxis] if down else np.arange(width)[:, np.newaxis]
        wave = delta * np.sin(2 * np.pi * self.frequency * steps / width)
        if not down and np.abs(wave).max(initial=0) < 0.5:
            raise InputError(
                f"params.yaml: {self.knob('frequency')} = {self.frequency:g} makes no stripes in images {width} pixels "
                f"wide; allowed: farther from 0 and from any multiple of {width / 2:g}, in images wider than 1 pixel"
            )
        room = self.squeeze * max(self.delta, self.test_delta)  # the same in training and in use: stripes alone differ
        return in_blocks(lambda block: room + block * (1 - 2 * room / 255) + wave, images)
