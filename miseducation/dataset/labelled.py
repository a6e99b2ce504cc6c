"""Labelled images, with what the learner is told apart from what the pictures show."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import TypeVar

from miseducation.dataset import names
from miseducation.dataset.images import Images, OverlaidImages
from miseducation.dataset.layout import channels_first, doubt
from miseducation.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import Dataset as TorchDataset

# A plain `Dataset` holds an array; a `Dataset[Images]` leaves the images on the disk until rows are taken from it.
Store = TypeVar("Store", bound=np.ndarray | Images, default=np.ndarray)


@dataclass(frozen=True, eq=False)
class Dataset(Generic[Store]):
    """Labelled images, with what the learner is told apart from what the pictures show.

    Attributes:
        images: uint8 `[n, h, w, c]`, 0 to 255.
        labels: int64 `[n]`, what the learner is told.
        true_labels: int64 `[n]`, what the picture shows.
        poisoned: bool `[n]`, the rows that the attacker touched.
        classes: The K class names; labels are indices into it.
        boxes: float32 `[n, 4, 2]`, or None where the whole image is the object: x and y, in pixels from the upper left
            corner of the image, of the four corners of the box around what it shows. They are those of the object as it
            stands upright: upper left, upper right, lower right, lower left. So they tell its pose, too.
    """

    images: Store
    labels: np.ndarray
    true_labels: np.ndarray
    poisoned: np.ndarray
    classes: tuple[str, ...]
    boxes: np.ndarray | None = None

    def __post_init__(self) -> None:
        n = len(self.images)
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
            raise ValueError(f"images must be uint8 [n, h, w, c], not {self.images.dtype} {self.images.shape}")
        for name, dtype in (("labels", np.int64), ("true_labels", np.int64), ("poisoned", np.bool_)):
            array: np.ndarray = getattr(self, name)
            if array.dtype != dtype or array.shape != (n,):
                raise ValueError(f"{name} must be {dtype.__name__} [{n}], not {array.dtype} {array.shape}")
        if self.boxes is not None and (self.boxes.dtype != np.float32 or self.boxes.shape != (n, 4, 2)):
            raise ValueError(f"boxes must be float32 [{n}, 4, 2], not {self.boxes.dtype} {self.boxes.shape}")
        for name in ("labels", "true_labels"):
            array = getattr(self, name)
            if n and not 0 <= array.min() <= array.max() < len(self.classes):
                raise ValueError(f"{name} must be 0 to {len(self.classes) - 1}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: np.ndarray | slice) -> "Dataset":
        """The dataset of these rows, in memory: int64 indices, a bool mask, or a slice."""
        images, boxes = self.images[rows], None if self.boxes is None else self.boxes[rows]
        return Dataset(images, self.labels[rows], self.true_labels[rows], self.poisoned[rows], self.classes, boxes)

    @staticmethod
    def from_arrays(images: np.ndarray, labels: ArrayLike, classes: Sequence[str] | None = None) -> "Dataset":
        """A clean dataset of arrays; see `clean`.

        Args:
            images: uint8 `[n, h, w]` or `[n, h, w, c]`, 0 to 255.
            labels: Whole numbers `[n]`, 0 to K - 1.
            classes: The K names; None takes the numbers.

        Raises:
            ValueError: If they are something else.

        >>> Dataset.from_arrays(np.zeros((3, 8, 8), np.uint8), [0, 1, 1]).images.shape
        (3, 8, 8, 1)
        """
        labels = np.asarray(labels)
        if labels.dtype.kind not in "iu":
            raise ValueError(f"labels must be whole numbers, not {labels.dtype}")
        if images.ndim == 4 and channels_first(images.shape[1:]):
            raise InputError(f"images are {list(images.shape)}, but channels come last: np.moveaxis(images, 1, -1)")
        if images.ndim == 4 and (said := doubt("images", images.shape)):
            warnings.warn(said, stacklevel=2)
        return _numbered(images[..., np.newaxis] if images.ndim == 3 else images, labels, classes)

    @staticmethod
    def from_torch(data: "TorchDataset[Any] | str", classes: Sequence[str] | None = None, **options: Any) -> "Dataset":
        """A clean dataset of any `torch.utils.data.Dataset` of images and labels; see `torch_data.read`.

        Args:
            data: Such as torchvision's, or the name of one in `torchvision.datasets`.
            classes: The names; None takes those that `data` has, or numbers.
            options: What torchvision's takes, with its name only.

        >>> Dataset.from_torch("FakeData", size=3, image_size=(3, 8, 9), num_classes=2).images.shape
        (3, 8, 9, 3)
        """
        from miseducation.dataset.torch_data import classes_of, named, read

        if isinstance(data, str):
            data = named(data, **options)
        elif options:
            raise InputError(
                f"{', '.join(options)}: these options are only allowed with the name of a torchvision data set"
            )
        return _numbered(*read(data), classes_of(data) if classes is None else classes)

    def to_torch(self, transform: "Callable[[Tensor], Any] | None" = None) -> "TorchDataset[Any]":
        """A `torch.utils.data.Dataset` of images and the labels that the learner is told.

        Args:
            transform: What to do with an image, uint8 `[c, h, w]`; None: what torchvision's `ToTensor` does.
        """
        from miseducation.dataset.torch_data import Pairs

        return Pairs(self, transform)


def _numbered(images: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None) -> Dataset:
    """A clean dataset whose classes are called by their numbers, if they have no names."""
    return clean(images, labels, [*map(str, range(int(labels.max(initial=0)) + 1))] if classes is None else classes)


def clean(images: Store, labels: ArrayLike, classes: Sequence[str], boxes: np.ndarray | None = None) -> Dataset[Store]:
    """A dataset that nobody touched: the labels are true and no row is poisoned.

    An `InputError`, if a class is called what cannot be shown, or as another: see `names.check`.
    """
    labels = np.asarray(labels, dtype=np.int64)
    return Dataset(images, labels, labels, np.zeros(len(labels), dtype=bool), names.check(classes), boxes)


def overlay(
    data: Dataset | Dataset[Images],
    origins: np.ndarray,
    images: np.ndarray | Images,
    labels: np.ndarray,
    added: np.ndarray,
) -> Dataset[Images]:
    """A training set with some rows changed, and changed copies of some at the end; nothing is copied.

    Args:
        data: The n clean rows.
        origins: int64 `[k]`, the rows of `data` that were changed, ascending.
        images: uint8 `[k, h, w, c]`, what they show now.
        labels: int64 `[k]`, what the learner is told of them.
        added: bool `[k]`, which of them come at the end, beside the row that they were made from.
    """
    rows = np.where(added, len(data) + np.cumsum(added) - 1, origins)
    # Where each row of the whole set comes from; added ones have all but the label of their origin.
    sources = np.concatenate([np.arange(len(data)), origins[added]])
    all_labels, poisoned = data.labels[sources], data.poisoned[sources]
    all_labels[rows] = labels
    poisoned[rows] = True
    boxes = None if data.boxes is None else data.boxes[sources]
    laid = OverlaidImages(data.images, rows, images)
    return Dataset(laid, all_labels, data.true_labels[sources], poisoned, data.classes, boxes)
