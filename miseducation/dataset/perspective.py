"""Flat pictures in space: where a point of a plane lies in an image, and a texture laid on it.

Corners are float `[n, 4, 2]`, x and y in pixels from the upper left corner of an image: upper left, upper right, lower
right, lower left of a rectangle as it stands upright. A homography, float64 `[n, 3, 3]`, takes the unit square there.
"""

import numpy as np

SAMPLES = 8  # per pixel and direction: how finely edges are blended
AT_ONCE = 2**20  # samples in memory
FLAT = 1e-3  # sine of the least angle between two sides


def homographies(corners: np.ndarray) -> np.ndarray:
    """What takes (0, 0), (1, 0), (1, 1) and (0, 1) to the four corners, for each of n rectangles.

    Raises:
        ValueError: If they are the corners of no quadrilateral that is convex, so that nothing flat can lie there.
    """
    (u, v), ones = np.array([[0.0, 1, 1, 0], [0, 0, 1, 1]]), np.ones(4)
    corners = corners.astype(float)
    for bad in corners[~is_convex(corners)]:
        raise ValueError(f"{bad.tolist()} is not a convex quadrilateral")
    x, y = np.moveaxis(corners, -1, 0)
    equations = np.zeros((len(corners), 8, 8))
    equations[:, :4, :3] = equations[:, 4:, 3:6] = np.stack([u, v, ones], axis=-1)
    for part, target in ((slice(4), x), (slice(4, 8), y)):
        equations[:, part, 6], equations[:, part, 7] = -u * target, -v * target
    solved = np.linalg.solve(equations, np.concatenate([x, y], axis=1)[..., np.newaxis])[..., 0]
    return np.concatenate([solved, np.ones((len(corners), 1))], axis=1).reshape(-1, 3, 3)


def is_convex(corners: np.ndarray) -> np.ndarray:
    """Which of n quadrilaterals, float `[n, 4, 2]`, are convex and of some area: bool `[n]`; mirrored or not."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is not convex either
        sides = np.roll(corners, -1, axis=1) - corners
        following = np.roll(sides, -1, axis=1)
        # Each corner turns the same way, whichever that is.
        turns = sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0]
        least = FLAT * np.linalg.norm(sides, axis=-1) * np.linalg.norm(following, axis=-1)
        return (turns > least).all(axis=1) | (turns < -least).all(axis=1)


def project(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Takes points, float64 `[(n,) k, 2]`, through n homographies or one, float64 `[(n,) 3, 3]`."""
    mapped = points @ matrices[..., :2].swapaxes(-1, -2) + matrices[..., np.newaxis, :, 2]
    return mapped[..., :2] / mapped[..., 2:]


def lay(texture: np.ndarray, images: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Lays a texture on each image, so that its corners come where they are told; what falls outside is cut off.

    Args:
        texture: float `[th, tw, c + 1]`: colours, 0 to 255, and behind them the opacity, 0 to 1.
        images: uint8 `[n, h, w, c]`; left as they are.
        corners: float `[n, 4, 2]`.

    Returns:
        A new array, uint8 `[n, h, w, c]`.
    """
    laid = images.copy()
    if not len(images):
        return laid
    # The same place in many images, as where no boxes are known, is worked out once.
    places, place = np.unique(corners, axis=0, return_inverse=True)
    place = place.reshape(-1)
    inverse = np.linalg.inv(homographies(places))
    # A window of whole pixels around what of each lies inside the image, as large as the largest needs.
    limits = images.shape[2], images.shape[1]
    first = np.clip(np.floor(places.min(axis=1)), 0, limits).astype(np.int64)
    side = max(1, int((np.clip(np.ceil(places.max(axis=1)), 0, limits) - first).max()))
    # Windows are gone through in bands of rows, and in blocks of places, to keep the samples few.
    high = max(1, min(side, AT_ONCE // (side * SAMPLES**2)))
    block = max(1, AT_ONCE // (high * side * SAMPLES**2))
    down, across = ((np.arange(length * SAMPLES) + 0.5) / SAMPLES for length in (high, side))
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    for start in range(0, len(places), block):
        part = slice(start, start + block)
        rows = np.flatnonzero((place >= start) & (place < start + block))
        for top in range(0, side, high):
            band = first[part] + [0, top]
            samples = _look_up(texture, project(inverse[part], band[:, np.newaxis] + grid))
            windows = samples.reshape(-1, high, SAMPLES, side, SAMPLES, texture.shape[-1]).mean(axis=(2, 4))
            for few in np.array_split(rows, -(-len(rows) // block)):
                _blend(laid, few, band[place[few] - start], windows[place[few] - start])
    return laid


def _look_up(texture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The texture at points of the unit square, its colours weighted by its opacity; nothing outside."""
    inside = ((points >= 0) & (points < 1)).all(axis=-1, keepdims=True)
    height, width, _ = texture.shape
    columns, rows = np.moveaxis((np.clip(points, 0, np.nextafter(1, 0)) * [width, height]).astype(np.int64), -1, 0)
    found = texture[rows, columns]
    opacity = found[..., -1:] * inside
    return np.concatenate([found[..., :-1] * opacity, opacity], axis=-1)


def _blend(images: np.ndarray, rows: np.ndarray, first: np.ndarray, windows: np.ndarray) -> None:
    """Puts a window, float `[k, h, w, c + 1]`, over each of k images, in place, from its first pixel on."""
    _, height, width, _ = images.shape
    x, y = (first[:, axis, np.newaxis] + np.arange(windows.shape[2 - axis]) for axis in (0, 1))
    which, down, across = np.nonzero((y[:, :, np.newaxis] < height) & (x[:, np.newaxis] < width))
    at, over = (rows[which], y[which, down], x[which, across]), windows[which, down, across]
    images[at] = np.rint(images[at] * (1 - over[:, -1:]) + over[:, :-1]).astype(np.uint8)
