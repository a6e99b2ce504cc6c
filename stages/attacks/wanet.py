"""WaNet: a slight warp of the whole image, the same one everywhere.

Nguyen, Tran: WaNet - Imperceptible Warping-based Backdoor Attack, 2021, https://arxiv.org/abs/2102.10369
"""

from typing import TYPE_CHECKING, final

import numpy as np
from pydantic import Field

from stages.attacks import Attack
from stages.dataset import Dataset
from stages.draws import Companions, Role
from stages.images import BLOCK

if TYPE_CHECKING:
    from stages.surrogate import Surrogate


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
        """See `Attack.apply_trigger`."""
        return self._warp(images, None)

    def poison_images(
        self, data: Dataset, *, role: Role, rng: np.random.Generator, surrogate: "Surrogate | None"
    ) -> np.ndarray:
        """See `Attack.poison_images`."""
        return self._warp(data.images, rng if role == "noise" else None)

    def companions(self) -> Companions:
        """See `Attack.companions`."""
        return Companions("noise", self.noise)

    def _shift(self, height: int, width: int) -> np.ndarray:
        """How far up and left of a pixel lies what it shows, float64 `[h, w, 2]`, in pixels."""
        from scipy.ndimage import zoom  # a third of a second

        vectors = np.random.default_rng(self.seed).uniform(-1, 1, (self.k, self.k, 2))
        vectors /= np.abs(vectors).mean()
        smooth = [zoom(vectors[..., axis], (height / self.k, width / self.k), order=3) for axis in range(2)]
        return self.s / 2 * np.stack(smooth, axis=-1)

    def _warp(self, images: np.ndarray, noise: np.random.Generator | None) -> np.ndarray:
        warped, (height, width) = np.empty_like(images), images.shape[1:3]
        shift = self._shift(height, width)
        for start in range(0, len(images), BLOCK):  # coordinates take sixteen times the memory
            rows = slice(start, start + BLOCK)
            count = len(images[rows])
            # As in the authors' code: up to half a pixel more or less, for each pixel by itself.
            rough = 0 if noise is None else noise.random((count, height, width, 2)) - 0.5
            warped[rows] = _look_up(images[rows], shift + rough)
        return warped


def _look_up(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What lies so far from each pixel: linear between pixels, and beyond the rim as at the rim.

    Args:
        images: uint8 `[n, h, w, c]`.
        shift: float64 `[h, w, 2]`, or for each image its own, `[n, h, w, 2]`, in pixels.

    Returns:
        A new array, uint8 `[n, h, w, c]`.
    """
    from scipy.ndimage import map_coordinates

    n, height, width, channels = images.shape
    down, right = np.moveaxis(shift + np.moveaxis(np.indices((height, width)), 0, -1), -1, 0)
    places = np.broadcast_arrays(np.arange(n)[:, np.newaxis, np.newaxis], down, right)
    shown = [
        map_coordinates(images[..., channel], places, order=1, mode="nearest", output=float)
        for channel in range(channels)
    ]
    return np.rint(np.stack(shown, axis=-1)).astype(np.uint8)
