"""To and from `torch.utils.data.Dataset`, which the article's code takes and returns."""

import operator
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from miseducation.dataset.layout import channels_first, doubt
from miseducation.errors import InputError
from miseducation.project.messages import shown

if TYPE_CHECKING:
    from miseducation.dataset.labelled import Dataset


class Pairs(torch.utils.data.Dataset[tuple[Any, int]]):
    """Pairs of an image, float32 `[c, h, w]`, 0 to 1, as torchvision's `ToTensor` makes it, and its label.

    Args:
        data: The images, and the labels that the learner is told.
        transform: What to do with an image, uint8 `[c, h, w]`, instead of dividing it by 255, such as one of
            `torchvision.transforms.v2`.
    """

    def __init__(self, data: "Dataset[Any]", transform: Callable[[Tensor], Any] | None = None) -> None:
        self.data, self.classes = data, list(data.classes)
        self.transform = transform or _to_shares

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        image = torch.from_numpy(np.array(self.data.images[range(len(self))[row]])).permute(2, 0, 1).contiguous()
        return self.transform(image), int(self.data.labels[row])


def read(data: torch.utils.data.Dataset[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Reads all pairs of image and label.

    Args:
        data: With `len`. Its images are of one size: PIL images, arrays uint8 `[h, w]` or `[h, w, c]`, or tensors
            `[h, w]` or `[c, h, w]`, uint8 or, as `ToTensor` makes them, float from 0 to 1.

    Returns:
        uint8 `[n, h, w, c]` and int64 `[n]`.

    Raises:
        InputError: If an image is something else, such as a normalised one, whose grey levels are unknown.

    >>> pairs = [(torch.full((3, 4, 5), 51 / 255), 0), (torch.zeros(3, 4, 5), 1)]
    >>> read(pairs)[0][0, 0, 0].tolist()
    [51, 51, 51]
    """
    images: list[np.ndarray] = []
    labels = []
    for row in range(len(data)):  # type: ignore[arg-type]
        image, label = data[row]
        images.append(_levels(image, row))
        if (shape := images[-1].shape) != images[0].shape:  # before all the others are read
            raise InputError(
                f"images must all have the same size, not {images[0].shape}, {shape}; resize them with a transform"
            )
        try:
            labels.append(operator.index(label))
        except TypeError:
            raise InputError(f"label {row} is {shown(label)}; allowed: a whole number") from None
    if not images:
        raise InputError("there must be at least one image")
    return np.stack(images), np.array(labels, np.int64)


def named(name: str, **options: Any) -> torch.utils.data.Dataset[Any]:
    """The data set of this name in `torchvision.datasets`, made with these options."""
    from torchvision import datasets

    allowed = [each for each in sorted(datasets.__all__) if isinstance(getattr(datasets, each), type)]
    if name not in allowed:
        raise InputError(f"torchvision.datasets has no {shown(name)}; allowed: {', '.join(allowed)}")
    return getattr(datasets, name)(**options)


def classes_of(data: object) -> Sequence[str] | None:
    """The names of the classes that a data set has, or that which it is a part of."""
    while not hasattr(data, "classes") and hasattr(data, "dataset"):  # a `Subset`, as of `random_split`
        data = data.dataset
    return getattr(data, "classes", None)


def _to_shares(image: Tensor) -> Tensor:
    return image / 255  # no lambda, which could not go along to a loader's processes


def _levels(image: Any, row: int) -> np.ndarray:
    """One image as uint8 `[h, w, c]`."""
    if getattr(image, "mode", "") in ("1", "P", "CMYK", "YCbCr"):  # Pillow's, whose numbers are no colours
        image = image.convert("L" if image.mode == "1" else "RGB")
    levels = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    if levels.ndim == 3:
        levels = _channels_last(levels, row, tensor=isinstance(image, Tensor))
    if levels.dtype.kind == "f":
        scaled = levels * 255.0
        if not (np.abs(scaled - scaled.round()) < 1e-2).all() or scaled.min() < 0 or scaled.max() > 255:
            raise InputError(
                f"image {row} holds {levels.min():g} to {levels.max():g}, not n/255 for grey levels n from 0 to 255: "
                "take the data set without Normalize, and resize before ToTensor"
            )
        levels = scaled.round().astype(np.uint8)
    if levels.dtype != np.uint8 or levels.ndim not in (2, 3):
        raise InputError(f"image {row} is {levels.dtype} {list(levels.shape)}; allowed: uint8, or float from 0 to 1")
    return levels[..., np.newaxis] if levels.ndim == 2 else levels


def _channels_last(levels: np.ndarray, row: int, *, tensor: bool) -> np.ndarray:
    """One image `[h, w, c]`, of which torch's tensors have the channels first."""
    first, second, last = shape = levels.shape
    # A tensor is taken at its word, unless it looks like a photograph: few have so many channels and so few columns.
    photograph = last in (1, 3, 4) and first > 16 and max(first, second) <= 2 * min(first, second)
    if photograph if tensor else channels_first(shape):
        where = "first in a tensor: image.permute(2, 0, 1)" if tensor else "last in an array: np.moveaxis(image, 0, -1)"
        raise InputError(f"image {row} is {list(shape)}, but channels come {where}")
    if not tensor and row == 0 and (said := doubt("image", shape)):  # once, as they are all of one size
        warnings.warn(said, stacklevel=5)
    return np.moveaxis(levels, 0, -1) if tensor else levels
