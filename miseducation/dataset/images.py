"""Images that stay on the disk: indexed by row like an array, but only the rows asked for are ever in memory.

Rows are read, not memory-mapped: the kernel maps a page or more around every row that is touched, so that a shuffled
pass over a mapped file ends with all of it in the process, and faulting costs more than reading.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from miseducation.errors import InputError
from miseducation.project import foreign

PIXELS = 2**28  # values of an image at most
BLOCK = 4096  # rows read at a time: bounds what is in memory beside the result


class Images(ABC):
    """uint8 `[n, h, w, c]`, of which only the first index works: a row, rows, a bool `[n]` mask or a slice.

    What comes back is an array of its own. `np.asarray` reads everything.

    Attributes:
        shape: n, height, width, channels.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        self.shape = shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: ArrayLike | slice) -> np.ndarray:
        rows = _rows(index, len(self))
        found = np.empty((rows.size, *self.shape[1:]), np.uint8)
        for block in blocks(rows.size):
            self._read(rows.reshape(-1)[block], found[block])
        return found.reshape(*rows.shape, *self.shape[1:])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("images on the disk become an array only by a copy")
        return self[:].astype(dtype or self.dtype, copy=False)

    @abstractmethod
    def _read(self, rows: np.ndarray, found: np.ndarray) -> None:
        """Reads some rows, int64 `[k]` from 0 to n - 1, into `found`, uint8 `[k, h, w, c]`."""


def read_stored(path: Path, dtype: type[np.generic], axes: int) -> np.memmap:
    """The array in an .npy file of ours, not read yet; an `InputError` if it is another's, or damaged."""
    foreign.check(path, sys.maxsize)
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # np.load would open archives, too
    except Exception as error:  # forged headers bring numpy to all kinds
        raise InputError(f"{path} cannot be read: {foreign.reason(error)}") from None
    if array.dtype != dtype or array.ndim != axes or not array.flags.c_contiguous:
        wanted, found = f"{dtype.__name__} of {axes} axes in C order", f"{array.dtype} {list(array.shape)}"
        raise InputError(f"{path} must contain {wanted}, not {found[:200]}")
    return array


@final
class StoredImages(Images):
    """The images of an .npy file; an `InputError` if it does not hold any."""

    def __init__(self, path: Path) -> None:
        array = read_stored(path, np.uint8, 4)
        if min(array.shape[1:]) < 1 or prod(array.shape[1:]) > PIXELS:
            raise InputError(f"{path} must contain images of 1 to {PIXELS:,} values, not {list(array.shape[1:])}")
        super().__init__(array.shape)
        self.path = path
        self._offset = array.offset

    def _read(self, rows: np.ndarray, found: np.ndarray) -> None:
        size, pixels = found[0].size, found.reshape(-1).data
        # Neighbours are read at once: an ordered pass takes few reads, a shuffled one a read per row.
        first = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
        last = np.append(first[1:], len(rows))
        spans = zip((first * size).tolist(), (last * size).tolist(), (rows[first] * size).tolist(), strict=True)
        with self.path.open("rb", buffering=0) as file:
            for start, stop, position in spans:
                file.seek(self._offset + position)
                while start < stop:  # the system gives 2 GB at a time
                    count = file.readinto(pixels[start:stop])
                    if not count:
                        raise OSError(f"{self.path} is shorter than its header says")
                    start += count


@final
class OverlaidImages(Images):
    """Images of which some are replaced by others, and which others follow.

    Args:
        images: The n images below.
        rows: int64 `[k]`, no row twice: below n the row to replace, from n on, without a gap, one that follows.
        others: The k images that take their place.
    """

    def __init__(self, images: np.ndarray | Images, rows: np.ndarray, others: np.ndarray | Images) -> None:
        total = len(images) + int((rows >= len(images)).sum())
        if others.shape != (len(rows), *images.shape[1:]) or rows.max(initial=-1) >= total:
            raise ValueError(f"{len(rows)} of the images {images.shape} cannot be replaced by {others.shape}")
        super().__init__((total, *images.shape[1:]))
        self.images = images
        self.others = others
        self._other = np.full(total, -1)
        self._other[rows] = np.arange(len(rows))

    def _read(self, rows: np.ndarray, found: np.ndarray) -> None:
        other = self._other[rows]
        covered = other >= 0
        found[~covered] = self.images[rows[~covered]]
        found[covered] = self.others[other[covered]]


def blocks(count: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices of so many rows, a few at a time."""
    return (slice(start, start + size) for start in range(0, count, size))


def in_blocks(function: Callable[..., np.ndarray], images: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """New grey levels, cut off at 0 and 255, and rounded: floats of all images would take eight times their memory.

    Args:
        function: Makes a block's, numbers `[k, h, w, c]`.
        images: uint8 `[n, h, w, c]`; left as they are.
        others: Arrays `[n, ...]` of which the function gets the same rows.

    Returns:
        A new array, uint8 `[n, h, w, c]`.
    """
    made = np.empty_like(images)
    for rows in blocks(len(images)):
        made[rows] = np.rint(np.clip(function(images[rows], *(other[rows] for other in others)), 0, 255))
    return made


def _rows(index: ArrayLike | slice, count: int) -> np.ndarray:
    """The rows that an index means, int64 from 0 to count - 1, of the index's shape."""
    if isinstance(index, slice):
        return np.arange(*index.indices(count))
    rows = np.asarray(index)
    if rows.dtype == np.bool_ and rows.shape == (count,):
        return np.flatnonzero(rows)
    if not rows.size:
        return rows.astype(np.int64)
    if isinstance(index, tuple) or not np.issubdtype(rows.dtype, np.integer):
        raise IndexError(f"images on the disk are indexed by rows, a bool [{count}] mask or a slice, not {index!r}")
    if rows.min() < -count or rows.max() >= count:
        raise IndexError(f"rows {rows.min()} to {rows.max()} are not all among the {count} images")
    return np.where(rows < 0, rows + count, rows).astype(np.int64)
