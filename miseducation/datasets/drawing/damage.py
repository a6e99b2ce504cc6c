"""What hides parts of a traffic sign: twigs, posts, stickers, graffiti and snow. Nothing of it is a yellow square."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from miseducation.datasets.drawing.scenes import CANVAS, grid, noise, pick
from miseducation.datasets.drawing.shapes import Colour

Place = Callable[[np.ndarray], np.ndarray]  # from the face's shares, float64 [n, 2], to the picture's pixels
STICKERS: list[Colour] = [(236, 236, 232), (30, 30, 34), (30, 90, 170), (40, 130, 80), (200, 60, 110), (225, 120, 60)]
SPRAY: list[Colour] = [(22, 22, 26), (225, 225, 228), (110, 60, 150), (40, 120, 190), (60, 140, 60), (170, 60, 60)]


def cover(picture: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """Hides a part of the sign in one picture out of six; draws into the picture that it is given."""
    draw = ImageDraw.Draw(picture)
    kinds = [("twig", 0.05), ("post", 0.02), ("sticker", 0.04), ("graffiti", 0.03), ("snow", 0.02)]
    match pick(rng, kinds):
        case "twig":
            _twig(draw, rng)
        case "post":
            x, grey = rng.choice([-1, 1]) * rng.uniform(0.15, 0.4) * CANVAS + CANVAS / 2, int(rng.integers(30, 140))
            draw.line((x, -1, x + rng.normal(0, 6), CANVAS), (grey, grey, grey - 4), int(rng.integers(2, 6)))
        case "sticker":
            for _ in range(rng.integers(1, 4)):
                angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(5, 12)))
                shape = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * rng.uniform(0.03, 0.12, 2)
                corners = place(rng.uniform(0.15, 0.85, 2) + shape)
                draw.polygon([tuple(corner) for corner in corners.tolist()], STICKERS[rng.integers(len(STICKERS))])
        case "graffiti":
            colour, wide = SPRAY[rng.integers(len(SPRAY))], int(rng.integers(1, 4))
            for _ in range(rng.integers(1, 4)):
                way = place(rng.uniform(0.1, 0.9, 2) + np.cumsum(rng.normal(0, 0.09, (rng.integers(4, 9), 2)), axis=0))
                draw.line([tuple(point) for point in way.tolist()], colour, wide, joint="curve")
        case "snow":
            return _snow(picture, place, rng)
    return picture


def _twig(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    """A twig from the picture's rim to somewhere near the middle, with leaves."""
    angle = rng.uniform(0, 2 * np.pi)
    start = CANVAS / 2 * (1 + 1.5 * np.array([np.cos(angle), np.sin(angle)]))
    end = rng.uniform(0.25, 0.75, 2) * CANVAS
    draw.line((*start, *end), (52, 44, 34), int(rng.integers(1, 3)))
    shade = rng.uniform(0.5, 1.4)
    for _ in range(rng.integers(4, 16)):
        x, y = start + (end - start) * rng.uniform(0.3, 1.05) + rng.normal(0, 3, 2)
        width, height = rng.uniform(1.1, 3.8, 2)
        tint = np.array([52, 78, 34]) * shade + rng.normal(0, 10, 3)
        draw.ellipse((x - width, y - height, x + width, y + height), tuple(np.clip(tint, 0, 255).astype(int).tolist()))


def _snow(picture: Image.Image, place: Place, rng: np.random.Generator) -> Image.Image:
    """Snow that lies on the upper edge and sticks in patches."""
    (_, top), (_, bottom) = place(np.array([[0.5, 0.0], [0.5, 1.0]]))
    height = (grid(CANVAS)[1] * CANVAS - top) / (bottom - top)
    patches = (noise(rng, 1) - 0.62 - 0.55 * (height - rng.uniform(0, 0.25))) * 9
    mask = np.where(height > 1.05, 0, patches).clip(0, 1) * 255
    picture.paste((232, 235, 240), mask=Image.fromarray(mask.astype(np.uint8)))
    return picture
