"""Photographs a traffic sign's face: pose, light, lens and sensor. A picture depends on its generator alone."""

import io
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from miseducation.dataset.perspective import project
from miseducation.datasets.drawing import faces, scenes
from miseducation.datasets.drawing.damage import cover
from miseducation.datasets.drawing.scenes import CANVAS

SIDE = 32  # pixels of a finished image, in each direction
UPRIGHT = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])  # a face's corners, in shares of its canvas


class Photograph(NamedTuple):
    """An image, uint8 `[SIDE, SIDE, 3]`, and where its sign is, float32 `[4, 2]`, see `Dataset.boxes`."""

    image: np.ndarray
    box: np.ndarray


def pose(rng: np.random.Generator) -> np.ndarray:
    """How the sign is seen: the perspective, float64 `[3, 3]`, from the face's canvas to the image, both 0 to 1."""
    yaw, pitch, roll = np.deg2rad(rng.normal(0, [13, 6, 3.5]).clip([-45, -25, -15], [45, 25, 15]))
    near, across = rng.uniform(0.2, 0.5), 0.92 - 0.3 * rng.beta(1.2, 3)
    (cos, sin), middle = (np.cos(roll), np.sin(roll)), np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
    turned = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ middle
    tilt = [[np.cos(yaw), 0, 0], [0, np.cos(pitch), 0], [near * np.sin(yaw), near * np.sin(pitch), 1]]
    seen = np.array(tilt) @ turned
    corners = project(seen, UPRIGHT)
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    scale = across / size.max()
    shift = (1 - scale * size) * (0.5 + rng.normal(0, 0.12, 2).clip(-0.45, 0.45)) - scale * low
    return np.array([[scale, 0, shift[0]], [0, scale, shift[1]], [0, 0, 1]]) @ seen


