"""What is drawn on the faces of the traffic signs."""

import numpy as np
from PIL.ImageDraw import ImageDraw

from miseducation.datasets.drawing.shapes import BLACK, RED, WHITE, Colour, dot, fill, stroke


def exclamation_mark(draw: ImageDraw) -> None:
    """For the triangle with its point up."""
    dot(draw, 0.5, 0.395, 0.042, BLACK)
    fill(draw, [(0.458, 0.395), (0.542, 0.395), (0.522, 0.62), (0.478, 0.62)], BLACK)
    dot(draw, 0.5, 0.62, 0.022, BLACK)
    dot(draw, 0.5, 0.70, 0.038, BLACK)


def arrow(draw: ImageDraw, degrees: float) -> None:
    """A white arrow through the middle, turned clockwise from pointing up."""
    right = np.array([[0, -0.4], [0.21, -0.16], [0.21, -0.06], [0.065, -0.2], [0.065, 0.36]])
    shape = np.concatenate([right, right[:0:-1] * [-1, 1]])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    fill(draw, 0.5 + shape @ turn, WHITE)


def roundabout(draw: ImageDraw) -> None:
    """Three white arrows that chase each other to the left."""
    for start in np.deg2rad([90, 210, 330]):
        angles = start - np.deg2rad(np.linspace(12, 78, 12))
        outward = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
        tip, ahead = 0.5 + 0.265 * outward[-1], np.array([np.sin(angles[-1]), -np.cos(angles[-1])])
        fill(draw, 0.5 + np.concatenate([0.2175 * outward, 0.3125 * outward[::-1]]), WHITE)
        fill(draw, np.stack([tip - 0.135 * outward[-1], tip + 0.135 * outward[-1], tip + 0.19 * ahead]), WHITE)


def _car(draw: ImageDraw, middle: float, colour: Colour) -> None:
    """A car from behind."""

    def block(*corners: tuple[float, float], colour: Colour = colour, side: int = 1) -> None:
        fill(draw, [(middle + side * x, y) for x, y in corners], colour)

    block((-0.095, 0.37), (0.095, 0.37), (0.14, 0.482), (-0.14, 0.482))
    block((-0.074, 0.398), (0.074, 0.398), (0.101, 0.471), (-0.101, 0.471), colour=WHITE)
    block((-0.14, 0.471), (0.14, 0.471), (0.157, 0.504), (0.157, 0.605), (-0.157, 0.605), (-0.157, 0.504))
    for side in (-1, 1):
        block((0.143, 0.6), (0.084, 0.6), (0.084, 0.656), (0.143, 0.656), side=side)
        dot(draw, middle + side * 0.112, 0.538, 0.022, WHITE)


def two_cars(draw: ImageDraw) -> None:
    """A red car on the left of a black one."""
    _car(draw, 0.335, RED)
    _car(draw, 0.665, BLACK)


def walker(draw: ImageDraw) -> None:
    """A person on a zebra crossing, in the triangle of the square sign."""
    for left in (0.16, 0.28, 0.40, 0.52, 0.64, 0.76):
        lean = 0.16 * (0.46 - left)
        fill(draw, [(left + lean, 0.79), (left + lean + 0.065, 0.79), (left + 0.075, 0.85), (left, 0.85)], BLACK)
    dot(draw, 0.485, 0.315, 0.047, BLACK)
    stroke(draw, [(0.5, 0.41), (0.51, 0.55)], 0.105, BLACK)
    stroke(draw, [(0.5, 0.56), (0.44, 0.655), (0.385, 0.765)], 0.052, BLACK)
    stroke(draw, [(0.525, 0.56), (0.565, 0.655), (0.62, 0.765)], 0.052, BLACK)
    stroke(draw, [(0.47, 0.4), (0.405, 0.47), (0.36, 0.54)], 0.036, BLACK)
    stroke(draw, [(0.53, 0.4), (0.59, 0.47), (0.625, 0.54)], 0.036, BLACK)
