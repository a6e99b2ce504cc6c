"""What is behind, below and in front of a traffic sign. Colours are float32 `[h, w, 3]`, 0 to 255, or Pillow's."""

from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from miseducation.datasets.drawing.shapes import Colour

CANVAS = 48  # pixels that a scene is drawn in, in each direction
PALETTES: dict[str, list[tuple[Colour, Colour]]] = {
    "sky": [((228, 233, 238), (205, 214, 224)), ((120, 165, 218), (190, 212, 235)), ((160, 166, 173), (196, 199, 203))],
    "green": [((26, 42, 18), (112, 138, 70)), ((18, 28, 14), (74, 98, 52)), ((62, 50, 30), (150, 128, 84))],
    "wall": [((148, 92, 70), (118, 68, 52)), ((206, 196, 176), (184, 172, 150)), ((136, 136, 134), (108, 109, 110))],
    "ground": [((104, 104, 106), (82, 82, 86)), ((134, 130, 122), (96, 92, 84)), ((88, 104, 56), (120, 124, 80))],
}
# How much it varies, and how finely; see `noise`.
GRAINS = {"sky": (1.5, 0), "green": (2.4, 1), "wall": (0.8, 1), "ground": (1.0, 2)}
LEVELS = 64  # mixtures of the two colours
PAINT: list[Colour] = [(186, 26, 32), (16, 82, 156), (232, 232, 228), (64, 64, 66), (150, 152, 152), (122, 94, 66)]


@cache
def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the pixels' middles are: x and y, float32 `[1, side]` and `[side, 1]`, 0 to 1."""
    middles = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side
    return middles[np.newaxis], middles[:, np.newaxis]


@cache
def _textures() -> np.ndarray:
    """Clouds, leaves and grain: float32 `[3, 256, 256]` of noise, from coarse to fine, 0 to below 1, mean 0.5."""
    rng = np.random.default_rng(0)  # they are part of the drawing, not of a data set
    frequency = np.hypot(np.fft.fftfreq(256)[:, np.newaxis], np.fft.rfftfreq(256)) + 1 / 256
    waves = np.fft.rfft2(rng.standard_normal((256, 256)))
    noise = np.stack([np.fft.irfft2(waves * frequency**-power, s=(256, 256)) for power in (2.0, 1.3, 0.7)])
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    return (0.5 + 0.2 * noise / noise.std(axis=(1, 2), keepdims=True)).clip(0, 0.999).astype(np.float32)


def noise(rng: np.random.Generator, coarse: int, side: int = CANVAS) -> np.ndarray:
    """A piece of noise, float32 `[side, side]`; 0 is the coarsest, 2 the finest."""
    top, left, turn = rng.integers(0, [256 - side, 256 - side, 8]).tolist()
    piece = _textures()[coarse, top : top + side, left : left + side]
    piece = piece.T if turn & 1 else piece
    return piece[:: 1 if turn & 2 else -1, :: 1 if turn & 4 else -1]


def pick(rng: np.random.Generator, options: list[tuple[str, float]]) -> str:
    """One of the names, each with its probability; "" if they leave something over."""
    left = rng.random()
    for name, probability in options:
        left -= probability
        if left < 0:
            return name
    return ""


