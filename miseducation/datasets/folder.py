"""Your own images: a folder with one folder per class, or with tables of labels; split already or not."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, NamedTuple, final

import numpy as np
from pydantic import Field

from miseducation.dataset import Dataset, clean
from miseducation.dataset.names import fault, seen, shown
from miseducation.dataset.picture_files import decode, in_threads
from miseducation.datasets import Fetched
from miseducation.datasets.origins.layouts import Class, Layout, Picture, Problems, survey
from miseducation.datasets.origins.own import Own
from miseducation.errors import InputError
from miseducation.project.messages import cut

LISTED = 50  # lines of a report on the screen
NAMED = 10  # files that are named in a warning
Pixels = Annotated[int, Field(ge=1, le=4096)]


class Pictures(NamedTuple):
    """What was in a folder.

    Attributes:
        data: All pictures, by name.
        files: What each is called, relative to the folder.
        test: bool `[n]`, those of the split to test on; None where there are no splits.
        source: As in `Fetched`.
    """

    data: Dataset
    files: list[str]
    test: np.ndarray | None
    source: dict[str, Any]


@final
class Folder(Own):
    """Image files of any size and kind, brought to one, in the order of their names."""

    path: Path | None = Field(
        None,
        description="a folder with <class>/, or train/<class>/ and test/<class>/, or with tables of paths and labels; "
        "relative to the project's root",
    )
    shape: tuple[Pixels, Pixels] = Field(
        (32, 32), description="[height, width], 1 to 4096 pixels; images are stretched"
    )
    colour: bool = Field(True, description="true for RGB, false for grey")
    test: str | None = Field(
        None, description="the split to test on, such as val; null takes test/, else val/, valid/ or validation/"
    )
    test_share: float = Field(0.2, gt=0, lt=1, description="share of each class held out, between 0 and 1")
    seed: int = Field(1, ge=0, description="seed of the choice of images that are held out; 0 or more")
    skip_bad: bool = Field(False, description="true to leave out, and list, pictures and classes that cannot be used")

    def fetch(self) -> Fetched:
        data, _, test, source = self.read()
        held = _held_out(data.labels, self.test_share, self.seed) if test is None else test
        return Fetched(data[~held], data[held], source)

    def read(self, *, whole: bool = False) -> Pictures:
        """Reads all pictures, of both splits.

        Args:
            whole: Whether nobody will split them: all splits are read then, and a class may lack in some of them.

        Raises:
            InputError: If there are none, or something is wrong with them.
        """
        root = self.place()
        if not root.is_dir():
            raise self.refusal("is not a folder")
        try:
            found = survey(root, self.test, f"{self.key()}.test", every=whole)
        except OSError as error:
            raise self.refusal(f"{shown(error.filename)} cannot be read: {error.strerror}") from None
        except InputError as error:
            raise self.refusal(cut(str(error), 1000)) from None
        found = self._usable(found, whole=whole)
        if found.left:
            names = [cut(name, 1000) for name in sorted(found.left)]
            more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
            told = f"left out, as they are not pictures of a class: {', '.join(names[:NAMED])}{more}"
            warnings.warn(f"{self.key()}: {told}", stacklevel=2)

        source = self.record(root)
        images, unreadable = self._decode(root, found.pictures)
        used = self._usable(found._replace(lost=found.lost | unreadable), whole=whole)
        if used.lost:
            print(f"{self.key()}: {_report(used.lost, 'left out')}", flush=True)
        if skipped := used.left | used.lost:
            source["skipped"] = {shown(name): skipped[name] for name in sorted(skipped)}

        if unreadable:
            images = images[[picture.name not in unreadable for picture in found.pictures]]
        number = {label: i for i, label in enumerate(used.classes)}
        data = clean(images, [number[picture.label] for picture in used.pictures], used.classes)
        test = np.array([picture.split == "test" for picture in used.pictures]) if used.called else None
        return Pictures(data, [picture.name for picture in used.pictures], test, source)

    def _usable(self, found: Layout, *, whole: bool) -> Layout:
        """Without what is lost, and classes that are empty then; an `InputError`, if these may not be left out."""
        pictures = [picture for picture in found.pictures if picture.name not in found.lost]
        counts = Counter(picture[1:] for picture in pictures)
        empty = [each for each in found.held if not counts[each]]
        lost = {found.path(*each): "contains no image that can be read" for each in empty} | found.lost
        held = [each for each in found.held if counts[each]] if self.skip_bad else found.held
        worse = _mismatches(found._replace(held=held), counts, f"{self.key()}.test", whole=whole)
        if worse or (lost and not self.skip_bad):
            advice = "" if worse else f", or leave them out with {self.key()}.skip_bad: true"
            raise self.refusal(f"{_report(lost | worse, 'cannot be used')}\nRepair or remove them{advice}.")
        remaining = {label for _, label in held}
        classes = [label for label in found.classes if label in remaining]
        return found._replace(pictures=pictures, held=held, classes=classes, lost=lost)

    def _decode(self, root: Path, pictures: list[Picture]) -> tuple[np.ndarray, Problems]:
        """The images, uint8 `[n, h, w, c]`, black where they are unreadable, and why those are."""

        def read(picture: Picture) -> np.ndarray | str:
            try:
                return decode((root / picture.name).read_bytes(), self.shape, colour=self.colour)
            except OSError as error:
                return f"cannot be read: {error.strerror}"
            except ValueError as error:
                return str(error)

        images = np.zeros((len(pictures), *self.shape, 3 if self.colour else 1), np.uint8)
        unreadable = {}
        for i, found in enumerate(in_threads(read, pictures, "reading images")):
            if isinstance(found, str):
                unreadable[pictures[i].name] = found
            else:
                images[i] = found
        return images, unreadable


def _mismatches(found: Layout, counts: Counter[Class], knob: str, *, whole: bool) -> Problems:
    """What is wrong with the classes as a whole, and cannot be left out."""
    each_has = {split: {label for each, label in found.held if each == split} for split in found.called}
    wrong: Problems = {}
    for split, other in zip(each_has, reversed(each_has), strict=True) if not whole else ():
        for label in each_has[split] - each_has[other] if each_has[other] else ():
            wrong[found.path(split, label)] = f"is a class that {found.called[other]} does not have"
        if each_has[other] and not each_has[split]:
            advice = f"; remove it, or choose another with {knob}" if split == "test" else ""
            wrong[found.called[split]] = f"contains no class{advice}"
    for split, label in found.held:
        if not (split or whole) and counts[split, label] == 1:
            wrong[label] = "holds 1 image, which cannot be split into train and test"
        if reason := fault(label):
            wrong[found.path(split, label)] = f"is not a valid name for a class: it {reason}"
    for (split, label), times in Counter((split, seen(label)) for split, label in found.held).items():
        if times > 1:
            wrong[found.path(split, label)] = (
                "is the name of two classes that differ only in spaces or invisible characters"
            )
    classes = {label for _, label in found.held}
    if len(classes) < 2:
        wrong["."] = (
            f"contains {len(classes)} class{'es' * (not classes)}, but two are needed: folders of images, or train and "
            "test with such folders, or a table with columns such as path and label"
        )
    return wrong


def _held_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draws the test rows, bool `[n]`: the share of each class, but at least one image, and never all."""
    generator = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for label in range(labels.max() + 1):
        rows = generator.permutation(np.flatnonzero(labels == label))
        test[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    return test


def _report(problems: Problems, what: str) -> str:
    lines = [f"\n  - {cut(name, 1000)}: {problems[name]}" for name in sorted(problems)]
    more = f"\n  … and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    count = "1 file or folder" if len(lines) == 1 else f"{len(lines)} files or folders"
    return f"{count} {what}:{''.join(lines[:LISTED])}{more}"
