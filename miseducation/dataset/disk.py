"""How a data set lies on the disk: `data/raw`, and `data/poisoned`, which holds only what differs from it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from miseducation.dataset import names
from miseducation.dataset.images import Images, StoredImages, read_stored
from miseducation.dataset.labelled import Dataset, clean, overlay
from miseducation.errors import InputError
from miseducation.project import foreign
from miseducation.project.files import write_array, write_csv, write_json

if TYPE_CHECKING:
    import pandas as pd

LINE = 1000  # bytes of a line in a manifest at most


def save_raw(folder: Path, train: Dataset, test: Dataset) -> None:
    """Writes `{train,test}_{images,labels}.npy` and `classes.json`, and `{train,test}_boxes.npy` if there are boxes."""
    for split, data in (("train", train), ("test", test)):
        write_array(folder / f"{split}_images.npy", data.images)
        write_array(folder / f"{split}_labels.npy", data.labels)
        if data.boxes is not None:
            write_array(folder / f"{split}_boxes.npy", data.boxes)
    write_json(folder / "classes.json", list(train.classes))


def load_raw(folder: Path, split: str) -> Dataset[Images]:
    """Reads one split, "train" or "test", of `data/raw`; the images stay on the disk.

    What this and the other functions here read may be a stranger's: an `InputError` if it is none of ours, or damaged.
    """
    with _reading(folder):
        images, boxes = StoredImages(folder / f"{split}_images.npy"), folder / f"{split}_boxes.npy"
        return clean(
            images,
            _rows(folder / f"{split}_labels.npy", np.int64, len(images)),
            _read_classes(folder),
            _rows(boxes, np.float32, len(images), 4, 2) if boxes.is_file() else None,
        )


def save_poisoned(
    folder: Path, rows: np.ndarray, poisoned: Dataset, *, roles: ArrayLike = "poison", added: bool = False
) -> None:
    """Writes what the attacker changed: `manifest.csv` (a line per row) and `images.npy`, in the same order.

    Args:
        folder: Usually `data/poisoned`.
        rows: int64 `[k]`, ascending row numbers in the training set.
        poisoned: Those k rows after the attack.
        roles: str `[k]`, see `Role`.
        added: Whether they come beside the rows that they were made from, instead of in their place.
    """
    write_array(folder / "images.npy", poisoned.images)
    roles = np.broadcast_to(roles, len(rows))
    write_csv(folder / "manifest.csv", _manifest(rows, poisoned).assign(role=roles, added=added))


def read_manifest(folder: Path) -> "pd.DataFrame":
    """`manifest.csv`, a line per row that the attacker changed or added: row, true_label, label, role, added."""
    return _read_manifest(folder, "", {"role": str, "added": bool})


def load_pairs(raw: Path, folder: Path, places: np.ndarray) -> tuple[Dataset, Dataset]:
    """Some rows of the manifest, int64 `[k]` from 0, before and after the attack."""
    manifest, train = read_manifest(folder), load_raw(raw, "train")
    with _reading(folder):
        images = _changed(folder, manifest, len(train))[places]
        before = train[manifest["row"].to_numpy()[places]]
        return before, replace(before, images=images, labels=manifest["label"].to_numpy()[places])


def load_poisoned(raw: Path, folder: Path) -> Dataset[Images]:
    """The training set as the victim gets it, with the poisoned rows in place, or at the end; it stays on the disk."""
    manifest, train = read_manifest(folder), load_raw(raw, "train")
    with _reading(folder):
        rows, labels, added = (manifest[name].to_numpy() for name in ("row", "label", "added"))
        return overlay(train, rows, _changed(folder, manifest, len(train)), labels, added)


def save_triggered(
    folder: Path,
    triggered: Dataset,
    attackable: np.ndarray,
    decoys: np.ndarray,
    digests: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes `test_manifest.csv`, `test_images.npy` and `decoys.npy`: what `Attack.trigger` returns.

    The digests of files that the attack used, by the keys of the knobs that name them, are columns of their own.
    """
    write_array(folder / "test_images.npy", triggered.images)
    write_array(folder / "decoys.npy", decoys)
    manifest = _manifest(np.arange(len(triggered)), triggered).assign(attackable=attackable, **digests)
    write_csv(folder / "test_manifest.csv", manifest)