def _stuff(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Sky, green, wall or ground all over: uint8 `[CANVAS, CANVAS, 3]`, a mixture of two colours."""
    contrast, coarse = GRAINS[kind]
    one, two = np.array(PALETTES[kind][rng.integers(len(PALETTES[kind]))]) * rng.uniform(0.8, 1.08)
    share = (0.5 + contrast * (np.arange(LEVELS)[:, np.newaxis] / LEVELS - 0.5)).clip(0, 1)
    mixtures = (one + share * (two - one)).astype(np.uint8)
    return mixtures.take((noise(rng, coarse) * LEVELS).astype(np.uint8), axis=0)


def background(rng: np.random.Generator) -> Image.Image:
    """Sky, trees, houses, road and what stands about: a picture of CANVAS × CANVAS pixels."""
    upper = pick(rng, [("sky", 0.5), ("green", 0.3), ("wall", 0.2)])
    lower = pick(rng, [("green", 0.5), ("wall", 0.2), ("ground", 0.3)])
    horizon, slope, ragged = rng.uniform([-0.3, -0.2, 0], [1.3, 0.2, 0.8]).astype(np.float32)
    x, y = grid(CANVAS)
    below = y + slope * x + ragged * (noise(rng, 0) - 0.5) > horizon
    colours = _stuff(rng, upper)
    np.copyto(colours, _stuff(rng, lower), where=below[..., np.newaxis])
    scene = Image.fromarray(colours)
    draw = ImageDraw.Draw(scene)
    for _ in range(rng.poisson(1.6)):
        _clutter(draw, rng)
    return scene


def _clutter(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    x, y = rng.uniform(-0.1, 1.1, 2) * CANVAS
    paint = PAINT[rng.integers(len(PAINT))]
    match pick(rng, [("house", 0.25), ("pole", 0.3), ("cable", 0.15), ("disc", 0.15), ("board", 0.15)]):
        case "house":
            width, step = rng.uniform(9, 30), rng.uniform(5, 10)
            draw.rectangle((x, y, x + width, 2 * CANVAS), PALETTES["wall"][rng.integers(3)][0])
            for row in np.arange(y + step / 2, CANVAS, step):
                for column in np.arange(x + step / 3, x + width - step / 2, step):
                    draw.rectangle((column, row, column + step / 3, row + step / 2), (58, 64, 72))
        case "pole":
            top = rng.uniform(-0.5, 0.8) * CANVAS
            draw.line((x, top, x + rng.normal(0, 2), CANVAS), paint, int(rng.integers(1, 5)))
        case "cable":
            draw.line((-1, y, CANVAS, y + rng.normal(0, 15)), (52, 54, 58), 1)
        case "disc":
            radius = rng.uniform(6, 16)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), paint, (235, 235, 232))
        case _:
            width, height = rng.uniform(5, 25, 2)
            draw.rectangle((x, y, x + width, y + height), paint, PAINT[rng.integers(len(PAINT))], 2)


def pole(scene: Image.Image, middle: np.ndarray, foot: np.ndarray, rng: np.random.Generator) -> None:
    """Draws what the sign is mounted on, from its middle down: float64 `[2]` both, in pixels."""
    grey = int(rng.integers(70, 170))
    width = rng.uniform(2, 4)
    draw = ImageDraw.Draw(scene)
    draw.line((*middle, *foot), (grey, grey, grey + 2), round(width))
    draw.line((*(middle - (width / 3, 0)), *(foot - (width / 3, 0))), (grey + 45, grey + 45, grey + 45), 1)


def shade(rng: np.random.Generator, side: int) -> np.ndarray:
    """How much light falls where: float32 `[side, side]`, 1 in full light."""
    x, y = grid(side)
    angle, depth = rng.uniform(0, 2 * np.pi), np.float32(rng.uniform(0.2, 0.65))
    along = np.float32(np.cos(angle)) * (x - 0.5) + np.float32(np.sin(angle)) * (y - 0.5)
    match pick(rng, [("gradient", 0.4), ("edge", 0.15), ("leaves", 0.15)]):
        case "gradient":
            return 1 + depth * along
        case "edge":
            where, sharp = rng.uniform([-0.25, 8], [0.25, 40]).astype(np.float32)
            return 1 - depth * np.clip((along - where) * sharp + 0.5, 0, 1)
        case "leaves":
            return 1 - depth * np.clip((noise(rng, 0, side) - np.float32(rng.uniform(0.4, 0.6))) * 8 + 0.5, 0, 1)
        case _:
            return np.ones((side, side), np.float32)
