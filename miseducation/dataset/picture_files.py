"""Picture files of all kinds and sizes, brought to one kind: a data set's images, and stickers."""

import io
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# What is read, and by which decoders only: the more there are, the more can be attacked by a forged file.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
LARGEST = 2**30  # bytes of one
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Of other kinds, which are not read.
OTHERS = (
    *(".apng", ".arw", ".avif", ".cr2", ".cr3", ".cur", ".dcm", ".dng", ".exr", ".heic", ".heif"),
    *(".ico", ".j2k", ".jfif", ".jif", ".jp2", ".jpe", ".jpx", ".jxl", ".nef", ".orf", ".pcx", ".pnm", ".psd", ".raf"),
    *(".raw", ".rw2", ".svg", ".tga", ".xbm", ".xcf", ".xpm"),
)
BEGINNINGS = re.compile(
    rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|BM.{4}\0\0\0\0|II\*\0|MM\0\*|RIFF.{4}WEBP|P[1-6]\s+[\d#]|.{4}ftyp(?:hei|mif|avif)",
    re.DOTALL,
)
# A picture beyond Pillow's limit is refused here, not warned of.
_refusing_bombs = partial(warnings.catch_warnings, action="error", category=Image.DecompressionBombWarning)

Item = TypeVar("Item")
Result = TypeVar("Result")


def decode(content: bytes, size: tuple[int, int], *, colour: bool) -> np.ndarray:
    """Decodes a file, stands it upright by its EXIF orientation, and stretches it to the size.

    The first frame counts. What is transparent is laid on white. 16 bits become 8 by scale, not by clipping.

    Args:
        content: The bytes of the file.
        size: Height and width wanted.
        colour: Whether to return RGB, uint8 `[h, w, 3]`; else grey, `[h, w, 1]`, with the weights of ITU-R BT.601.

    Raises:
        ValueError: If the file cannot be decoded; says why.
    """
    height, width = size
    image = _load(content, max(size))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    # Not bicubic: it draws a halo along edges, which a learner might take for a trigger.
    if image.mode != (mode := "RGB" if colour else "L"):
        image = image.convert(mode)
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, -1)


def read_rgba(path: Path, largest: int) -> np.ndarray:
    """Reads a single picture as `decode` does, but keeps its transparency and its proportions: uint8 `[h, w, 4]`.

    What is larger than `largest` pixels is made smaller. A ValueError says why a file cannot be read.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe would keep us waiting
            raise ValueError("it is not a file")
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror) from None
    try:
        with _refusing_bombs():
            image = _load(content, largest).convert("RGBA")
    except ValueError as error:
        raise ValueError(f"it {error}".removeprefix("it cannot be read: ")) from None
    image.thumbnail((largest, largest), Image.Resampling.BILINEAR)
    return np.asarray(image)


def looks_like_picture(path: Path) -> bool:
    """Whether a file is a picture by its name, also of a kind that is not read, or by how it begins."""
    if path.name.lower().endswith(SUFFIXES + OTHERS):
        return True
    try:
        with path.open("rb") as file:
            return BEGINNINGS.match(file.read(32)) is not None
    except OSError:
        return False


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """Does the work on each item, in threads and with a progress bar; the results come in the order of the items."""
    from tqdm import tqdm

    # Around all threads, as the filters for warnings belong to the process.
    with _refusing_bombs(), ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from tqdm(pool.map(work, items), desc=what, total=len(items), unit="image", disable=None)


def _load(content: bytes, side: int) -> Image.Image:
    """The upright image in a file, with 8 bits per channel; not much larger than needed for a longer side of `side`."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            # A JPEG can be decoded at a half, a quarter or an eighth; more than twice the size is left, either way up.
            file.draft(None, (2 * side, 2 * side))
            file.load()
            kind, upright = file.format, file
            ImageOps.exif_transpose(upright, in_place=True)  # most are upright, and need no copy
    except UnidentifiedImageError:
        raise ValueError("is not an image, or a damaged one") from None
    except Exception as error:  # damaged files bring decoders to all kinds
        raise ValueError(f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
    # PNG and PPM call 16 bits "I", too; elsewhere that is 32.
    if upright.mode.startswith("I;16") or (upright.mode == "I" and kind in ("PNG", "PPM")):
        return _scaled(upright)
    if upright.mode in ("I", "F"):
        raise ValueError("has grey levels of 32 bits, whose range is unknown; save it with 8 or 16")
    return upright


def _scaled(image: Image.Image) -> Image.Image:
    """Grey levels of 16 bits brought to 8, with the opacity if one of them stands for transparency."""
    levels = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((levels * 255 + 2**15) // (2**16 - 1)).astype(np.uint8))
    if "transparency" not in image.info:
        return grey
    opaque = (levels != image.info["transparency"]).astype(np.uint8) * 255
    return Image.merge("LA", (grey, Image.fromarray(opaque)))
