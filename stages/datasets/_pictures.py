"""Picture files of all kinds and sizes, brought to one size and one kind."""

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# What is read, and by which decoders only: the more there are, the more can be attacked by a forged file.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]  # upper left, upper right, lower right, lower left, of x1, y1, x2, y2

Item = TypeVar("Item")
Result = TypeVar("Result")


def corners(boxes: np.ndarray) -> np.ndarray:
    """The four corners of upright boxes, as `Dataset.boxes` wants them: float32 `[n, 4, 2]`.

    Args:
        boxes: Numbers `[n, 4]`: left, upper, right and lower edge.
    """
    return boxes.astype(np.float32)[:, CORNERS]


def decode(content: bytes, size: tuple[int, int], *, colour: bool) -> np.ndarray:
    """Decodes a file, stands it upright by its EXIF orientation, and stretches it to the size.

    The first frame counts. What is transparent is laid on white. 16 bits become 8 by scale, not by clipping.

    Args:
        content: The bytes of the file.
        size: Height and width wanted.
        colour: Whether to return RGB; else grey, with the weights of ITU-R BT.601.

    Returns:
        uint8 `[h, w, c]`, c 3 or 1.

    Raises:
        ValueError: If the file cannot be decoded; says why.
    """
    height, width = size
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as file:
            # A JPEG can be decoded at a half, a quarter or an eighth; more than twice the size is left, either way up.
            file.draft(None, (2 * max(size), 2 * max(size)))
            file.load()
            kind, upright = file.format, ImageOps.exif_transpose(file)
    except UnidentifiedImageError:
        raise ValueError("is not an image, or a damaged one") from None
    except Exception as error:  # damaged files bring decoders to all kinds
        raise ValueError(f"cannot be read: {' '.join(str(error).split()) or type(error).__name__}") from None
    image = _opaque(upright, kind).convert("RGB" if colour else "L")
    # Not bicubic: it draws a halo along edges, which a learner might take for a trigger.
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, -1)


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """Does the work on each item, in threads and with a progress bar; the results come in the order of the items."""
    from tqdm import tqdm

    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        # Set here, as the filters belong to the process: a picture beyond Pillow's limit is refused, not warned of.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield from tqdm(pool.map(work, items), desc=what, total=len(items), unit="image")


def _opaque(image: Image.Image, kind: str | None) -> Image.Image:
    """The image of a file of this kind, without transparency and with 8 bits per channel."""
    # PNG and PPM call 16 bits "I", too; elsewhere that is 32.
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in ("PNG", "PPM")):
        levels = np.asarray(image).astype(np.uint32)
        grey = ((levels * 255 + 2**15) // (2**16 - 1)).astype(np.uint8)
        grey[levels == image.info.get("transparency", -1)] = 255
        return Image.fromarray(grey)
    if image.mode in ("I", "F"):
        raise ValueError("has grey levels of 32 bits, whose range is unknown; save it with 8 or 16")
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
