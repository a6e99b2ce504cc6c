"""How people lay out their pictures: told from names, tables and lists, before any picture is read."""

from collections.abc import Iterable
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from miseducation.dataset.names import composed
from miseducation.dataset.picture_files import LARGEST, SUFFIXES, looks_like_picture
from miseducation.datasets.origins import listed, listings, splits
from miseducation.datasets.origins.splits import UNUSED
from miseducation.errors import InputError
from miseducation.project import own_files

NO_CLASS = "belongs to no class"
Class = tuple[str, str]  # its split, as `splits.find` has it, or "", and its name
Problems = dict[str, str]  # what is wrong, by name relative to the folder


class Picture(NamedTuple):
    """A picture file: its name relative to the folder, and the two parts of its `Class`."""

    name: str
    split: str
    label: str


class Layout(NamedTuple):
    """What is in a folder.

    Attributes:
        pictures: Those to be read, by name.
        held: The classes of each split, also those without a picture.
        classes: Their names, in order.
        lost: What would be overlooked and looks as if it ought not to be.
        left: What belongs to no class.
        called: What the splits that are used are called there; empty if there are none.
    """

    pictures: list[Picture]
    held: list[Class]
    classes: list[str]
    lost: Problems
    left: Problems
    called: dict[str, str]

    def path(self, split: str, label: str) -> str:
        """A class, as if it were a folder."""
        return f"{self.called[split]}/{label}" if split else label


def survey(root: Path, test: str | None, knob: str, *, every: bool = False) -> Layout:
    """Looks through a folder: at names alone, but for tables, lists, and what has no name of a picture.

    Links to folders are followed.

    Args:
        root: The folder.
        test: Which split is the test set, as it is called there; None finds one.
        knob: The key of `test`.
        every: Whether all splits are read, see `splits.find`.

    Raises:
        InputError: If it cannot be told what is meant.
        OSError: If the folder, or that of a split, cannot be read.
    """
    names = own_files.listing(root)
    tops = [name for name in names if "/" not in name]
    folders, tables = _folders(root), _tables(root, tops)
    roles = splits.find(folders, tables, test, knob, every=every)
    used = {name for name, role in roles.items() if role != UNUSED}
    tables |= _tables(root, (name for name in names if name.count("/") == 1 and name.partition("/")[0] in used))
    for name, rows in tables.items() if not roles else ():
        kinds = {row.split.strip().casefold() for row in rows}
        if len(kinds) > 1 and kinds & splits.KINDS.keys():
            raise InputError(
                f"{name} has a column of splits, which is not supported; write train.csv and test.csv instead"
            )
    lists = listings.read_lists(root, tops)
    entries, lost = listed.find(root, names, tables, roles)
    entries = listed.translated(entries, lists)
    lost |= listed.misplaced(entries)
    by_table = {split for split, _ in entries.values()}

    def place(name: str) -> Class | None:
        """The class that a picture is of by its table, or by its folder; None if by neither."""
        if name in entries:
            return entries[name]
        top, _, inner = name.partition("/") if roles else ("", "", name)
        label, slash, _ = inner.partition("/")
        split = roles.get(top) if roles else ""
        return (split, composed(label)) if slash and split is not None and split not in by_table else None

    def no_place(name: str) -> str:
        """Why a picture is of no class."""
        top, slash, _ = name.partition("/")
        if roles and not (slash and top in roles):
            return f"is in neither {' nor '.join(name for name in roles if name in used)}"
        return "is in no table" if by_table & {roles.get(top, "")} else "is in no class's folder"

    left = {name: "is a split that is not used" for name, role in roles.items() if role == UNUSED}
    pictures = []
    for name in names:
        unread = name in tables or roles.get(name.partition("/")[0]) == UNUSED
        if name in lost or (unread and name not in entries):
            continue
        found = place(name)
        if found and found[0] == UNUSED:
            if not unread:
                left[name] = "is of a split that is not used"
        elif reason := _fault(root / name, listed=name in entries) or (None if found else no_place(name)):
            (left if reason == NO_CLASS else lost)[name] = reason
        elif found:
            pictures.append(Picture(name, *found))

    if not roles and not by_table:
        splits.check_inside(picture.name for picture in pictures)

    # A folder whose files all belong to no class, such as docs, is no class itself; an empty one is.
    beside = {place(name) for name in left} - {place(name) for name in lost}
    inside = {
        (split, composed(label)): None
        for top, split in (roles or {"": ""}).items()
        if split != UNUSED and split not in by_table and (root / top).is_dir()
        for label in (_folders(root / top) if top else folders)
    }
    held = [*dict.fromkeys([*(each[1:] for each in pictures), *(each for each in inside if each not in beside)])]
    classes = listings.in_order({label for _, label in held}, lists)
    left = {name: reason for name, reason in left.items() if not classes or lists.get(name) != classes}
    return Layout(pictures, held, classes, lost, left, {role: name for name, role in roles.items() if role != UNUSED})


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not own_files.is_litter(path.name))


def _tables(root: Path, names: Iterable[str]) -> dict[str, list[listings.Row]]:
    found = {name: listings.read_table(root / name) for name in names if name.lower().endswith(listings.TABLES)}
    return {name: rows for name, rows in found.items() if rows}


def _fault(path: Path, *, listed: bool) -> str | None:
    """Why a file cannot be read as a picture, if it cannot; `NO_CLASS`, if nothing says that it is one."""
    named = path.name.lower().endswith(SUFFIXES)
    try:
        status = path.stat()
    except OSError as error:  # a link to nowhere may have been one to a class
        return f"cannot be read: {error.strerror}"
    if S_ISDIR(status.st_mode):
        return "is a folder that cannot be read"
    if not S_ISREG(status.st_mode):  # to open a pipe would be to wait for its writer
        return "is neither a file nor a folder" if listed or named else NO_CLASS
    if named:
        return f"has more than {LARGEST:,} bytes" if status.st_size > LARGEST else None
    if listed or looks_like_picture(path):
        what = "is named in a table" if listed else "looks like a picture"
        return f"{what}; the names of pictures that are read end in {', '.join(SUFFIXES)}"
    return NO_CLASS
