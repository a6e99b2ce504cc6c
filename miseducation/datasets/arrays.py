"""Your own arrays: an .npz file or a folder of .npy files, with this project's names or Keras'."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, final

import numpy as np
from pydantic import Field, field_validator

from miseducation.dataset import Dataset, clean
from miseducation.datasets import Fetched
from miseducation.datasets.origins import boxes as corners_of
from miseducation.datasets.origins.own import Own
from miseducation.project.files import read_json

# What holds the images and the labels of the training set, then those of the test set.
NAMES = (("train_images", "train_labels", "test_images", "test_labels"), ("x_train", "y_train", "x_test", "y_test"))
BOXES = ("train_boxes", "test_boxes")
CLASSES = "classes"  # an array of strings, or classes.json in a folder
NEEDED = " or ".join(", ".join(names) for names in NAMES)

Arrays = dict[str, np.ndarray]


class Split(NamedTuple):
    """One split as it was found, and what its arrays are called."""

    images_name: str
    images: np.ndarray
    labels_name: str
    labels: np.ndarray
    boxes_name: str
    boxes: np.ndarray | None


@final
class ArrayFiles(Own):
    """Arrays that you made: images uint8 `[n, h, w]` or `[n, h, w, c]`, labels `[n]` or `[n, 1]`, perhaps boxes."""

    path: Path | None = Field(
        None, description=f"an .npz file or a folder of .npy files, from the project's root, with {NEEDED}"
    )
    classes: tuple[str, ...] | None = Field(
        None, description="null, or a list of names, each another; null takes those beside the arrays, or numbers"
    )

    @field_validator("classes")
    @classmethod
    def _are_names(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for problem in _check_names(classes or ()):
            raise ValueError(problem)
        return classes

    def fetch(self) -> Fetched:
        place = self.place()
        source = self.record(place)
        try:
            arrays = _load(place)
        except ValueError as error:
            raise self.refusal(str(error)) from None
        schemes = [names for names in NAMES if set(names) <= set(arrays)]
        if len(schemes) != 1:
            raise self.refusal(f"holds {', '.join(sorted(arrays)) or 'no array of a known name'}; needs {NEEDED}")
        images, labels = schemes[0][::2], schemes[0][1::2]
        splits = [
            Split(x, arrays[x], y, arrays[y], boxes, arrays.get(boxes))
            for x, y, boxes in zip(images, labels, BOXES, strict=True)
        ]
        problems = [problem for split in splits for problem in _check(split)]
        names = self.classes or tuple(str(name) for name in arrays.get(CLASSES, ()))
        if not problems:
            names = names or tuple(str(i) for i in range(1 + max(int(split.labels.max()) for split in splits)))
            problems = [*_check_names(names), *_check_together(splits, len(names))]
        if problems:
            raise self.refusal("".join(f"\n  - {problem}" for problem in problems))
        train, test = (_dataset(split, names) for split in splits)
        return Fetched(train, test, source)


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Raises a ValueError for whatever goes wrong: damaged files bring their readers to all kinds of errors.

    A lack of memory is one of them: the array is made as large as the header says, before the content is read.
    """
    try:
        yield
    except Exception as error:
        if "allow_pickle" in str(error):
            raise ValueError(f"{what}holds Python objects, which are not unpickled; store numbers") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{what}cannot be read: {reason}") from None


def _load(place: Path) -> Arrays:
    """The arrays of known names. Nothing is unpickled, and nothing is written under the name of an archive's member."""
    if place.is_dir():
        members: Mapping[str, Path | np.ndarray] = {path.stem: path for path in place.glob("*.npy")}
    elif place.is_file() and zipfile.is_zipfile(place):
        with _reading(""), zipfile.ZipFile(place):  # which, unlike np.load, closes a damaged file
            members = np.load(place, allow_pickle=False)
    else:
        raise ValueError("is neither an .npz file nor a folder")
    arrays = {}
    for name in (*NAMES[0], *NAMES[1], *BOXES, CLASSES):
        if name not in members:
            continue
        with _reading(f"{name} "):
            member = members[name]  # of an .npz file, it is read here
            if isinstance(member, Path) and not member.is_file():  # to open a pipe would be to wait for its writer
                raise ValueError("it is not a file")
            array = np.load(member, allow_pickle=False) if isinstance(member, Path) else member
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is no array")
        arrays[name] = array
    if (place / f"{CLASSES}.json").is_file():
        with _reading(f"{CLASSES}.json "):
            arrays[CLASSES] = np.array(read_json(place / f"{CLASSES}.json"))
    if CLASSES in arrays and (arrays[CLASSES].ndim != 1 or arrays[CLASSES].dtype.kind != "U"):
        raise ValueError(f"{CLASSES} must be a list of strings, not {arrays[CLASSES].dtype} {arrays[CLASSES].shape}")
    return arrays


