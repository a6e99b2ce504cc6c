"""GTSRB unpacked, as people have it: a training and a test set somewhere below a folder, told apart by their tables.

- As its authors' archives unpack, in one place or side by side: `GTSRB/Final_Training/Images/00014/GT-00014.csv`, or
  `GTSRB/Training/00014/…` as in torchvision's cache; `GTSRB/Final_Test/Images`; and `GT-final_test.csv`, anywhere.
- The widespread one: `Train.csv` and `Test.csv`, which name `Train/14/….png` and `Test/….png`.

Small and capital letters are alike. A picture that a table names is looked for among the files that are listed below
the folder, so no name in a table leads out of it; links that lie there are the user's own, and are followed.
"""

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from miseducation.dataset.names import shown
from miseducation.dataset.picture_files import SUFFIXES
from miseducation.datasets.origins.gtsrb_tables import ROWS, Row, rows
from miseducation.project import own_files
from miseducation.project.messages import cut

TABLE = re.compile(r"(.*/)?GT-\d{5}\.csv", re.IGNORECASE)  # one per class, beside its images
CLASSES_TABLE = "GT-final_test.csv"
BESIDE = f"../{CLASSES_TABLE}"  # of the folder GTSRB, where torchvision has it
LARGEST = 20_000_000  # bytes of a table or of a picture, many times those of the real ones


class Tree(NamedTuple):
    """A training and a test set: the names of their tables, and of the folders in which test images may be."""

    training: str  # "online" or "final", by the name of its folder
    train: list[str]
    test: list[str]  # of several, all hold the same
    places: list[str]


def contents(path: Path) -> bytes:
    """The bytes of a file; a ValueError says why it is none of ours."""
    if not path.is_file():  # to open a pipe would be to wait for its writer
        raise ValueError("is not a file")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"has more than {LARGEST:,} bytes")
    return path.read_bytes()


def listing(root: Path) -> list[str]:
    """The names of the files below a folder, relative to it, and of `BESIDE` if that is there and needed."""
    names = own_files.listing(root)
    needed = not any(_is_classes_table(name) for name in names) and (root / BESIDE).is_file()
    return [*names, BESIDE] if needed else names


def find(names: Sequence[str], wanted: str) -> Tree | None:
    """The tree among the files below a folder, by their names alone; None if there is no training set.

    Args:
        names: Their names, see `listing`.
        wanted: Which training set if there are both, "online" or "final".

    Raises:
        ValueError: If there are several, or its test set is not there.
    """
    above, tables_of = _folders(names), defaultdict[str, list[str]](list)  # what each folder has for a Test.csv
    for name in names:
        if posixpath.basename(name).casefold() == "test.csv":
            tables_of[posixpath.dirname(name)].append(name)
    classes: dict[str, list[str]] = defaultdict(list)  # tables by the folder that all classes lie in
    trees: dict[str, Tree] = {}
    for name in names:
        folder, last = posixpath.split(name)
        if TABLE.fullmatch(name):
            classes[posixpath.dirname(folder)].append(name)
        elif last.casefold() == "train.csv" and posixpath.join(folder, "train").casefold() in above:
            trees[name] = Tree("final", [name], tables_of[folder], [])
    tests = [name for name in names if _is_classes_table(name)]
    images = {posixpath.dirname(name) for name in names if name.lower().endswith(SUFFIXES)}
    places = sorted(place for place in images if place.casefold().endswith("final_test/images"))
    for folder, tables in classes.items():
        kind = posixpath.basename(folder).casefold()
        if "test" not in kind:  # of the competition's online test set, which the final training set holds
            trees[folder or "."] = Tree("online" if kind == "training" else "final", tables, tests, places)
    fitting = {name: tree for name, tree in trees.items() if tree.training == wanted} or trees
    if len(fitting) > 1:
        several = cut(", ".join(sorted(fitting)))
        raise ValueError(
            f"contains several training sets, {several}; give a folder with only one of them and the test set"
        )
    for name, tree in fitting.items():
        if not tree.test:
            table = "Test.csv beside it" if name in names else f"{CLASSES_TABLE}, which its authors publish by itself"
            raise ValueError(f"holds the training set {shown(name)}, but not {table}: the classes of the test images")
        return tree
    return None


