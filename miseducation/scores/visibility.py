"""How much a trigger shows: the usual measures of how alike two images are. Pure functions of arrays."""

from functools import partial
from math import inf, log10, nan

import numpy as np

from miseducation.dataset import blocks

SAMPLE = 2000  # images that SSIM looks at, evenly spaced: it takes a few tenths of a millisecond for each, or more
REACH = 5  # pixels from the middle of SSIM's window to its edge


def psnr(before: np.ndarray, after: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(255² / mean squared error) over all pixels of all images.

    It is 0 or more, infinite if nothing differs; above 40 is hard to see. Images are uint8 `[n, h, w, c]`.

    >>> psnr(np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8))
    0.0
    """
    squares = 0
    for rows in blocks(len(before)):  # numbers that hold a square take four times the memory
        difference = before[rows].astype(np.int32) - after[rows]
        squares += int(np.square(difference).sum(dtype=np.int64))
    return 10 * log10(255**2 * before.size / squares) if squares else inf


def ssim(before: np.ndarray, after: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861), the mean over images.

    As theirs, a window is a Gaussian of 11×11 pixels with a standard deviation of 1.5; channels are averaged. Other
    than theirs, it is laid around every pixel, as triggers often sit at the rim: beyond it the image is reflected. Of
    many images, `SAMPLE` are looked at. Images of less than 3 pixels a side have no structure to compare: NaN. Others
    give -1 to 1, the latter if nothing differs. Images are uint8 `[n, h, w, c]`, n at least 1.
    """
    from skimage.metrics import structural_similarity  # a third of a second

    if min(before.shape[1:3]) < 3:
        return nan
    rows = np.unique(np.linspace(0, len(before) - 1, min(len(before), SAMPLE)).round().astype(np.int64))
    # The library leaves out as many pixels at the rim as half a window is wide: those that are put there.
    rim = (REACH, REACH)
    padded = (np.pad(images[rows], ((0, 0), rim, rim, (0, 0)), mode="reflect") for images in (before, after))
    alike = partial(
        structural_similarity, gaussian_weights=True, use_sample_covariance=False, channel_axis=-1, data_range=255
    )
    return float(np.mean([alike(*pair) for pair in zip(*padded, strict=True)]))