def _check(split: Split) -> Iterator[str]:
    """What is wrong with a split by itself, each with the way out."""
    x, images, y, labels, b, boxes = split
    found = f"{x} is {images.dtype} {list(images.shape)}"
    if images.ndim not in (3, 4) or not images.size:
        yield f"{found}, must be uint8 [n, h, w] or [n, h, w, c]"
    elif images.ndim == 4 and images.shape[1] <= 4 < min(images.shape[2:]):
        yield f"{found}, which looks like [n, c, h, w]; channels come last: np.moveaxis({x}, 1, -1)"
    if images.dtype != np.uint8 and images.dtype.kind in "biuf" and images.size:
        span = f"{images.min():g} to {images.max():g}" if images.dtype.kind != "b" else "false to true"
        scaled = f"({x} * 255).round()" if images.max() <= 1 else f"{x}.round()" if images.dtype.kind == "f" else x
        yield f"{found} from {span}, must be uint8 from 0 to 255: {scaled}.astype('uint8')"
    elif images.dtype != np.uint8:
        yield f"{found}, must be uint8"
    found = f"{y} is {labels.dtype} {list(labels.shape)}"
    n = len(images) if images.ndim else 0
    if labels.ndim == 2 and labels.shape[1] > 1:
        yield f"{found}, must be [n]; if each row marks its class: {y}.argmax(axis=1)"
    elif labels.shape not in ((n,), (n, 1)):
        yield f"{found}, must be [{n}], a label per image"
    elif labels.dtype.kind not in "iu":
        yield f"{found}, must be whole numbers: {y}.astype('int64')"
    elif labels.size and labels.min() < 0:
        yield f"{y} holds {labels.min()}, must be 0 or more"
    elif labels.size and labels.max() >= n:  # before as many names are made as such labels stand for
        found = f"{y} holds {labels.max()}, labels must be 0 to K-1 for K classes, of which {n} images show at most {n}"
        yield f"{found}: np.unique({y}, return_inverse=True)[1] renumbers them"
    if boxes is None:
        return
    if boxes.shape not in ((n, 4), (n, 4, 2)) or boxes.dtype.kind not in "iuf":
        yield f"{b} is {boxes.dtype} {list(boxes.shape)}, must be numbers [{n}, 4] (x1, y1, x2, y2) or [{n}, 4, 2]"
    elif images.ndim in (3, 4):
        yield from corners_of.check(b, boxes, *images.shape[1:3])


def _check_together(splits: list[Split], classes: int) -> Iterator[str]:
    train, test = splits
    if train.images.shape[1:] != test.images.shape[1:]:
        yield f"{train.images_name} is {list(train.images.shape)} and {test.images_name} {list(test.images.shape)}"
    if (train.boxes is None) != (test.boxes is None):
        yield f"{' and '.join(BOXES)} are needed both, or neither"
    if classes < 2:
        yield "all labels are the same; two classes are needed"
    for split in splits:
        there = set(np.unique(split.labels).tolist())
        if over := sorted(there - set(range(classes))):
            yield f"{split.labels_name} holds {over[-1]}, must be 0 to {classes - 1}, as there are {classes} classes"
        if absent := sorted(set(range(classes)) - there):
            shown = ", ".join(map(str, absent[:10])) + (", …" if len(absent) > 10 else "")
            yield f"{split.labels_name} lacks {shown}; each of the {classes} classes is needed in both splits"


def _check_names(names: Sequence[str]) -> Iterator[str]:
    if not all(name.strip() and name.isprintable() for name in names):
        yield "the name of a class is empty or cannot be printed"
    if len(set(names)) < len(names):
        yield "two classes have the same name"


def _dataset(split: Split, names: tuple[str, ...]) -> Dataset:
    images = split.images if split.images.ndim == 4 else split.images[..., np.newaxis]
    boxes = split.boxes if split.boxes is None or split.boxes.ndim == 3 else corners_of.corners(split.boxes)
    boxes = None if boxes is None else boxes.astype(np.float32)
    return clean(np.ascontiguousarray(images), split.labels.reshape(-1), names, boxes)
