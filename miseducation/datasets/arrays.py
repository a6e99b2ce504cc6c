"""Your own arrays: an .npz file or a folder of .npy files, with this project's names or Keras'."""

import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from pydantic import Field, field_validator

from miseducation.dataset import Dataset, clean
from miseducation.dataset.names import check, shown
from miseducation.datasets import Fetched
from miseducation.datasets.origins import boxes as corners_of
from miseducation.datasets.origins import numbering, pixels
from miseducation.datasets.origins.own import Own
from miseducation.errors import InputError
from miseducation.project.files import read_json

# What holds the images and the labels of the training set, then those of the test set.
NAMES = (("train_images", "train_labels", "test_images", "test_labels"), ("x_train", "y_train", "x_test", "y_test"))
BOXES = ("train_boxes", "test_boxes")
CLASSES = "classes"  # an array of strings, or classes.json in a folder
# Those of a set that nobody has split, or whose training set alone is wanted.
ALONE = (*(names[:2] for names in NAMES), ("images", "labels"), ("x", "y"))
NEEDED = " or ".join(", ".join(names) for names in NAMES)

LISTED = 20  # arrays that are left out, on the screen

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
        None, description=f"an .npz file or a folder of .npy files, relative to the project's root, with {NEEDED}"
    )
    classes: tuple[str, ...] | None = Field(
        None, description="null, or a list of different names; null takes those stored with the arrays, or numbers"
    )

    @field_validator("classes")
    @classmethod
    def _are_names(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        return classes if classes is None else check(classes)

    def fetch(self) -> Fetched:
        (train, test), source = self.read(NAMES)
        return Fetched(train, test, source)

    def read(self, allowed: Sequence[tuple[str, ...]]) -> tuple[list[Dataset], dict[str, Any]]:
        """Reads the splits that are there by one of the allowed schemes, `NAMES` or `ALONE`, and their record.

        Raises:
            InputError: If there are none, or something is wrong with them.
        """
        place = self.place()
        source = self.record(place)
        try:
            arrays, others = _load(place, {*chain(*allowed)})
        except ValueError as error:
            raise self.refusal(str(error)) from None
        schemes = [names for names in allowed if set(names) <= set(arrays)]
        if len(schemes) != 1:
            needed = " or ".join(", ".join(names) for names in allowed)
            raise self.refusal(f"holds {', '.join(sorted(arrays)) or 'no array of a known name'}; needs {needed}")
        images, labels = schemes[0][::2], schemes[0][1::2]
        splits = [
            Split(x, arrays[x], y, arrays[y], boxes, arrays.get(boxes))
            for x, y, boxes in zip(images, labels, BOXES, strict=False)
        ]
        names = self.classes or tuple(arrays.get(CLASSES, np.array([], str)).tolist())
        pairs = zip(splits, splits[::-1], strict=True)
        problems = [problem for split, other in pairs for problem in _check(split, other, names)]
        try:
            names = check(names)
        except InputError as error:
            problems.append(str(error))
        if not problems:
            names = names or tuple(str(i) for i in range(1 + max(int(split.labels.max()) for split in splits)))
            problems = [*_check_together(splits, len(names))]
        if problems:
            raise self.refusal("".join(f"\n  - {problem}" for problem in problems))
        if doubts := [doubt for split in splits for doubt in pixels.doubts(split.images_name, split.images)]:
            warnings.warn(f"{self.key()}: {'; '.join(doubts)}", stacklevel=2)
        if unused := sorted(others | (set(arrays) - {*schemes[0], *BOXES, CLASSES})):
            more = f" and {len(unused) - LISTED} more" if len(unused) > LISTED else ""
            print(f"{self.key()}: left out {', '.join(map(shown, unused[:LISTED]))}{more}", flush=True)
        return [_dataset(split, names) for split in splits], source


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Raises a ValueError for whatever goes wrong: damaged files bring their readers to all kinds of errors.

    A lack of memory is one of them: the array is made as large as the header says, before the content is read.
    """
    try:
        yield
    except Exception as error:
        if "allow_pickle" in str(error):
            raise ValueError(f"{what}contains pickled Python objects, which are not read; store numbers") from None
        reason = shown(" ".join(str(error).split()) or type(error).__name__)
        raise ValueError(f"{what}cannot be read: {reason}") from None


def _load(place: Path, wanted: set[str]) -> tuple[Arrays, set[str]]:
    """The arrays of the names wanted, those of boxes and classes, and the names of others.

    Nothing is unpickled, and nothing is written under the name of an archive's member.
    """
    if place.is_dir():
        members: Mapping[str, Path | np.ndarray] = {path.stem: path for path in place.glob("*.npy")}
    elif place.is_file() and zipfile.is_zipfile(place):
        with _reading(""), zipfile.ZipFile(place):  # which, unlike np.load, closes a damaged file
            members = np.load(place, allow_pickle=False)
    else:
        raise ValueError("is neither an .npz file nor a folder")
    arrays = {}
    for name in (*sorted(wanted), *BOXES, CLASSES):
        if name not in members:
            continue
        with _reading(f"{name} "):
            member = members[name]  # of an .npz file, it is read here
            if isinstance(member, Path) and not member.is_file():  # to open a pipe would be to wait for its writer
                raise ValueError("it is not a file")
            array = np.load(member, allow_pickle=False) if isinstance(member, Path) else member
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is not an array")
        arrays[name] = array
    if (place / f"{CLASSES}.json").is_file():
        with _reading(f"{CLASSES}.json "):
            arrays[CLASSES] = np.array(read_json(place / f"{CLASSES}.json"))
    if CLASSES in arrays and (arrays[CLASSES].ndim != 1 or arrays[CLASSES].dtype.kind != "U"):
        raise ValueError(f"{CLASSES} must be a list of strings, not {arrays[CLASSES].dtype} {arrays[CLASSES].shape}")
    return arrays, set(members) - set(arrays)


def _check(split: Split, other: Split, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with a split by itself, each with the way out; what is meant may be seen in the other only."""
    yield from pixels.check(split.images_name, split.images, numbering.count(split.labels), other.images)
    yield from numbering.check(_labels(split, other, names), _labels(other, split, names))
    b, boxes, images = split.boxes_name, split.boxes, _laid_out(split)
    if boxes is None or images.ndim not in (3, 4):
        return
    if boxes.shape not in ((len(images), 4), (len(images), 4, 2)) or boxes.dtype.kind not in "iuf":
        n = len(images)
        yield f"{b} is {boxes.dtype} {list(boxes.shape)}, must be numbers [{n}, 4] (x1, y1, x2, y2) or [{n}, 4, 2]"
    else:
        yield from corners_of.check(b, boxes, *images.shape[1:3])


def _laid_out(split: Split) -> np.ndarray:
    return pixels.laid_out(split.images, numbering.count(split.labels))[1]


def _labels(split: Split, other: Split, names: Sequence[str]) -> numbering.Labels:
    images = _laid_out(split)
    rows = len(images) if images.ndim in (3, 4) else numbering.count(split.labels)  # which nobody knows better then
    return numbering.Labels(split.labels_name, split.labels, rows, other.labels, names)


def _check_together(splits: list[Split], classes: int) -> Iterator[str]:
    train, test = splits[0], splits[-1]
    if train.images.shape[1:] != test.images.shape[1:]:
        yield f"{train.images_name} is {list(train.images.shape)} and {test.images_name} {list(test.images.shape)}"
    if (train.boxes is None) != (test.boxes is None):
        yield f"{' and '.join(BOXES)} must both be given, or neither"
    if classes < 2:
        yield "all labels are the same; two classes are needed"
    for split in splits:
        there = set(np.unique(split.labels).tolist())
        if over := sorted(there - set(range(classes))):
            yield f"{split.labels_name} holds {over[-1]}, must be 0 to {classes - 1}, as there are {classes} classes"
        if absent := sorted(set(range(classes)) - there):
            shown = ", ".join(map(str, absent[:10])) + (", …" if len(absent) > 10 else "")
            yield f"{split.labels_name} lacks {shown}; each of the {classes} classes is needed in both splits"


def _dataset(split: Split, names: tuple[str, ...]) -> Dataset:
    images = split.images if split.images.ndim == 4 else split.images[..., np.newaxis]
    boxes = split.boxes if split.boxes is None or split.boxes.ndim == 3 else corners_of.corners(split.boxes)
    boxes = None if boxes is None else boxes.astype(np.float32)
    return clean(np.ascontiguousarray(images), split.labels.reshape(-1), names, boxes)
