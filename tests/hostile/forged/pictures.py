"""Forged pictures: two that hardly differ, and paths that lead nowhere."""

from pathlib import Path

import numpy as np
from PIL import Image

# Paths that no knob may name; each is refused by the knob's name.
NOWHERE = ["~nobody-of-this-name/picture.png", "~nobody-of-this-name", "x" * 300, "a\0b", f"{'x/' * 3000}x"]


def dot(path: Path, *, level: int) -> Path:
    """A large picture with one pixel of this level, which shows on no small image."""
    pixels = np.full((400, 400, 3), 200, np.uint8)
    pixels[7, 7] = level
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path
