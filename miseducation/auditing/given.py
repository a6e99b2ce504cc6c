"""What is to be audited: the user's own pictures or arrays, a data set of ours, or the work tree's poisoned one."""

import os
import re
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from miseducation import datasets
from miseducation.auditing.section import AuditSection
from miseducation.dataset import Images
from miseducation.dataset.disk import load_poisoned
from miseducation.dataset.names import shown
from miseducation.dataset.picture_files import SUFFIXES
from miseducation.datasets.arrays import ALONE, ArrayFiles
from miseducation.datasets.folder import NAMED, Folder, Pictures
from miseducation.defending.evidence import as_learnt
from miseducation.errors import InputError
from miseducation.project import own_files, parts

RAW, POISONED = Path("data/raw"), Path("data/poisoned")
KEY = "audit.data"
OTHERS_KEY = re.compile(r"datasets\.(folder|arrays)\.path")


class Given(NamedTuple):
    """A labelled set of which nobody knows whether it is poisoned. There is no truth in it.

    Attributes:
        images: uint8 `[n, h, w, c]`.
        labels: int64 `[n]`.
        classes: The K names.
        files: What each row is called: its file, relative to the folder, as it can be shown; empty where rows have
            numbers only.
        source: Where it came from, see `datasets.record`.
    """

    images: np.ndarray | Images
    labels: np.ndarray
    classes: tuple[str, ...]
    files: list[str]
    source: dict[str, Any]


def read_given(data: str, *, shape: tuple[int, int], colour: bool, key: str = KEY) -> Given:
    """Reads what a user calls their data.

    Args:
        data: A folder of pictures, an `.npz` file or a folder of `.npy` files (the training set), `data/poisoned`, or
            the name of a data set of ours (its training set).
        shape: Height and width that pictures are stretched to.
        colour: Whether they are read in colour.
        key: What the user calls them by in `params.yaml`.

    Raises:
        InputError: If there is no such thing, or something is wrong with it.
    """
    if data in parts.names("datasets"):
        train, _, source = datasets.source(data).fetch()
        return Given(train.images, train.labels, train.classes, [], {"name": data, **source})
    try:
        place = own_files.locate(data)
    except ValueError as error:
        raise InputError(f"params.yaml: {key} = {data!r}: {error}") from None
    if not place.exists():
        known = ", ".join(parts.names("datasets"))
        raise InputError(
            f"params.yaml: {key} = {data!r} does not exist (relative paths start at the root of the project); allowed: "
            f"a folder of pictures, an .npz file, a folder of .npy files, data/poisoned, or one of {known}; "
            "`make repro` makes data/poisoned"
        )
    if Path(data) == POISONED:  # what differs from the raw set, of this work tree; in an experiment, of its own
        poisoned = load_poisoned(RAW, POISONED)
        return Given(as_learnt(poisoned.images), poisoned.labels, poisoned.classes, [], _record(POISONED))
    try:
        if place.is_file() or any(place.glob("*.npy")):
            (train, *_), source = ArrayFiles(path=place).read(ALONE)
            return Given(train.images, train.labels, train.classes, [], source)
        found = Folder(path=place, shape=shape, colour=colour, skip_bad=True).read(whole=True)
    except InputError as error:  # in the words of the user's knob
        raise InputError(OTHERS_KEY.sub(key, str(error))) from None
    names = [shown(file) for file in found.files]
    return Given(
        found.data.images, found.data.labels, found.data.classes, names, found.source | _hidden(place, found, key)
    )


def read_trusted(section: AuditSection, given: Given) -> tuple[np.ndarray | Images, np.ndarray] | None:
    """Reads rows that are known to be clean, as `read_given`, with the labels that their classes have in the given set.

    Raises:
        InputError: If something is wrong with them, or they are no more of the same.
    """
    if section.trusted is None:
        return None
    found = read_given(section.trusted, shape=section.shape, colour=section.colour, key="audit.trusted")
    at = f"params.yaml: audit.trusted = {section.trusted!r}"
    if unknown := [name for name in found.classes if name not in given.classes]:
        raise InputError(f"{at} has the class {unknown[0]!r}; allowed: those of the data, {', '.join(given.classes)}")
    if found.images.shape[1:] != given.images.shape[1:]:
        here, there = ("×".join(map(str, each.images.shape[1:])) for each in (found, given))
        raise InputError(f"{at} has images of {here}, height, width, channels; allowed: {there}, as the data have")
    return found.images, np.array([given.classes.index(name) for name in found.classes])[found.labels]


def _hidden(place: Path, found: Pictures, key: str) -> dict[str, Any]:
    """What is skipped, with the hidden pictures, of which it warns: torchvision's `ImageFolder`, say, learns them."""
    below = [Path(folder, file).relative_to(place) for folder, _, files in os.walk(place) for file in files]
    pictures = (path for path in below if path.name.lower().endswith(SUFFIXES))
    names = sorted(shown(path) for path in pictures if any(map(own_files.is_litter, path.parts)))
    if not names:
        return {}
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    count = "1 hidden picture" if len(names) == 1 else f"{len(names):,} hidden pictures"
    warnings.warn(f"{key}: left out {count}, which others may learn: {', '.join(names[:NAMED])}{more}", stacklevel=3)
    return {"skipped": found.source.get("skipped", {}) | dict.fromkeys(names, "is hidden")}


def _record(place: Path) -> dict[str, Any]:
    return datasets.record("a training set of this work tree", "not known", {}) | {
        own_files.KEY: own_files.digest(place)
    }
