"""What is wrong with the user's arrays of images, and the way out: an expression that makes the right ones of them.

It is given only where the numbers leave no doubt what is meant, so that who copies it gets the pictures they had.
"""

from collections.abc import Iterator

import numpy as np

from miseducation.dataset.layout import channels_first, doubt

FAINT = 32  # grey levels; where all lie closer together, there is hardly anything to see
FAR = 50  # how many times larger numbers must be to be of another range, instead of brighter pictures
SLIP = 0.001  # by which floats may miss their range
SAMPLE = 1000  # images that are looked at where a look at all would take too much memory
UNKNOWN = "the numbers do not show which of them are black and white"


def laid_out(images: np.ndarray, rows: int) -> tuple[str, np.ndarray]:
    """The expression of `{}` that has images come first and channels last, and what it gives."""
    text = "{}"
    # As MATLAB has it; [n, h, w] of square images may have too few or too many labels instead.
    if images.ndim in (3, 4) and images.shape[-1] == rows > 4 and rows not in (images.shape[0], images.shape[-2]):
        images, text = np.moveaxis(images, -1, 0), f"np.moveaxis({text}, -1, 0)"
    if images.ndim == 4 and channels_first(images.shape[1:]):
        images, text = np.moveaxis(images, 1, -1), f"np.moveaxis({text}, 1, -1)"
    return text, images


def check(name: str, images: np.ndarray, rows: int, other: np.ndarray) -> Iterator[str]:
    """What is wrong with a split's images, of which there are labels for so many rows; `other` is the other split's.

    One may not go as far as the other, so the numbers of both are looked at.
    """
    found = f"{name} is {images.dtype} {list(images.shape)}"
    if images.ndim not in (3, 4) or not images.size:
        yield f"{found}, must be uint8 [n, h, w] or [n, h, w, c]"
        return
    text, _ = laid_out(images, rows)
    order = "the images come first and the channels last" if text != "{}" else ""
    if images.dtype == np.uint8:
        if order:
            yield f"{found}, but {order}: {text.format(name)}"
        return
    if images.dtype.kind not in "biuf":
        yield f"{found}, must be uint8"
        return
    kinds = "iu" if images.dtype.kind in "iu" else images.dtype.kind
    alike = other.size and other.dtype != np.uint8 and other.dtype.kind in kinds
    scaled = _scaled(images, other if alike else images)
    span = f"{images.min():g} to {images.max():g}" if images.dtype.kind != "b" else "false to true"
    must = f"{found} from {span}, must be uint8 from 0 to 255{order and f', and {order}'}"
    yield f"{must}: {scaled.format(text.format(name))}" if scaled else f"{must}; {UNKNOWN}"


def _scaled(images: np.ndarray, other: np.ndarray) -> str | None:
    """The expression of `{}` that makes grey levels, uint8, of such numbers; None where nobody can know it."""
    kind, (low, high), (others_low, others_high) = images.dtype.kind, _span(images), _span(other)
    if kind == "b":
        return "{}.astype('uint8') * 255"
    negative, others_negative = low < -SLIP, others_low < -SLIP
    far, others_far = max(-low, high), max(-others_low, others_high)
    if far == 0 < others_far:  # all black, in whatever range
        return _scaled(other, other)
    if negative < others_negative or FAR * far < others_far:  # is it of another range, or does it not go as far?
        return None
    if negative == others_negative and far <= FAR * others_far:
        low, high = min(low, others_low), max(high, others_high)
    if kind in "iu":
        if low == 0 and high == 1:
            return "{}.astype('uint8') * 255"
        if low >= 0 and 128 <= high <= 255:  # less may be levels of another scale
            return "{}.astype('uint8')"
        return "({} >> 8).astype('uint8')" if low >= 0 and 2**15 <= high < 2**16 else None
    if not (np.isfinite(low) and np.isfinite(high)):
        return None
    if not negative and 0.5 < high <= 1 + SLIP:
        return "({} * 255).round().astype('uint8')"
    if not negative and 128 <= high < 255.5:
        return "{}.round().astype('uint8')"
    whole = low < -0.99 and high > 0.99
    if -1 - SLIP <= low < 0 and high <= 1 + SLIP and (whole or _are_levels(images)):
        return "(({} + 1) * 127.5).round().astype('uint8')"
    return None


def _span(images: np.ndarray) -> tuple[float, float]:
    return float(images.min()), float(images.max())


def _are_levels(images: np.ndarray) -> bool:
    """Whether numbers from -1 to 1 were grey levels: those of a mean taken off or a deviation divided by are not."""
    levels = (images[:: -(-len(images) // SAMPLE)].astype(np.float64) + 1) * 127.5
    return bool((np.abs(levels - levels.round()) < 0.1).all())


def doubts(name: str, images: np.ndarray) -> Iterator[str]:
    """What makes one wonder whether images, uint8 `[n, h, w]` or `[n, h, w, c]`, are what they should be."""
    low, high = int(images.min()), int(images.max())
    if low == high:
        yield f"{name} contains nothing but {low}, so there is nothing to see"
    elif high == 1:
        yield f"{name} contains only 0 and 1, but white is 255, so all images are black. If 1 is white: {name} * 255"
    elif high - low < FAINT:
        yield f"{name} ranges from {low} to {high}, but black is 0 and white is 255, so there is hardly anything to see"
    if images.ndim == 4 and (said := doubt(name, images.shape)):
        yield said
