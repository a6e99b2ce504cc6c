"""Boxes around what the images show, see `Dataset.boxes`."""

from collections.abc import Iterator

import numpy as np

from miseducation.dataset.perspective import is_convex

SHARES = 1.1  # where nothing goes further, the image's edge is meant by 1, give or take what sticks out
CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]  # upper left, upper right, lower right, lower left, of x1, y1, x2, y2


def corners(boxes: np.ndarray) -> np.ndarray:
    """The corners, float32 `[n, 4, 2]`, of upright boxes, numbers `[n, 4]`: left, upper, right and lower edge."""
    return boxes.astype(np.float32)[:, CORNERS]


def check(name: str, boxes: np.ndarray, height: int, width: int) -> Iterator[str]:
    """What is wrong with boxes, `[n, 4]` or `[n, 4, 2]`, in images of this size, and the way out; one at a time."""
    with np.errstate(over="ignore"):
        placed = (boxes if boxes.ndim == 3 else corners(boxes)).astype(np.float32).astype(float)
    if (endless := ~np.isfinite(placed).all(axis=(1, 2))).any():
        yield f"{name} holds numbers that are not finite {_where(endless)}"
    elif placed.size and 1 - SHARES <= placed.min() <= placed.max() <= SHARES and max(height, width) > 1:
        span = f"{placed.min():g} to {placed.max():g}"
        # Others have y first, or the middle and the size: the numbers do not say.
        order, sides = ("x, y", [width, height]) if boxes.ndim == 3 else ("x1, y1, x2, y2", [width, height] * 2)
        yield f"{name} goes from {span}, which look like shares of the image; if they are {order}: {name} * {sides}"
    elif boxes.ndim == 2 and (empty := ~np.less(placed[:, 0], placed[:, 2]).all(axis=1)).any():
        advice = "its numbers are x1, y1, x2, y2, left and upper edge first"
        yield f"{name} holds a box without area {_where(empty)}; {advice}"
    elif (bent := ~is_convex(placed)).any():
        advice = "they go round it: upper left, upper right, lower right, lower left"
        yield f"{name} holds a box whose corners are not those of a convex area {_where(bent)}; {advice}"
    elif (outside := ((placed.max(axis=1) <= 0) | (placed.min(axis=1) >= [width, height])).any(axis=1)).any():
        advice = f"x is 0 to {width}, y 0 to {height}, in pixels from the upper left corner"
        yield f"{name} holds a box outside the image {_where(outside)}; {advice}"


def _where(bad: np.ndarray) -> str:
    others = int(bad.sum()) - 1
    return f"in row {bad.argmax()}" + (f" and {others} other{'s' * (others > 1)}" if others else "")
