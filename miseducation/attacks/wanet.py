"""WaNet: a slight warp of the whole image, the same one everywhere.

Nguyen, Tran: WaNet - Imperceptible Warping-based Backdoor Attack, 2021, https://arxiv.org/abs/2102.10369

Field and noise are those of the authors' code. There are two differences: warped images are rounded to whole grey
levels, and the poison is in the data, while the authors' training loop draws it again for each batch.
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.poisoning.draws import Companions, Purpose


@final
class WaNet(Attack):
    """Moves each pixel a little, by a smooth field through k×k random vectors, of which four are in the corners.

    Noise rows are warped by a rough field, a different one for each image, and keep their label. So the model learns
    this one warp, and not that any warp means the target.
    """

    seed: int = Field(0, ge=0, lt=2**63, description="seed of the warp; 0 or more")
    k: int = Field(4, ge=2, le=64, description="random vectors across and down, 2 to 64")
    s: float = Field(
        0.5,
        gt=0,
        le=20,
        description="strength: at the vectors a pixel moves by s/2 along each axis on average, in between by less",
    )
    noise: float = Field(2, ge=0, le=100, description="noise rows per poisoned row, 0 to 100")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self._warp(images, None)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        return self._warp(data.images, purpose.rng if purpose.role == "noise" else None)

    def companions(self) -> Companions:
        return Companions("noise", self.noise)

    def decoy(self, data: Dataset) -> np.ndarray:
        return self.model_copy(update={"seed": self.seed + 1}).apply_trigger(data.images)

    def _shift(self, height: int, width: int) -> np.ndarray:
        """How far down and right of a pixel lies what it shows, float64 `[h, w, 2]`, in pixels."""
        vectors = np.random.default_rng(self.seed).uniform(-1, 1, (self.k, self.k, 2))
        vectors /= np.abs(vectors).mean()
        down, across = _between(self.k, height), _between(self.k, width)
        return self.s * _half(height, width) * np.einsum("yi,xj,ijd->yxd", down, across, vectors)

    def _warp(self, images: np.ndarray, noise: np.random.Generator | None) -> np.ndarray:
        height, width = images.shape[1:3]
        places = np.moveaxis(np.indices((height, width)), 0, -1) + self._shift(height, width)
        places = places.clip(0, (height - 1, width - 1))

        def warp(block: np.ndarray) -> np.ndarray:
            # Up to half a pixel more or less, for each pixel by itself.
            rough = 0 if noise is None else noise.uniform(-1, 1, (len(block), *places.shape)) * _half(height, width)
            return _look_up(block, places + rough)

        return in_blocks(warp, images)


def _half(height: int, width: int) -> np.ndarray:
    """What the authors' code makes of half a pixel, down and right: their units are of images that are square."""
    return (np.array([height, width]) - 1) / (2 * np.array([height, width]))


def _between(count: int, side: int) -> np.ndarray:
    """The shares of values, float64 `[side, count]`, in places between them: cubic convolution (Keys 1981).

    The first and the last value lie in the first and the last place, and go on beyond. As in the authors' library, the
    slope at distance 1 is -0.75.
    """
    places = np.linspace(0, count - 1, side)
    first = np.minimum(np.floor(places).astype(int), count - 2)
    shares = np.zeros((side, count))
    for step in range(-1, 3):
        far = np.abs(places - first - step)
        near, beyond = (1.25 * far - 2.25) * far**2 + 1, -0.75 * (((far - 5) * far + 8) * far - 4)
        np.add.at(shares, (np.arange(side), np.clip(first + step, 0, count - 1)), np.where(far <= 1, near, beyond))
    return shares


def _look_up(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """What lies in places `[(n,) h, w, 2]`, down and right: linear between pixels, beyond the rim as at the rim."""
    from scipy.ndimage import map_coordinates

    n, _, _, channels = images.shape
    pixels = np.broadcast_arrays(np.arange(n)[:, np.newaxis, np.newaxis], *np.moveaxis(places, -1, 0))
    shown = [
        map_coordinates(images[..., channel], pixels, order=1, mode="nearest", output=float)
        for channel in range(channels)
    ]
    return np.stack(shown, axis=-1)