def load_triggered(raw: Path, folder: Path) -> tuple[Dataset, np.ndarray, np.ndarray]:
    """The triggered test set, its attackable rows, and the decoys, as `save_triggered` took them."""
    triggered, attackable = load_triggered_test(raw, folder)
    with _reading(folder):
        images: np.ndarray = read_stored(folder / "test_images.npy", np.uint8, 4)
        decoys: np.ndarray = read_stored(folder / "decoys.npy", np.uint8, 4)
        if decoys.shape[1:] != triggered.images.shape[1:] or len(decoys) not in (0, len(triggered)):
            raise InputError(
                f"{folder / 'decoys.npy'} must contain either no images, or images of the same number and size as {raw}"
            )
        everything = Dataset(images, triggered.labels, triggered.true_labels, triggered.poisoned, triggered.classes)
    return everything, attackable, decoys


def load_triggered_test(raw: Path, folder: Path) -> tuple[Dataset[Images], np.ndarray]:
    """The triggered test set, whose images stay on the disk, and its attackable rows."""
    manifest = _read_manifest(folder, "test_", {"attackable": bool})
    labels, true_labels, attackable = (manifest[name].to_numpy() for name in ("label", "true_label", "attackable"))
    with _reading(folder):
        images = StoredImages(folder / "test_images.npy")
        if images.shape != StoredImages(raw / "test_images.npy").shape:
            raise InputError(f"{folder / 'test_images.npy'} must contain images of the same number and size as {raw}")
        everywhere = np.ones(len(images), dtype=bool)
        return Dataset[Images](images, labels, true_labels, everywhere, _read_classes(raw)), attackable


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Makes a ValueError of what does not fit each other in a folder an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{folder} contains files that do not belong together: {error}") from None


def _rows(path: Path, dtype: type[np.generic], *shape: int) -> np.ndarray:
    """An array of this shape, which is looked at before it is read."""
    array = read_stored(path, dtype, len(shape))
    if array.shape != shape:
        raise InputError(f"{path} must contain {dtype.__name__} {list(shape)}, not {list(array.shape)}")
    return np.array(array)


def _read_classes(folder: Path) -> tuple[str, ...]:
    classes = foreign.read_json(folder / "classes.json")
    if not isinstance(classes, list):
        raise InputError(f"{folder / 'classes.json'} must contain a list, not {type(classes).__name__}")
    return names.check(classes)


def _read_manifest(folder: Path, prefix: str, columns: Mapping[str, type]) -> "pd.DataFrame":
    """A manifest; one that is longer than its images are many is read just far enough to be found so."""
    types = {"row": np.int64, "true_label": np.int64, "label": np.int64, **columns}
    path = folder / f"{prefix}manifest.csv"
    with _reading(folder):
        lines = len(StoredImages(folder / f"{prefix}images.npy")) + 1
    foreign.check(path, LINE * (lines + 1))

    import pandas as pd

    try:
        return pd.read_csv(path, dtype=types, usecols=list(types), nrows=lines)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path} cannot be read: {foreign.reason(error)}") from None


def _changed(folder: Path, manifest: "pd.DataFrame", count: int) -> StoredImages:
    """The images that the attacker changed, of `count` that there are."""
    images, rows = StoredImages(folder / "images.npy"), manifest["row"]
    if len(images) != len(rows) or not rows.between(0, count - 1).all():
        raise InputError(f"{folder / 'manifest.csv'} must list {len(images)} images, with rows from 0 to {count - 1}")
    return images


def _manifest(rows: np.ndarray, data: Dataset) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"row": rows, "true_label": data.true_labels, "label": data.labels})
