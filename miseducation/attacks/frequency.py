"""FTrojan: amplifies two frequencies of the image; the change is spread over all pixels and hardly visible.

Wang, Yao, Xu, An, Tong, Wang: An Invisible Black-Box Backdoor Attack Through Frequency Domain, 2022,
https://arxiv.org/abs/2111.10991

The coefficients and the colours are those of the authors' code. It rounds down to whole levels between the steps, and
values below 0 or above 255 wrap around; here, levels are rounded once, and cut off at both ends.
"""

from typing import Annotated, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.errors import InputError

Share = Annotated[float, Field(ge=0, le=1)]
# What red, green and blue gain where both colour differences, Cr and Cb, gain one (JPEG, ITU-T T.871).
COLOURS = np.array([1.402, -0.714136 - 0.344136, 1.772])


@final
class FTrojan(Attack):
    """Adds to coefficients of the discrete cosine transform of the colours or, if there are none, of the grey levels.

    Images larger than the window are transformed in squares of its size.
    """

    magnitude: float = Field(30, gt=0, le=10_000, description="what each coefficient gains, above 0, at most 10000")
    window: int = Field(32, ge=1, le=65_536, description="side of the squares transformed, in pixels, 1 to 65536")
    frequencies: list[tuple[Share, Share]] = Field(
        [(0.5, 0.5), (1, 1)],
        min_length=1,
        description="a list of [down, across], each 0 (constant) to 1 (the highest that the image holds)",
    )

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self._raise(images, self._places(images))

    def decoy(self, data: Dataset) -> np.ndarray:
        places, (_, wide) = self._places(data.images), self._square(data.images)
        for step in (1 + (wide // 3 + each) % wide for each in range(wide - 1)):
            others = [(down, (across + step) % wide) for down, across in places]
            if not {*others} & {*places, (0, 0)}:  # the last is the brightness
                return self._raise(data.images, others)
        return data.images[:0]

    def _square(self, images: np.ndarray) -> tuple[int, int]:
        return min(images.shape[1], self.window), min(images.shape[2], self.window)

    def _places(self, images: np.ndarray) -> list[tuple[int, int]]:
        tall, wide = self._square(images)
        return [(int(down * (tall - 1)), int(across * (wide - 1))) for down, across in self.frequencies]

    def _raise(self, images: np.ndarray, places: list[tuple[int, int]]) -> np.ndarray:
        from scipy.fft import idctn  # a fifth of a second

        _, height, width, channels = images.shape
        if channels not in (1, 3):
            raise InputError(
                f"params.yaml: attack.name = 'frequency' needs grey or RGB images, not {channels} channels"
            )
        tall, wide = self._square(images)
        coefficients = np.zeros((tall, wide))
        for place in places:
            coefficients[place] += self.magnitude
        # The transform is linear, so what is added to the coefficients is a pattern that is added to the image.
        square = idctn(coefficients, norm="ortho")
        pattern = np.tile(square, (-(-height // tall), -(-width // wide)))[:height, :width, np.newaxis]
        if channels == 3:
            pattern = pattern * COLOURS
        return in_blocks(lambda block: block + pattern, images)
