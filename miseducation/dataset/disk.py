"""How a data set lies on the disk: `data/raw`, and `data/poisoned`, which holds only what differs from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from miseducation.dataset.images import Images, StoredImages
from miseducation.dataset.labelled import Dataset, clean, overlay
from miseducation.project.files import read_array, read_json, write_array, write_csv, write_json


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
        roles: str `[k]`, see `Role`.
        added: Whether they come beside the rows that they were made from, instead of in their place.
    """
    write_array(folder / "images.npy", poisoned.images)
    roles = np.broadcast_to(roles, len(rows))
    write_csv(folder / "manifest.csv", _manifest(rows, poisoned).assign(role=roles, added=added))


def read_manifest(folder: Path) -> pd.DataFrame:
    """`manifest.csv`, a line per row that the attacker changed or added: row, true_label, label, role, added."""
    return pd.read_csv(folder / "manifest.csv", dtype={"role": str, "added": bool})


def load_pairs(raw: Path, folder: Path, places: np.ndarray) -> tuple[Dataset, Dataset]:
    """Some rows of the manifest, int64 `[k]` from 0, before and after the attack."""
    manifest, images = read_manifest(folder).iloc[places], StoredImages(folder / "images.npy")[places]
    before = load_raw(raw, "train")[manifest["row"].to_numpy(np.int64)]
    return before, replace(before, images=images, labels=manifest["label"].to_numpy(np.int64))


def load_poisoned(raw: Path, folder: Path) -> Dataset[Images]:
    """The training set as the victim gets it, with the poisoned rows in place, or at the end; it stays on the disk."""
    manifest = read_manifest(folder)
    rows, labels = (manifest[name].to_numpy(np.int64) for name in ("row", "label"))
    return overlay(
        load_raw(raw, "train"), rows, StoredImages(folder / "images.npy"), labels, manifest["added"].to_numpy()
    )


def save_triggered(folder: Path, triggered: Dataset, attackable: np.ndarray) -> None:
    """Writes `test_manifest.csv` and `test_images.npy`: what `Attack.trigger` returns."""
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
    return pd.DataFrame({"row": rows, "true_label": data.true_labels, "label": data.labels})