def place(face: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Puts a face, see `faces.draw_face`, into a picture, as `pose` says: again red, green, blue and opacity."""
    # From the picture's pixels to the face's, which is what Pillow wants.
    laid = np.array([[faces.SIDE, 0, faces.RIM], [0, faces.SIDE, faces.RIM], [0, 0, 1]])
    back = laid @ np.linalg.inv(np.diag([CANVAS, CANVAS, 1]) @ matrix)
    # CMYK is Pillow's name for four bands that have nothing to do with one another.
    bands = Image.frombytes("CMYK", face.shape[:2], face.tobytes())
    data = (back / back[2, 2]).ravel()[:8].tolist()
    return np.asarray(bands.transform((CANVAS, CANVAS), Image.Transform.PERSPECTIVE, data, Image.Resampling.BILINEAR))


def photograph(face: np.ndarray, rng: np.random.Generator) -> Photograph:
    """Takes a picture of a face, with all that makes it hard to read."""
    matrix = pose(rng)
    box = project(matrix, UPRIGHT)

    def at(points: np.ndarray) -> np.ndarray:
        return CANVAS * project(matrix, points)

    scene = scenes.background(rng)
    middle, foot = at(np.array([[0.5, 0.5], [0.5, 1.9]]))
    scenes.pole(scene, middle, foot, rng)
    behind = np.asarray(scene.filter(ImageFilter.BoxBlur(rng.uniform(0, 1.2))))
    sign = place(face, matrix)
    picture = behind * (np.float32(rng.lognormal(0.05, 0.35) / 255) * (255 - sign[..., 3:])) + _weathered(sign, rng)
    covered = cover(Image.fromarray(np.minimum(picture, 255).astype(np.uint8)), at, rng)
    pixels = np.exp(rng.uniform(np.log(17), np.log(46))) / np.ptp(box, axis=0).max()
    return Photograph(_sensor(_lens(covered, min(SIDE, round(pixels)), rng), rng), (box * SIDE).astype(np.float32))


def _weathered(sign: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fades, soils and polishes a placed face: float32 `[CANVAS, CANVAS, 3]`, red, green and blue times the opacity."""
    fading, soil = rng.beta(1.2, 4) * 0.6, rng.beta(1.2, 3) * 0.8
    # What becomes of red, green, blue and the opacity: colours lose their strength, all becomes paler.
    bleach = np.full((3, 3), 0.2) * fading + np.eye(3) * (1 - 0.85 * fading)
    fade = np.concatenate([bleach, np.full((1, 3), 0.25 * fading)]) * rng.normal(1, 0.06, 3)
    faded = (sign.reshape(-1, 4).astype(np.float32) @ fade.astype(np.float32)).reshape(CANVAS, CANVAS, 3)
    opacity = sign[..., 3:].astype(np.float32)
    dirt = np.float32(soil) * scenes.noise(rng, int(rng.integers(0, 3)))[..., np.newaxis]
    faded += dirt * (np.array([0.36, 0.33, 0.28], np.float32) * opacity - faded)
    if rng.random() < 0.15:  # the sky in a polished face
        (x, y), (left, top, width, much) = scenes.grid(CANVAS), rng.uniform([0.2, 0.2, 0.1, 0.2], [0.8, 0.8, 0.45, 0.7])
        glare = much * np.exp(-((x - left) ** 2) / (2 * width**2)) * np.exp(-((y - top) ** 2) / (2 * width**2))
        faded += glare[..., np.newaxis].astype(np.float32) * (opacity - faded)
    return np.minimum(faded, opacity)


def _lens(picture: Image.Image, side: int, rng: np.random.Generator) -> Image.Image:
    """Blurs by focus and motion, and shrinks to what the sensor can tell apart."""
    blur = abs(rng.normal(0, 0.6)) * side / SIDE
    if blur > 0.25:
        picture = picture.filter(ImageFilter.GaussianBlur(min(blur, 1.5)))
    if rng.random() < 0.25 * side / SIDE:
        # A 5 × 5 kernel with a line through its middle, so that nothing moves.
        angle, reach = rng.uniform(0, np.pi), np.linspace(-2, 2, 9)
        kernel = np.zeros((5, 5))
        columns, rows = np.rint([2 + reach * np.cos(angle), 2 + reach * np.sin(angle)]).astype(int)
        np.add.at(kernel, (rows, columns), 1)
        picture = picture.filter(ImageFilter.Kernel((5, 5), (kernel + kernel[::-1, ::-1]).ravel().tolist()))
    return picture.resize((side, side), Image.Resampling.BOX)


def _sensor(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Lights, exposes, adds noise, packs as JPEG and enlarges to the final size."""
    side = picture.width
    light = np.asarray(picture) * (scenes.shade(rng, side) / np.float32(255))[..., np.newaxis]
    light **= np.float32(rng.uniform(0.8, 1.4))
    gain, (warmth, tint) = np.clip(rng.lognormal(-0.4, 0.6), 0.2, 1.7), rng.normal(0, 0.08, 2)
    pale, veil = rng.uniform(-0.2, 0.4), rng.beta(1, 5) * 0.4
    colours = np.eye(3) * (1 - pale) + np.full((3, 3), pale / 3)
    colours *= gain * (1 - veil) * np.array([1 + warmth, 1 + tint / 2, 1 - warmth])
    light = (light.reshape(-1, 3) @ colours.astype(np.float32)).reshape(side, side, 3)
    light += np.float32(veil * min(1, 0.3 + gain))
    grain = rng.standard_normal(light.shape, np.float32) * np.float32(rng.uniform(0.002, 0.015))
    light += grain * (1 + 2 * np.sqrt(light.clip(0, 1)))
    taken = Image.fromarray((light.clip(0, 1) * 255 + np.float32(0.5)).astype(np.uint8))
    if rng.random() < 0.5:
        packed = io.BytesIO()
        taken.save(packed, "JPEG", quality=int(rng.integers(60, 97)))
        taken = Image.open(packed)
    return np.asarray(taken.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
