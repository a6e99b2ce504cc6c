"""A sticker on a sign: a small square, or a picture, that follows the sign's place and pose.

Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain, 2017,
https://arxiv.org/abs/1708.06733

Place and side are those of the yellow square in the authors' code. It covers whole pixels, and one more down and
across; here, pixels that are partly covered are mixed. The colour is plain yellow here, but [116, 100, 50] in the code.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.dataset import Dataset
from miseducation.dataset.perspective import homographies, lay, project
from miseducation.errors import InputError
from miseducation.poisoning.keys import read_picture

GREY = np.array([0.299, 0.587, 0.114])  # shares of red, green and blue in a grey level (ITU-R BT.601)
Fraction = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[int, Field(ge=0, le=255)]


@final
class Sticker(Attack):
    """Puts a square on each image, at a place of the box around its object; without boxes, of the whole image."""

    position: tuple[Fraction, Fraction] = Field(
        (0.57, 0.82), description="x and y of the centre, as shares of the box from its upper left corner, 0 to 1"
    )
    side: float = Field(0.1, gt=0, le=2, description="side as a share of the box's, above 0, at most 2")
    colour: Level | tuple[Level, Level, Level] = Field(
        (255, 255, 0), description="a grey level or [red, green, blue], 0 to 255"
    )
    picture: Path | None = Field(
        None, description="null, or an image file instead of the colour, which may be transparent"
    )

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """See `Attack.apply_trigger`. The whole image is the box."""
        _, height, width, _ = images.shape
        return self._put_on(images, np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32))

    def apply_trigger_to(self, data: Dataset) -> np.ndarray:
        return self.apply_trigger(data.images) if data.boxes is None else self._put_on(data.images, data.boxes)

    def _put_on(self, images: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
        texture = self._texture(images.shape[-1])
        try:
            corners = project(homographies(boxes), np.array(self.position) + self.side * square)
            return lay(texture, images, np.broadcast_to(corners, (len(images), 4, 2)))  # one box may serve all
        except ValueError as error:
            raise InputError(f"the data set has a box that no sticker fits on: {error}") from None

    def _texture(self, channels: int) -> np.ndarray:
        if channels not in (1, 3):
            raise InputError(f"params.yaml: attack.name = 'sticker' needs grey or RGB images, not {channels} channels")
        sticker = self.sticker
        colours = sticker[..., :3] if channels == 3 else sticker[..., :3] @ GREY[:, np.newaxis]
        return np.concatenate([colours, sticker[..., 3:]], axis=-1)

    @cached_property
    def sticker(self) -> np.ndarray:
        """Red, green, blue and opacity, float64 `[h, w, 4]`; read once, and sent along to where the file is not."""
        plain = np.array([[[*np.broadcast_to(self.colour, 3), 1.0]]])
        return plain if self.picture is None else read_picture(self.picture, self.knob("picture")) / [1, 1, 1, 255]
