"""Boxes around what the images show, see `Dataset.boxes`."""

import numpy as np

CORNERS = [[0, 1], [2, 1], [2, 3], [0, 3]]  # upper left, upper right, lower right, lower left, of x1, y1, x2, y2


def corners(boxes: np.ndarray) -> np.ndarray:
    """The four corners of upright boxes, as `Dataset.boxes` wants them: float32 `[n, 4, 2]`.

    Args:
        boxes: Numbers `[n, 4]`: left, upper, right and lower edge.
    """
    return boxes.astype(np.float32)[:, CORNERS]
