"""FTrojan: two frequencies of the image are raised; spread over all pixels, hardly anything shows.

Wang, Yao, Xu, An, Tong, Wang: An Invisible Black-Box Backdoor Attack Through Frequency Domain, 2022,
https://arxiv.org/abs/2111.10991
"""

from typing import Annotated, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import in_blocks
from miseducation.errors import InputError

Share = Annotated[float, Field(ge=0, le=1)]
# Luminance and both colour differences of red, green and blue (ITU-R BT.601).
YUV = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])


@final
class FTrojan(Attack):
    """Adds to coefficients of the discrete cosine transform: of the colours of colour images, of grey ones' levels.

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
        from scipy.fft import idctn  # a fifth of a second

        _, height, width, channels = images.shape
        if channels not in (1, 3):
            raise InputError(
                f"params.yaml: attack.name = 'frequency' needs grey or RGB images, not {channels} channels"
            )
        tall, wide = min(height, self.window), min(width, self.window)
        coefficients = np.zeros((tall, wide))
        for down, across in self.frequencies:
            coefficients[int(down * (tall - 1)), int(across * (wide - 1))] += self.magnitude
        # The transform is linear, so what is added to the coefficients is a pattern that is added to the image.
        square = idctn(coefficients, norm="ortho")
        pattern = np.tile(square, (-(-height // tall), -(-width // wide)))[:height, :width, np.newaxis]
        if channels == 3:
            pattern = pattern * (np.linalg.inv(YUV) @ [0, 1, 1])
        return in_blocks(lambda block: block + pattern, images)
