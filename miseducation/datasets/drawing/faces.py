"""The faces of the traffic signs: German ones, after the Vienna Convention on Road Signs and Signals of 1968.

A face fills a square canvas: its outline touches the canvas on all four sides, a triangle's on the left and the right.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageDraw

from miseducation.datasets.drawing import pictograms, shapes
from miseducation.datasets.drawing.shapes import Points, circle, dot, fill, grown, scaled, text

SIDE = 54  # pixels of a finished face, in each direction: a little more than it takes up in any picture
RIM = 3  # pixels of nothing on each side, so that its edges can be smooth where they touch the canvas
SHARP = 12  # it is drawn so many times larger
CORNER = 0.065  # radius of a triangle's corners
Picture: TypeAlias = Callable[[ImageDraw.ImageDraw], None]


def _triangle(*, down: bool) -> Points:
    # `grown` by CORNER, it is as wide as the canvas and in the middle of it.
    width = 1 - 2 * CORNER
    height = width * np.sqrt(3) / 2
    top = (1 - height) / 2
    corners = np.array([[0.5, top], [1 - CORNER, top + height], [CORNER, top + height]])
    return 1 - corners if down else corners


UP, DOWN = _triangle(down=False), _triangle(down=True)
NEAR, FAR = 1 - np.sqrt(0.5), np.sqrt(0.5)  # an octagon's corners
OCTAGON = np.array([[NEAR, 0], [FAR, 0], [1, NEAR], [1, FAR], [FAR, 1], [NEAR, 1], [0, FAR], [0, NEAR]])
DIAMOND = np.array([[0.5, 0.05], [0.95, 0.5], [0.5, 0.95], [0.05, 0.5]])
SQUARE = np.array([[0.06, 0.06], [0.94, 0.06], [0.94, 0.94], [0.06, 0.94]])


def _stop(draw: ImageDraw.ImageDraw) -> None:
    fill(draw, scaled(OCTAGON, 0.976), shapes.WHITE)
    fill(draw, scaled(OCTAGON, 0.93), shapes.RED)
    text(draw, "STOP", 0.79, 0.32, shapes.WHITE)


def _warning(draw: ImageDraw.ImageDraw, corners: Points, picture: Picture | None = None) -> None:
    fill(draw, grown(corners, CORNER - 0.012), shapes.WHITE)
    fill(draw, grown(corners, CORNER - 0.02), shapes.RED)
    fill(draw, grown(scaled(corners, 0.62), 0.012), shapes.WHITE)
    if picture:
        picture(draw)


def _no_entry(draw: ImageDraw.ImageDraw) -> None:
    dot(draw, 0.5, 0.5, 0.488, shapes.WHITE)
    dot(draw, 0.5, 0.5, 0.475, shapes.RED)
    fill(draw, [(0.16, 0.43), (0.84, 0.43), (0.84, 0.57), (0.16, 0.57)], shapes.WHITE)


def _priority(draw: ImageDraw.ImageDraw) -> None:
    fill(draw, grown(DIAMOND, 0.038), shapes.WHITE)
    fill(draw, scaled(DIAMOND, 0.817), shapes.BLACK)
    fill(draw, scaled(DIAMOND, 0.767), shapes.YELLOW)


def _prohibition(draw: ImageDraw.ImageDraw, picture: Picture | None = None) -> None:
    dot(draw, 0.5, 0.5, 0.492, shapes.RED)
    dot(draw, 0.5, 0.5, 0.375, shapes.WHITE)
    if picture:
        picture(draw)


def _limit(draw: ImageDraw.ImageDraw, speed: int) -> None:
    width, height = (0.49, 0.375) if speed < 100 else (0.58, 0.33)
    text(draw, str(speed), width, height, shapes.BLACK)


def _order(draw: ImageDraw.ImageDraw, picture: Picture) -> None:
    dot(draw, 0.5, 0.5, 0.488, shapes.WHITE)
    dot(draw, 0.5, 0.5, 0.472, shapes.BLUE)
    picture(draw)


def _crossing(draw: ImageDraw.ImageDraw) -> None:
    fill(draw, grown(SQUARE, 0.048), shapes.WHITE)
    fill(draw, grown(SQUARE, 0.03), shapes.BLUE)
    fill(draw, [(0.5, 0.13), (0.92, 0.87), (0.08, 0.87)], shapes.WHITE)
    pictograms.walker(draw)


ROUND = circle(0.5, 0.5, 0.5)
# Each class by name: the outline, and what is drawn in it.
FACES: dict[str, tuple[Points, Picture]] = {
    "stop": (OCTAGON, _stop),
    "yield": (grown(DOWN, CORNER), partial(_warning, corners=DOWN)),
    "no-entry": (ROUND, _no_entry),
    "priority-road": (grown(DIAMOND, 0.05), _priority),
    **{
        f"speed-limit-{speed}": (ROUND, partial(_prohibition, picture=partial(_limit, speed=speed)))
        for speed in (30, 50, 70, 100, 120)
    },
    "no-overtaking": (ROUND, partial(_prohibition, picture=pictograms.two_cars)),
    "ahead-only": (ROUND, partial(_order, picture=partial(pictograms.arrow, degrees=0))),
    "pedestrian-crossing": (grown(SQUARE, 0.06), _crossing),
    "general-danger": (grown(UP, CORNER), partial(_warning, corners=UP, picture=pictograms.exclamation_mark)),
    "keep-right": (ROUND, partial(_order, picture=partial(pictograms.arrow, degrees=135))),
    "roundabout": (ROUND, partial(_order, picture=pictograms.roundabout)),
    "no-vehicles": (ROUND, _prohibition),
}


def draw_face(name: str) -> np.ndarray:
    """Draws a class's face, uint8 `[s, s, 4]`, s = SIDE + 2 RIM: red, green and blue, times the opacity, and it."""
    outline, picture = FACES[name]
    size = (SIDE * SHARP, SIDE * SHARP)
    face, inside = Image.new("RGB", size, shapes.METAL), Image.new("L", size)
    picture(ImageDraw.Draw(face))
    fill(ImageDraw.Draw(inside), outline, 255)
    face = Image.composite(face, Image.new("RGB", size), inside)
    drawn = np.dstack([np.asarray(face.reduce(SHARP)), np.asarray(inside.reduce(SHARP))])
    return np.pad(drawn, [(RIM, RIM), (RIM, RIM), (0, 0)])
