"""BadNets: a few bright pixels or a small patch.

Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain, 2017,
https://arxiv.org/abs/1708.06733
"""

from typing import final

import numpy as np
from pydantic import Field, model_validator

from miseducation.attacks import Attack
from miseducation.poisoning.patches import COLOUR, Colour, Patch, Position, check_colour, draw


@final
class BadNets(Attack):
    """Sets single pixels, or every pixel or every other one of a patch, to one colour."""

    pixels: list[Position] = Field([(3, 3)], description="a list of [row, column]; negative numbers count from the end")
    patch: Patch | None = Field(
        None,
        description="null, or {position: [row, column], shape: [height, width]}, optionally with checkerboard: true",
    )
    colour: Colour = Field(255, description=COLOUR)

    @model_validator(mode="after")
    def _has_a_trigger(self) -> "BadNets":
        if not self.pixels and self.patch is None:
            raise ValueError("either pixels or patch must be given")
        return self

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        check_colour(self.colour, images.shape[-1], self.knob("colour"))
        triggered = images.copy()
        for position in self.pixels:
            draw(triggered, Patch(position=position, shape=(1, 1)), self.colour, self.knob("pixels"), position)
        if self.patch:
            draw(triggered, self.patch, self.colour, self.knob("patch"))
        return triggered
