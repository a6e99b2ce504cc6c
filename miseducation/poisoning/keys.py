"""Key images, which attacks blend into others: seeded noise, or a picture of the user's."""

from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from miseducation.dataset import Dataset, in_blocks
from miseducation.errors import InputError
from miseducation.poisoning.attack import Attack
from miseducation.poisoning.draws import Purpose
from miseducation.project.own_files import locate

LARGEST = 512  # pixels of a picture's longer side that are kept; a sticker's is a few pixels large on the image


def read_picture(path: Path, knob: str) -> np.ndarray:
    """A user's picture, uint8 `[h, w, 4]`: red, green, blue and opacity. An error names the knob."""
    from miseducation.dataset.picture_files import read_rgba

    try:
        return read_rgba(locate(path), LARGEST)
    except ValueError as error:
        raise InputError(f"params.yaml: {knob} = {str(path)!r} cannot be read: {error}") from None


class Keyed(Attack):
    """An attack that blends one key image into all others. In use it may be stronger than in training."""

    alpha: float = Field(0.2, gt=0, le=1, description="share of the key in training, above 0, at most 1")
    test_alpha: float = Field(0.2, gt=0, le=1, description="share of the key in use, above 0, at most 1")
    seed: int = Field(0, ge=0, lt=2**63, description="seed of the key, which is random noise; 0 or more")
    picture: Path | None = Field(
        None, description="null, or an image file instead of the noise, stretched to the images"
    )

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return self.blend(images, self.test_alpha)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        return self.blend(data.images, self.alpha)

    def decoy(self, data: Dataset) -> np.ndarray:
        other = self.model_copy(update={"seed": self.seed + 1})
        images = other.apply_trigger(data.images if self.picture is None else data.images[:, ::-1])
        return images if self.picture is None else images[:, ::-1]  # with a picture, that upside down

    def blend(self, images: np.ndarray, share: float, mask: np.ndarray | None = None) -> np.ndarray:
        """(1 - share) × image + share × key, uint8 `[n, h, w, c]`; only where the mask, bool `[n, h, w]`, says so."""
        veil = share * self._key(images.shape[1:])
        blended = in_blocks(lambda block: (1 - share) * block + veil, images)
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
        assert self.picture is not None
        rgba = read_picture(self.picture, self.knob("picture"))
        opacity = rgba[..., 3:] / 255
        return np.rint(rgba[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)
