"""A patch covers what it says, in the colour it is given, and nothing else."""

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from miseducation.errors import InputError
from miseducation.poisoning.patches import Colour, Patch, check_colour, draw

KEY = "attacks.some.patch"


def drawn(images: np.ndarray, colour: Any = 200, **knobs: Any) -> np.ndarray:
    found = images.copy()
    draw(found, Patch(**{"position": (1, 2), "shape": (2, 3), **knobs}), colour, KEY)
    return found


@example(top=-13, left=0, tall=1, wide=1, checkerboard=False)
@example(top=-12, left=-9, tall=12, wide=9, checkerboard=True)
@example(top=-1, left=0, tall=2, wide=1, checkerboard=False)
@example(top=0, left=-10, tall=1, wide=1, checkerboard=False)
@example(top=0, left=-1, tall=1, wide=2, checkerboard=False)
@example(top=11, left=8, tall=1, wide=1, checkerboard=False)
@example(top=12, left=0, tall=1, wide=1, checkerboard=False)
@example(top=0, left=9, tall=1, wide=1, checkerboard=False)
@given(
    top=st.integers(-14, 13),
    left=st.integers(-11, 10),
    tall=st.integers(1, 12),
    wide=st.integers(1, 9),
    checkerboard=st.booleans(),
)
def test_a_patch_covers_what_it_says_or_is_refused(
    top: int, left: int, tall: int, wide: int, checkerboard: bool
) -> None:
    images = np.full((2, 12, 9, 3), 50, np.uint8)
    knobs: dict[str, Any] = {"position": (top, left), "shape": (tall, wide), "checkerboard": checkerboard}
    first_row, first_column = (top + 12 if top < 0 else top), (left + 9 if left < 0 else left)
    if first_row < 0 or first_column < 0 or first_row + tall > 12 or first_column + wide > 9:
        with pytest.raises(
            InputError,
            match=rf"^params.yaml: {KEY}: .* lies outside the image; allowed: rows -12 to 11, columns -9 to 8$",
        ):
            drawn(images, [255, 200, 1], **knobs)
        return
    expected = images.copy()
    for row in range(tall):
        for column in range(wide):
            black = checkerboard and (row + column) % 2
            expected[:, first_row + row, first_column + column] = 0 if black else [255, 200, 1]
    np.testing.assert_array_equal(drawn(images, [255, 200, 1], **knobs), expected)


@pytest.mark.parametrize(
    "change", [{"position": (2, 2)}, {"shape": (3, 2)}, {"checkerboard": True}, {"colour": 201}, {}], ids=str
)
def test_each_knob_does_something(change: dict[str, Any]) -> None:
    grey = np.full((1, 8, 8, 1), 50, np.uint8)
    assert np.array_equal(drawn(grey), drawn(grey, **change)) == (not change)


def test_what_is_given_is_named_if_it_is_not_the_patch() -> None:
    grey, patch = np.zeros((1, 8, 8, 1), np.uint8), Patch(position=(8, 0), shape=(1, 1))
    with pytest.raises(InputError, match=r"attacks.some.pixels: \(8, 0\) lies outside"):
        draw(grey, patch, 200, "attacks.some.pixels", (8, 0))
    with pytest.raises(InputError, match=r"attacks.some.patch: \{'position': \(8, 0\), 'shape': \(1, 1\), "):
        draw(grey, patch, 200, KEY)


@pytest.mark.parametrize("shape", [(0, 1), (1, 0), (1,), (1, 1, 1)])
def test_a_patch_has_a_height_and_a_width(shape: Any) -> None:
    with pytest.raises(ValidationError):
        Patch(position=(0, 0), shape=shape)


def test_a_level_is_one_of_256() -> None:
    levels: TypeAdapter[Any] = TypeAdapter(Colour)
    assert [levels.validate_python(level) for level in (0, 255, [0, 255])] == [0, 255, [0, 255]]
    for level in (-1, 256, 1.5, [0, 256]):
        with pytest.raises(ValidationError):
            levels.validate_python(level)


def test_a_colour_has_a_level_for_each_channel_or_one_for_all() -> None:
    check_colour(7, 1, KEY)
    check_colour(7, 3, KEY)
    check_colour([1, 2, 3], 3, KEY)
    for colour, channels in (([1, 2, 3], 1), ([1], 3), ([1, 2], 3)):
        with pytest.raises(InputError) as error:
            check_colour(colour, channels, KEY)
        assert str(error.value) == (
            f"params.yaml: {KEY} = {colour} has {len(colour)} levels; "
            f"allowed: one number, or {channels}, for images of {channels} channel(s)"
        )
