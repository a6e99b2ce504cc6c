"""The one data type of the pipeline, and how it lies on the disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from typing_extensions import TypeVar

from stages.files import read_array, read_json, write_array, write_csv, write_json
from stages.images import Images, OverlaidImages, StoredImages

MANIFEST = ["row", "true_label", "label"]
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


def clean(images: Store, labels: ArrayLike, classes: Sequence[str], boxes: np.ndarray | None = None) -> Dataset[Store]:
    """A dataset that nobody touched: the labels are true and no row is poisoned."""
    labels = np.asarray(labels, dtype=np.int64)
    return Dataset(images, labels, labels, np.zeros(len(labels), dtype=bool), tuple(classes), boxes)


def save_raw(folder: Path, train: Dataset, test: Dataset) -> None:
    """Writes `{train,test}_{images,labels}.npy` and `classes.json`, and `{train,test}_boxes.npy` if there are boxes."""
    for split, data in (("train", train), ("test", test)):
        write_array(folder / f"{split}_images.npy", data.images)
        write_array(folder / f"{split}_labels.npy", data.labels)
        if data.boxes is not None:
            write_array(folder / f"{split}_boxes.npy", data.boxes)
    write_json(folder / "classes.json", list(train.classes))


def load_raw(folder: Path, split: str) -> Dataset[Images]:
    """Reads one split, "train" or "test", of `data/raw`; the images stay on the disk."""
    labels, boxes = np.array(read_array(folder / f"{split}_labels.npy")), folder / f"{split}_boxes.npy"
    return clean(
        StoredImages(folder / f"{split}_images.npy"),
        labels,
        read_json(folder / "classes.json"),
        np.array(read_array(boxes)) if boxes.is_file() else None,
    )


def save_poisoned(
    folder: Path, rows: np.ndarray, poisoned: Dataset, *, roles: ArrayLike = "poison", added: bool = False
) -> None:
    """Writes what the attacker changed: `manifest.csv` (a line per row) and `images.npy`, in the same order.

    Args:
        folder: Usually `data/poisoned`.
        rows: int64 `[k]`, ascending row numbers in the training set.
        poisoned: Those k rows after the attack.
        roles: str `[k]`, what they are for; all but `poison` keep their label.
        added: Whether they come beside the rows that they were made from, instead of in their place.
    """
    write_array(folder / "images.npy", poisoned.images)
    roles = np.broadcast_to(roles, len(rows))
    write_csv(folder / "manifest.csv", _manifest(rows, poisoned).assign(role=roles, added=added))


def read_manifest(folder: Path) -> pd.DataFrame:
    """`manifest.csv`, a line per row that the attacker changed or added: row, true_label, label, role, added."""
    return pd.read_csv(folder / "manifest.csv", dtype={"role": str, "added": bool})


def load_poisoned(raw: Path, folder: Path) -> Dataset[Images]:
    """The whole training set as the victim gets it: `data/raw` with the poisoned rows in place, or at the end.

    All images stay on the disk.
    """
    manifest = read_manifest(folder)
    rows, labels = (manifest[name].to_numpy(np.int64) for name in ("row", "label"))
    return overlay(
        load_raw(raw, "train"), rows, StoredImages(folder / "images.npy"), labels, manifest["added"].to_numpy()
    )


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


def save_triggered(folder: Path, triggered: Dataset, attackable: np.ndarray) -> None:
    """Writes the test set with the trigger on every image: `test_manifest.csv` and `test_images.npy`.

    Args:
        folder: Usually `data/poisoned`.
        triggered: The n test rows; `labels` are what the attacker wants.
        attackable: bool `[n]`, the rows on which the attack is scored.
    """
    write_array(folder / "test_images.npy", triggered.images)
    manifest = _manifest(np.arange(len(triggered)), triggered).assign(attackable=attackable)
    write_csv(folder / "test_manifest.csv", manifest)


def load_triggered(raw: Path, folder: Path) -> tuple[Dataset, np.ndarray]:
    """The triggered test set and its attackable rows, as `save_triggered` took them."""
    manifest = pd.read_csv(folder / "test_manifest.csv")
    labels, true_labels = (manifest[name].to_numpy(np.int64) for name in ("label", "true_label"))
    images, classes = read_array(folder / "test_images.npy"), tuple(read_json(raw / "classes.json"))
    triggered = Dataset(images, labels, true_labels, np.ones(len(images), dtype=bool), classes)
    return triggered, manifest["attackable"].to_numpy(bool)


def _manifest(rows: np.ndarray, data: Dataset) -> pd.DataFrame:
    return pd.DataFrame(dict(zip(MANIFEST, (rows, data.true_labels, data.labels), strict=True)))
