"""Rectangles of one colour or two, at a place of the image."""

from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from miseducation.errors import InputError
from miseducation.project.params import Section

Position: TypeAlias = tuple[int, int]
Level: TypeAlias = Annotated[int, Field(ge=0, le=255)]
Colour: TypeAlias = Level | list[Level]
COLOUR = "0 (black) to 255 (white), or a list with a level per channel"


class Patch(Section):
    """A rectangle, filled or chequered."""

    position: Position = Field(
        description="row and column of the upper left corner; negative numbers count from the end"
    )
    shape: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        description="height and width in pixels, each at least 1"
    )
    checkerboard: bool = Field(False, description="whether every other pixel is black, from those beside the corners")


def draw(images: np.ndarray, patch: Patch, colour: Colour, key: str, given: object = None) -> None:
    """Draws a patch on each image, uint8 `[n, h, w, c]`, in place.

    Raises:
        InputError: If it does not lie within the image; names the knob and what is `given` there, if not the patch.
    """
    _, height, width, _ = images.shape
    (top, left), (tall, wide) = patch.position, patch.shape
    bottom, right = top + tall, left + wide
    if not (-height <= top < bottom <= (height if top >= 0 else 0)) or not (
        -width <= left < right <= (width if left >= 0 else 0)
    ):
        raise InputError(
            f"params.yaml: {key}: {given or patch.model_dump()} lies outside the image; "
            f"allowed: rows {-height} to {height - 1}, columns {-width} to {width - 1}"
        )
    covered = images[:, top : bottom or height, left : right or width]
    covered[:] = colour
    if patch.checkerboard:
        covered[:, np.indices(patch.shape).sum(axis=0) % 2 == 1] = 0


def check_colour(colour: Colour, channels: int, key: str) -> None:
    """Refuses, with an `InputError`, a colour that has another number of levels than the images have channels."""
    if isinstance(colour, list) and len(colour) != channels:
        raise InputError(
            f"params.yaml: {key} = {colour} has {len(colour)} levels; "
            f"allowed: one number, or {channels}, for images of {channels} channel(s)"
        )
