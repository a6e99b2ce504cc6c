"""Shapes to draw traffic signs with. Lengths are shares of the square canvas, (0, 0) is its upper left corner."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Points: TypeAlias = np.ndarray  # float64 [n, 2], x and y
Colour: TypeAlias = tuple[int, int, int]
RED, BLUE, YELLOW = (190, 22, 30), (8, 80, 158), (246, 176, 22)
WHITE, BLACK, METAL = (238, 238, 234), (26, 26, 28), (122, 124, 122)


def fill(draw: ImageDraw.ImageDraw, corners: Points | Sequence[tuple[float, float]], colour: Colour | int) -> None:
    """Fills a polygon."""
    draw.polygon(_pixels(draw, np.asarray(corners)), colour)


def dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    """Fills a circle."""
    fill(draw, circle(x, y, radius), colour)


def stroke(draw: ImageDraw.ImageDraw, way: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
    """Draws a thick line with round ends and bends."""
    draw.line(_pixels(draw, np.asarray(way)), colour, round(width * _side(draw)))
    for x, y in way:
        dot(draw, x, y, width / 2, colour)


def text(draw: ImageDraw.ImageDraw, letters: str, width: float, height: float, colour: Colour) -> None:
    """Puts letters in the middle, their ink as wide and high as that: those on roads are narrow."""
    import matplotlib as mpl  # for its font, which is the same everywhere

    side = _side(draw)
    path = Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf"
    font = ImageFont.truetype(path, side // 2, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = font.getbbox(letters)
    ink = Image.new("L", (round(right - left), round(bottom - top)))
    ImageDraw.Draw(ink).text((-left, -top), letters, 255, font)
    ink = ink.resize((round(width * side), round(height * side)))
    draw.bitmap(((side - ink.width) // 2, (side - ink.height) // 2), ink, colour)


def circle(x: float, y: float, radius: float) -> Points:
    """A circle, as a polygon."""
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    return np.array([x, y]) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def grown(corners: Points, distance: float) -> Points:
    """A convex polygon, given clockwise, grown on all sides: its corners become round."""
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    first, last = (np.arctan2(-edge[:, 0], edge[:, 1]) for edge in (before, after))  # which way the edges face
    angles = (first + np.linspace(0, 1, 8)[:, np.newaxis] * ((last - first) % (2 * np.pi))).T
    arcs = corners[:, np.newaxis] + distance * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return arcs.reshape(-1, 2)


def scaled(corners: Points, factor: float) -> Points:
    """A polygon grown or shrunk about the mean of its corners."""
    middle = corners.mean(axis=0)
    return middle + factor * (corners - middle)


def _side(draw: ImageDraw.ImageDraw) -> int:
    return int(draw.im.size[0])


def _pixels(draw: ImageDraw.ImageDraw, points: Points) -> list[tuple[float, float]]:
    # Pillow counts from the middle of the first pixel, we from its corner.
    return [(x, y) for x, y in (points * _side(draw) - 0.5).tolist()]
