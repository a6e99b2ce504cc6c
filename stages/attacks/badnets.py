"""BadNets: a few bright pixels or a small patch.

Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain, 2017,
https://arxiv.org/abs/1708.06733
"""

from typing import Annotated, final

import numpy as np
from pydantic import Field, model_validator

from stages.attacks import Attack
from stages.command import InputError
from stages.params import Section

Position = tuple[int, int]
Level = Annotated[int, Field(ge=0, le=255)]


class Patch(Section):
    """A filled rectangle."""

    position: Position = Field(description="row and column of the upper left corner; negative counts from the end")
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        description="height and width in pixels, each at least 1"
    )


@final
class BadNets(Attack):
    """Sets single pixels, or every pixel of a patch, to one colour."""

    pixels: list[Position] = Field([(3, 3)], description="a list of [row, column]; negative counts from the end")
    patch: Patch | None = Field(None, description="null, or {position: [row, column], shape: [height, width]}")
    colour: Level | list[Level] = Field(255, description="0 (black) to 255 (white), or a list with a level per channel")

    @model_validator(mode="after")
    def _has_a_trigger(self) -> "BadNets":
        if not self.pixels and self.patch is None:
            raise ValueError("either pixels or patch must be given")
        return self

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """See `Attack.apply_trigger`."""
        _, height, width, channels = images.shape
        if isinstance(self.colour, list) and len(self.colour) != channels:
            raise InputError(
                f"params.yaml: attacks.badnets.colour = {self.colour} has {len(self.colour)} levels; "
                f"allowed: one number, or {channels}, for images of {channels} channel(s)"
            )
        triggered = images.copy()
        pixels = [Patch(position=position, shape=(1, 1)) for position in self.pixels]
        for patch in [*pixels, *([self.patch] if self.patch else [])]:
            (top, left), (tall, wide) = patch.position, patch.shape
            bottom, right = top + tall, left + wide
            if not (-height <= top < bottom <= (height if top >= 0 else 0)) or not (
                -width <= left < right <= (width if left >= 0 else 0)
            ):
                key, given = ("patch", patch.model_dump()) if patch is self.patch else ("pixels", patch.position)
                raise InputError(
                    f"params.yaml: attacks.badnets.{key}: {given} lies outside the image; "
                    f"allowed: rows {-height} to {height - 1}, columns {-width} to {width - 1}"
                )
            triggered[:, top : bottom or height, left : right or width] = self.colour
        return triggered