def _folders(names: Sequence[str]) -> set[str]:
    """All folders that files lie in, at whatever depth, in small letters."""
    found: set[str] = set()
    for name in names:
        folder = posixpath.dirname(name.casefold())
        while folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


def _is_classes_table(name: str) -> bool:
    return posixpath.basename(name).casefold() == CLASSES_TABLE.casefold()


def read(root: Path, names: Sequence[str], tree: Tree) -> tuple[list[Row], list[Row]]:
    """The rows of the training and of the test set, each with a file that is there.

    Raises:
        ValueError: If a table is damaged, or contradicts a class's folder, or names an image twice, or one that is not
            there.
    """
    # As the table has it, else in other letters, or as another kind of picture.
    known = {_stem(name): name for name in names if name.lower().endswith(SUFFIXES)} | {name: name for name in names}
    train = [row for table in tree.train for row in _present(root, table, [], known)]
    test, *others = [_present(root, table, tree.places, known) for table in tree.test]
    if any(other != test for other in others):
        raise ValueError(f"contains several different tables of the test images: {cut(', '.join(tree.test))}")
    for row in train:
        folder = posixpath.basename(posixpath.dirname(row.name))
        if folder.isdecimal() and int(folder) != row.label:
            where = f"of class {row.label} by its table and of {int(folder)} by its folder"
            raise ValueError(f"{shown(row.name)} is {where}")
    twice = [name for name, count in Counter(row.name for row in train + test).items() if count > 1]
    if twice:
        raise ValueError(f"names {len(twice):,} images in more than one row of its tables, such as {shown(twice[0])}")
    return train, test


def _present(root: Path, table: str, places: Sequence[str], known: dict[str, str]) -> list[Row]:
    """The rows of a table, each with the name of its file, which lies beside the table or in one of those places."""
    try:
        found = list(rows(contents(root / table)))
    except ValueError as error:
        raise ValueError(f"{shown(table)}: {error}") from None
    files = max((_files(found, place, known) for place in (posixpath.dirname(table), *places)), key=_there)
    if absent := [row.name for row, file in zip(found, files, strict=True) if not file]:
        share = f"{len(absent):,} of the {len(found):,} images that {shown(table)} names"
        raise ValueError(f"{share} are missing, such as {cut(absent[0])}")
    return [row._replace(name=file) for row, file in zip(found, files, strict=True)]


def _files(found: Sequence[Row], place: str, known: dict[str, str]) -> list[str]:
    """The files that rows name if those lie in this place, empty where they do not."""
    names = [posixpath.join(place, row.name.replace("\\", "/")) for row in found]
    return [known.get(name) or known.get(_stem(name), "") for name in names]


def _there(files: Sequence[str]) -> int:
    return len(files) - files.count("")


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0].casefold()


def doubts(tree: Tree, wanted: str, train: Sequence[Row], test: Sequence[Row]) -> Iterator[str]:
    """What makes of the rows a part of GTSRB, or another training set than wanted, or boxes of another scale.

    Raises:
        ValueError: If they are no part of it.
    """
    for what, found, kinds in (("training", train, ("online", "final")), ("test", test, ("test",))):
        if not found:
            raise ValueError(f"holds no {what} images: their table is empty")
        counted = Counter(row.label for row in found)
        counts, most = tuple(counted[label] for label in range(len(ROWS["test"]))), ROWS[kinds[-1]]
        if over := [label for label, count in enumerate(counts) if count > most[label]]:
            label = over[0]
            raise ValueError(
                f"holds {counts[label]:,} {what} images of class {label}, of which GTSRB has {most[label]:,}"
            )
        kind = next((kind for kind in kinds if ROWS[kind] == counts), None)
        if kind is None:
            none = ", ".join(str(label) for label, count in enumerate(counts) if not count)
            whole = " or ".join(f"{sum(ROWS[kind]):,}" for kind in kinds)
            yield f"holds {len(found):,} {what} images, not {whole}{none and f', and none of class {none}'}"
        if what == "training" and (kind or tree.training) != wanted:
            yield f"holds the training set {kind or tree.training}, which is taken although training is {wanted}"
        if off := sum(row.is_off() for row in found):
            yield (
                f"holds {off:,} {what} images with a box far from the middle, where GTSRB's are: "
                "are box, width and height in its table of one scale?"
            )
