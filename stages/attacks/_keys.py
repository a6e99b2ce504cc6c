"""Key images, which attacks blend into others: seeded noise, or a picture of the user's."""

from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from stages.attacks import Attack
from stages.command import InputError
from stages.images import BLOCK
from stages.own_files import locate

LARGEST = 512  # pixels of a picture's longer side that are kept


class Keyed(Attack):
    """An attack that blends one key image into all others."""

    seed: int = Field(0, ge=0, lt=2**63, description="draws the key, noise of all levels; 0 or more")
    picture: Path | None = Field(
        None, description="null, or an image file in place of the noise, stretched to the images"
    )

    def blend(self, images: np.ndarray, share: float, mask: np.ndarray | None = None) -> np.ndarray:
        """(1 - share) × image + share × key.

        Args:
            images: uint8 `[n, h, w, c]`; left as they are.
            share: The key's, 0 to 1.
            mask: bool `[n, h, w]`, where the key shows; None for everywhere.

        Returns:
            A new array, uint8 `[n, h, w, c]`.
        """
        blended, veil = np.empty_like(images), share * self._key(images.shape[1:])
        for start in range(0, len(images), BLOCK):  # floats take eight times the memory
            rows = slice(start, start + BLOCK)
            blended[rows] = np.rint((1 - share) * images[rows] + veil)
        return blended if mask is None else np.where(mask[..., np.newaxis], blended, images)

    def _key(self, shape: tuple[int, ...]) -> np.ndarray:
        """The key for images of this shape, float64 `[h, w, c]`, 0 to 255."""
        height, width, channels = shape
        if self.picture is None:
            return np.random.default_rng(self.seed).integers(0, 256, shape).astype(float)
        if channels not in (1, 3):
            raise InputError(f"params.yaml: {self.knob('picture')} needs grey or RGB images, not {channels} channels")
        picture = Image.fromarray(self.pixels).convert("L" if channels == 1 else "RGB")
        return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), float).reshape(shape)

    @cached_property
    def pixels(self) -> np.ndarray:
        """The picture on white, uint8 `[h, w, 3]`; read once, and sent along to where the file is not."""
        from stages.picture_files import read_rgba

        assert self.picture is not None
        try:
            rgba = read_rgba(locate(self.picture), LARGEST)
        except ValueError as error:
            given = f"{self.knob('picture')} = {str(self.picture)!r}"
            raise InputError(f"params.yaml: {given} cannot be read: {error}") from None
        opacity = rgba[..., 3:] / 255
        return np.rint(rgba[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
