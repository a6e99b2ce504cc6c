"""Arrays of images and labels as people have them: of all types, ranges and orders."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]
NAMES = ("train_images", "train_labels", "test_images", "test_labels")
K = 3


def pictures(rows: int, *shape: int, seed: int = 0) -> np.ndarray:
    """Noise, uint8 `[n, ...]`, with black and white in each image."""
    images = np.random.default_rng(seed).integers(0, 256, (rows, *shape), dtype=np.uint8)
    images[:, 0], images[:, -1] = 0, 255
    return images


def good(*shape: int, rows: int = 12) -> Arrays:
    """Both splits as they should be; the images are 8×6 in colour, if nothing else is wanted."""
    shape = shape or (8, 6, 3)
    labels = np.random.default_rng(1).permutation(np.arange(rows) % K)
    return dict(
        zip(NAMES, (pictures(rows, *shape), labels, pictures(6, *shape, seed=2), np.arange(6) % K), strict=True)
    )


def altered(what: str, how: Any, arrays: Arrays | None = None) -> Arrays:
    """The good arrays, of which the images or the labels of both splits are altered."""
    arrays = arrays or good()
    return {name: how(array) if name.endswith(what) else array for name, array in arrays.items()}


def stored(folder: Path, arrays: Arrays, kind: str = "npz") -> Path:
    """An .npz file of them, or a folder of .npy files."""
    folder.mkdir(exist_ok=True)
    if kind == "npz":
        np.savez(folder / "own.npz", **arrays)  # type: ignore[arg-type]
        return folder / "own.npz"
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return folder


class Case(NamedTuple):
    """What somebody has; `meant` is what they mean by it, if the numbers leave no doubt."""

    arrays: Arrays
    meant: Arrays | None


def _levels(how: Any) -> Case:
    return Case(altered("images", how), good())


def _no_levels(how: Any) -> Case:
    return Case(altered("images", how), None)


def _labels(how: Any) -> Case:
    return Case(altered("labels", how), good())


def _no_labels(how: Any) -> Case:
    return Case(altered("labels", how), None)


def _dim(images: np.ndarray) -> np.ndarray:
    """Two splits of which one does not go as far as the other."""
    return images if len(images) > 6 else images // 4


def _black(split: str) -> Arrays:
    return good() | {f"{split}_images": good()[f"{split}_images"] * 0}


BLACK_AND_WHITE = altered("images", lambda x: (x > 99).astype(np.uint8) * 255)
DIM = altered("images", _dim)
SIGNS = np.array(["stop", "yield", "no entry"])  # not in the order of the alphabet
ORDER = np.argsort(np.argsort(SIGNS))  # the place of each in it

CASES: dict[str, Case] = {
    **{f"{np.dtype(t)} from 0 to 1": _levels(lambda x, t=t: (x / 255).astype(t)) for t in ("f2", "f4", "f8", ">f4")},
    **{f"{t} from -1 to 1": _levels(lambda x, t=t: (x / 127.5 - 1).astype(t)) for t in ("f2", "f4", "f8", ">f8")},
    **{f"{t} from 0 to 255": _levels(lambda x, t=t: x.astype(t)) for t in ("f2", "f4", "f8", "i8", "u2", ">i4", ">u2")},
    "float32 from 0 to 255, a little more": _levels(lambda x: np.float32(x) + np.float32(1e-4)),
    "16 bits by factor": _levels(lambda x: x.astype(np.uint16) * 257),
    "16 bits by shift": _levels(lambda x: x.astype(">u2") << 8),
    "16 bits in 64": _levels(lambda x: x.astype(np.int64) * 257),
    "bool": Case(altered("images", lambda x: x > 0, BLACK_AND_WHITE), BLACK_AND_WHITE),
    **{
        f"{t} of 0 and 1": Case(
            altered("images", lambda x, t=t: (x // 255).astype(t), BLACK_AND_WHITE), BLACK_AND_WHITE
        )
        for t in ("i1", "i8", "u2", "f2", "f4")
    },
    "a dim test set from 0 to 1": Case(altered("images", lambda x: x / 255, DIM), DIM),
    "a dim test set from -1 to 1": Case(altered("images", lambda x: x / 127.5 - 1, DIM), DIM),
    "a dim test set of 16 bits": Case(altered("images", lambda x: x.astype(np.uint16) * 257, DIM), DIM),
    "one split from 0 to 1": Case(good() | {"test_images": good()["test_images"] / 255}, good()),
    "one split of integers": Case(good() | {"train_images": good()["train_images"].astype(int)}, good()),
    "one split from 0 to 1, one from -1": Case(
        good() | {"train_images": good()["train_images"] / 127.5 - 1, "test_images": good()["test_images"] / 255}, None
    ),
    "one split from 0 to 255, one from 0 to 1": Case(
        good() | {"train_images": good()["train_images"] * 1.0, "test_images": good()["test_images"] / 255}, None
    ),
    "standardised": _no_levels(lambda x: (x / 255 - 0.4914) / 0.2470),
    "standardised a little": _no_levels(lambda x: (x / 255 - 0.5) / 0.6),
    "without their mean": _no_levels(lambda x: x / 255 - 0.5),
    "without their mean, from -127 to 128": _no_levels(lambda x: x - 127.0),
    "sixteen levels": _no_levels(lambda x: (x // 16).astype(float)),
    "sixteen levels, whole": _no_levels(lambda x: (x // 16).astype(int)),
    "per cent": _no_levels(lambda x: x / 2.55),
    "with NaN": _no_levels(lambda x: np.where(x == 7, np.nan, x / 255)),
    "infinite": _no_levels(lambda x: np.where(x == 7, np.inf, x / 255)),
    "12 bits": _no_levels(lambda x: x.astype(np.uint16) * 16),
    "shifted by 128": _no_levels(lambda x: (x.astype(int) - 128).astype(np.int8)),
    "too large": _no_levels(lambda x: x.astype(np.int64) * 70000),
    "text": _no_levels(lambda x: x.astype(str)),
    "complex": _no_levels(lambda x: x.astype(complex)),
    "one split from 0 to 1, one black": Case(altered("images", lambda x: x / 255, _black("train")), _black("train")),
    "one split from -1 to 1, one of its middle": Case(
        altered("images", lambda x: x / 127.5 - 1, good() | {"test_images": good()["test_images"] * 0 + 128})
        | {"test_images": np.zeros((6, 8, 6, 3))},
        good() | {"test_images": good()["test_images"] * 0 + 128},
    ),
    "one split of integers, one black": Case(
        altered("images", lambda x: x.astype(int), _black("test")), _black("test")
    ),
    "black": _no_levels(lambda x: x * 0.0),
    "flat": _no_levels(lambda x: x.reshape(len(x), -1)),
    "channels first": Case(altered("images", lambda x: np.moveaxis(x, -1, 1), good(12, 10, 3)), good(12, 10, 3)),
    "channels first, from 0 to 1": Case(
        altered("images", lambda x: np.moveaxis(x, -1, 1) / 255, good(9, 9, 3)), good(9, 9, 3)
    ),
    "images last": Case(altered("images", lambda x: np.moveaxis(x, 0, -1), good(9, 9, 3)), good(9, 9, 3)),
    "grey images last, from -1 to 1": Case(
        altered("images", lambda x: np.moveaxis(x, 0, -1) / 127.5 - 1, good(9, 9)), good(9, 9, 1) | good(9, 9)
    ),
    "oblong images last": Case(altered("images", lambda x: np.moveaxis(x, 0, -1), good(9, 10, 3)), good(9, 10, 3)),
    "oblong grey images last": Case(altered("images", lambda x: np.moveaxis(x, 0, -1), good(9, 10)), good(9, 10)),
    "oblong images last, channels first": Case(
        altered("images", lambda x: x.transpose(3, 1, 2, 0), good(9, 10, 3)), good(9, 10, 3)
    ),
    "images in a list": Case(altered("images", lambda x: x[np.newaxis]), None),
    "Fortran's order": _levels(np.asfortranarray),
    **{f"labels {t}": _labels(lambda y, t=t: y.astype(t)) for t in ("f2", "f4", "f8", ">i8", "u1", "U2", "S1", "<U20")},
    "labels in a row": _labels(lambda y: y[np.newaxis]),
    "labels in a column": _labels(lambda y: y[:, np.newaxis]),
    "labels in a column of columns": _labels(lambda y: y[:, np.newaxis, np.newaxis]),
    "labels in a row of floats": _labels(lambda y: y[np.newaxis].astype(float)),
    **{f"one-hot {t}": _labels(lambda y, t=t: np.eye(K)[y].astype(t)) for t in ("f4", "f8", "?", "u1", "i8")},
    "one-hot, from 1": _labels(lambda y: np.eye(K + 1)[y + 1]),
    "labels from 1": _labels(lambda y: y + 1),
    "labels from 1, uint8": _labels(lambda y: (y + 1).astype(np.uint8)),
    "labels from 1, floats in a column": _labels(lambda y: (y + 1.0)[:, np.newaxis]),
    "labels with gaps": _labels(lambda y: np.array([3, 7, 900])[y]),
    "labels with gaps in a column": _labels(lambda y: np.array([0, 2, 5])[y][:, np.newaxis]),
    "labels of words": Case(altered("labels", lambda y: SIGNS[y]), altered("labels", lambda y: ORDER[y])),
    "labels of bytes": Case(altered("labels", lambda y: SIGNS[y].astype("S")), altered("labels", lambda y: ORDER[y])),
    "labels of words in a row": Case(
        altered("labels", lambda y: SIGNS[y][None]), altered("labels", lambda y: ORDER[y])
    ),
    "labels in words of which a split lacks one": Case(
        altered("labels", lambda y: SIGNS[np.where(y == 2, 2 - len(y) // 12, y)]), None
    ),
    "labels with gaps, others in each split": _no_labels(lambda y: np.array([0, 2, 5 + len(y)])[y]),
    "labels in digits, from 10": _labels(lambda y: np.array(["10", "20", "100"])[y]),
    "labels in digits with zeros before them": _labels(lambda y: np.array(["001", "002", "003"])[y]),
    "labels of which two are the same number": _labels(lambda y: np.array(["01", "02", "1"])[y]),
    "labels of which two are the same number in another split": Case(
        good()
        | {
            "train_labels": np.array(["1", "2", "3"])[good()["train_labels"]],
            "test_labels": np.array(["01", "2", "3"])[good()["test_labels"]],
        },
        None,
    ),
    "labels from -1": _no_labels(lambda y: y - 1),
    "labels with fractions": _no_labels(lambda y: y / 2),
    "labels with NaN": _no_labels(lambda y: np.where(y == 1, np.nan, y)),
    "labels too large": _no_labels(lambda y: y * 1e30),
    "shares of classes": _no_labels(lambda y: np.eye(K)[y] * 0.8 + 0.2 / K),
    "several classes": _no_labels(lambda y: np.maximum(np.eye(K)[y], np.eye(K)[0])),
    "no class": _no_labels(lambda y: np.eye(K)[y] * (y > 0)[:, np.newaxis]),
    "too many labels": _no_labels(lambda y: np.concatenate([y, y])),
    "labels for each pixel": _no_labels(lambda y: np.zeros((len(y), 8, 6), int)),
    "dates": _no_labels(lambda y: y.astype("M8[D]")),
    "labels of records": _no_labels(lambda y: y.astype([("a", "i4")])),
    "labels of raw bytes": _no_labels(lambda y: y.astype("i4").view("V4")),
    "labels of words that cannot be shown": Case(
        altered("labels", lambda y: np.array(["a<b", "<b>", "c"])[y]),
        altered("labels", lambda y: np.array([1, 0, 2])[y]),
    ),
    "a single label": _no_labels(lambda y: np.array(1)),
    "all at once": Case(
        altered(
            "labels", lambda y: (y + 1.0)[None], altered("images", lambda x: np.moveaxis(x, -1, 1) / 255, good(9, 9, 3))
        ),
        good(9, 9, 3),
    ),
}
