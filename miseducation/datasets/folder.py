"""Your own images: a folder with one folder per class, split into train and test already or not."""

from collections import Counter
from pathlib import Path
from typing import Annotated, NamedTuple, final

import numpy as np
from pydantic import Field

from miseducation.dataset import clean
from miseducation.dataset.names import composed, fault, seen, shown
from miseducation.dataset.picture_files import SUFFIXES, decode, in_threads
from miseducation.datasets import Fetched
from miseducation.datasets.origins.own import Own
from miseducation.project import own_files

SPLITS = ("train", "test")
LIKE_SPLITS = {"train", "training", "test", "testing", "val", "valid", "validation"}  # in small letters
LISTED = 50  # lines of a report on the screen
Pixels = Annotated[int, Field(ge=1, le=4096)]
Class = tuple[str, str]  # its folder: "train", "test" or "", and the class
Problems = dict[str, str]  # what is wrong, by name relative to the folder


class Picture(NamedTuple):
    """An image file: its name relative to the folder, and the two parts of its `Class`."""

    name: str
    split: str
    label: str


@final
class Folder(Own):
    """Image files of any size and kind, brought to one; classes are sorted by name, images by theirs."""

    path: Path | None = Field(
        None, description="a folder with train/<class>/ and test/<class>/, or with <class>/; from the project's root"
    )
    shape: tuple[Pixels, Pixels] = Field(
        (32, 32), description="[height, width], 1 to 4096 pixels; images are stretched"
    )
    colour: bool = Field(True, description="true for RGB, false for grey")
    test_share: float = Field(0.2, gt=0, lt=1, description="share of each class held out, between 0 and 1")
    seed: int = Field(1, ge=0, description="draws the images held out; 0 or more")
    skip_bad: bool = Field(False, description="true leaves out, and lists, what cannot be used")

    def fetch(self) -> Fetched:
        root = self.place()
        if not root.is_dir():
            raise self.refusal("is not a folder")
        try:
            pictures, held, bad = _scan(root)
        except OSError as error:
            raise self.refusal(f"{shown(error.filename)} cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise self.refusal(str(error)) from None
        source = self.record(root)
        images, unreadable = self._decode(root, pictures)
        bad |= unreadable
        good = [row for row, picture in enumerate(pictures) if picture.name not in bad]
        used = [pictures[row] for row in good]
        counts = Counter(picture[1:] for picture in used)
        bad = {_path(each): "holds no image that can be read" for each in held if not counts[each]} | bad
        if self.skip_bad:
            held = [each for each in held if counts[each]]
        worse = _mismatches(held, counts)
        if worse or (bad and not self.skip_bad):
            advice = "" if worse else f", or leave them out with {self.key()}.skip_bad: true"
            raise self.refusal(f"{_report(bad | worse, 'cannot be used')}\nMend or remove them{advice}.")
        if bad:
            print(f"{self.key()}: {_report(bad, 'left out')}", flush=True)
            source["skipped"] = {shown(name): bad[name] for name in sorted(bad)}

        classes = sorted({label for _, label in held})
        number = {label: i for i, label in enumerate(classes)}
        data = clean(images[good], [number[picture.label] for picture in used], classes)
        if used[0].split:
            test = np.array([picture.split == "test" for picture in used])
        else:
            test = _held_out(data.labels, self.test_share, self.seed)
        return Fetched(data[~test], data[test], source)

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


def _scan(root: Path) -> tuple[list[Picture], list[Class], Problems]:
    """Finds the image files, by name, also deep in a class's folder; all such folders; and the files that are stray."""
    tops = _folders(root)
    splits = SPLITS if set(SPLITS) <= set(tops) else ("",)
    if splits != SPLITS and (like := [top for top in tops if top.casefold() in LIKE_SPLITS]):
        raise ValueError(  # they would be taken for classes
            f"{like[0]} looks like a split, not like a class; name the two splits train and test, or, "
            "to have one of them split, give the path of that folder"
        )
    pictures, strays = [], {}
    for name in own_files.listing(root):
        split, _, inner = name.partition("/") if splits == SPLITS else ("", "", name)
        label, slash, _ = inner.partition("/")
        if (root / name).is_dir():
            strays[name] = "is a folder that cannot be read"
        elif (root / name).exists() and not (root / name).is_file():  # to open a pipe would be to wait for its writer
            strays[name] = "is neither a file nor a folder"
        elif split not in splits:
            strays[name] = "is in neither train nor test"
        elif not slash:
            strays[name] = "is in no class's folder"
        elif not name.lower().endswith(SUFFIXES):
            strays[name] = f"is no image by its name; those end in {', '.join(SUFFIXES)}"
        else:
            pictures.append(Picture(name, split, composed(label)))
    held = {(split, composed(label)): None for split in splits for label in _folders(root / split)}
    return pictures, [*held], strays


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not own_files.is_litter(path.name))


def _mismatches(held: list[Class], counts: Counter[Class]) -> Problems:
    """What is wrong with the classes as a whole, and cannot be left out."""
    train, test = ({label for split, label in held if split == each} for each in SPLITS)
    found = {f"train/{label}": "is a class that test lacks" for label in train - test}
    found |= {f"test/{label}": "is a class that train lacks" for label in test - train}
    for split, label in held:
        if not split and counts[split, label] == 1:
            found[label] = "holds 1 image, which cannot be split into train and test"
        if reason := fault(label):
            found[_path((split, label))] = f"is no name for a class: it {reason}"
    for (split, label), times in Counter((split, seen(label)) for split, label in held).items():
        if times > 1:
            found[_path((split, label))] = "is the name of two classes, but for spaces or what cannot be seen"
    classes = {label for _, label in held}
    if len(classes) < 2:
        found["."] = f"holds {len(classes)} class, needs two: folders of images, or train and test with such folders"
    return found


def _path(each: Class) -> str:
    return "/".join(filter(None, each))


def _held_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draws the test rows, bool `[n]`: the share of each class, but at least one image, and never all."""
    generator = np.random.default_rng(seed)
    test = np.zeros(len(labels), dtype=bool)
    for label in range(labels.max() + 1):
        rows = generator.permutation(np.flatnonzero(labels == label))
        test[rows[: min(max(round(share * len(rows)), 1), len(rows) - 1)]] = True
    return test


def _report(problems: Problems, what: str) -> str:
    lines = [f"\n  - {shown(name)}: {problems[name]}" for name in sorted(problems)]
    more = f"\n  … and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    count = "1 file or folder" if len(lines) == 1 else f"{len(lines)} files or folders"
    return f"{count} {what}:{''.join(lines[:LISTED])}{more}"
