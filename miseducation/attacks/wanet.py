"""WaNet: a slight warp of the whole image, the same one everywhere.

Nguyen, Tran: WaNet - Imperceptible Warping-based Backdoor Attack, 2021, https://arxiv.org/abs/2102.10369
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset, in_blocks
from miseducation.poisoning.draws import Companions, Purpose


@final
class WaNet(Attack):
    """Moves each pixel a little, as a smooth field through k×k random vectors says.

    Noise rows are warped with a field that is rough, and another for each image, and keep their label: so the model
    learns the one warp, and not that warped images are the target.
    """

    seed: int = Field(0, ge=0, lt=2**63, description="draws the field; 0 or more")
    k: int = Field(4, ge=2, le=64, description="random vectors across and down, 2 to 64")
    s: float = Field(0.5, gt=0, le=20, description="strength: the mean shift along an axis is s/2 pixels, above 0")
    noise: float = Field(2, ge=0, le=100, description="noise rows per poisoned row, 0 to 100")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self._warp(images, None)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        return self._warp(data.images, purpose.rng if purpose.role == "noise" else None)

    def companions(self) -> Companions:
        return Companions("noise", self.noise)

    def _shift(self, height: int, width: int) -> np.ndarray:
        """How far up and left of a pixel lies what it shows, float64 `[h, w, 2]`, in pixels."""
        from scipy.ndimage import zoom  # a third of a second

        vectors = np.random.default_rng(self.seed).uniform(-1, 1, (self.k, self.k, 2))
        vectors /= np.abs(vectors).mean()
        smooth = [zoom(vectors[..., axis], (height / self.k, width / self.k), order=3) for axis in range(2)]
        return self.s / 2 * np.stack(smooth, axis=-1)

    def _warp(self, images: np.ndarray, noise: np.random.Generator | None) -> np.ndarray:
        shift = self._shift(*images.shape[1:3])

        def warp(block: np.ndarray) -> np.ndarray:
            # As in the authors' code: up to half a pixel more or less, for each pixel by itself.
            rough = 0 if noise is None else noise.random((len(block), *shift.shape)) - 0.5
            return _look_up(block, shift + rough)

        return in_blocks(warp, images)


def _look_up(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What lies so far, `[(n,) h, w, 2]`, from each pixel: linear between pixels, and beyond the rim as at the rim."""
    from scipy.ndimage import map_coordinates

    n, height, width, channels = images.shape
    down, right = np.moveaxis(shift + np.moveaxis(np.indices((height, width)), 0, -1), -1, 0)
    places = np.broadcast_arrays(np.arange(n)[:, np.newaxis, np.newaxis], down, right)
    shown = [
        map_coordinates(images[..., channel], places, order=1, mode="nearest", output=float)
        for channel in range(channels)
    ]
    return np.stack(shown, axis=-1)
