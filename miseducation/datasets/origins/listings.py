"""What people lay beside their pictures: tables of files and labels, and lists of classes, told apart by looking."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from miseducation.dataset.names import composed, shown
from miseducation.errors import InputError
from miseducation.project import foreign, own_files

TABLES = (".csv", ".tsv")  # what a table's name ends in
LISTS = (".txt", ".names", ".lst")  # and a list's
# Columns, in small letters and without what stands between words.
FILES = ("path", "filepath", "file", "filename", "image", "imagepath", "imagename")
LABELS = ("label", "class", "classname")
SPLITS = ("split", "subset", "set", "dataset", "datasplit", "partition")
CLASS_LISTS = ("classes", "classnames", "classlist", "labelnames")  # a list of this name has to be right
LARGEST = 2**28  # bytes of a table
MANY = 20  # texts that are looked at


class Row(NamedTuple):
    """A file as a table names it, its label, composed, and its split, if there is a column of splits."""

    file: str
    label: str
    split: str


def read_table(path: Path) -> list[Row] | None:
    """The rows of a table of files and labels; None if the columns are others, or it is no table.

    Separators may be commas, semicolons or tabs.

    Raises:
        InputError: If two columns may be meant, it cannot be read, or a row is longer or shorter than the first.
    """
    try:
        foreign.check(path, LARGEST)
        with path.open("rb") as file:
            first = file.readline(foreign.SMALL).decode("utf-8-sig", "replace")
        separator = max(",;\t", key=first.count)
        columns = [_plain(name) for name in next(csv.reader([first], delimiter=separator, skipinitialspace=True), [])]
    except (InputError, OSError, csv.Error):
        return None
    places = [[place for place, name in enumerate(columns) if name in known] for known in (FILES, LABELS)]
    if not all(places):
        return None
    for found, what in zip(places, ("files", "labels"), strict=True):
        if len(found) > 1:
            both = " and ".join(columns[place] for place in found)
            raise InputError(f"{path.name} has {len(found)} columns that may hold the {what}, {both}: leave one")
    (name,), (label,) = places
    split = next((place for place, name in enumerate(columns) if name in SPLITS), None)

    def parse(text: str) -> list[Row]:
        lines = csv.reader(
            io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=separator, skipinitialspace=True
        )
        rows: list[Row] = []
        for line in lines:
            if line and len(line) != len(columns):
                raise ValueError(f"line {lines.line_num} has {len(line)} values, the first has {len(columns)}")
            if len(rows) > own_files.MOST:
                raise ValueError(f"it has more than {own_files.MOST:,} rows")
            if line:
                rows.append(
                    Row(line[name].strip(), composed(line[label].strip()), "" if split is None else line[split])
                )
        return rows[1:]

    return foreign.read(path, parse, largest=LARGEST)


def read_lists(root: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """The lines of the texts among these files, composed, without empty ones; none, if a text is long or damaged.

    Where there are many texts, those called as lists of classes are looked at first, and not all others. An
    `InputError`, if one of these cannot be read.
    """
    found: dict[str, list[str]] = {}
    texts = (name for name in names if name.lower().endswith(LISTS))
    for name in sorted(texts, key=lambda name: (not names_classes(name), name))[:MANY]:
        found[name] = []
        with suppress(*(() if names_classes(name) else (InputError,))):
            lines = foreign.read(root / name, str).removeprefix("\ufeff").splitlines()
            found[name] = [composed(line.strip()) for line in lines if line.strip()]
    return found


def names_classes(name: str) -> bool:
    """Whether a file is called as a list of the classes, such as `classes.txt`."""
    return _plain(name.rpartition(".")[0]) in CLASS_LISTS


def are_numbers(labels: AbstractSet[str]) -> bool:
    """Whether all labels are whole numbers."""
    return all(label.isascii() and label.isdigit() and len(label) < 16 for label in labels)


def miscounted(lines: list[str]) -> bool:
    """Whether numbers before or behind the names count the lines, from 0 or 1, but in another order.

    >>> miscounted(["1 cat", "0 dog"]), miscounted(["0 cat", "1 dog"])
    (True, False)
    """
    for place in (r"^\d{1,9}\b", r"\b\d{1,9}$"):
        numbers = [int(found[0]) for line in lines if (found := re.search(place, line))]
        ascending = [*range(min(numbers, default=0), len(lines) + min(numbers, default=0))]
        if ascending[:1] in ([0], [1]) and numbers != ascending == sorted(numbers):
            return True
    return False


def in_order(classes: AbstractSet[str], lists: Mapping[str, list[str]]) -> list[str]:
    """The classes in the order of the list that names them, of all lists by name; else by number, or by the alphabet.

    Raises:
        InputError: If a list that is called so does not name them all, each once, or two have different orders.

    >>> in_order({"2", "10"}, {}), in_order({"b", "a"}, {"any.txt": ["b", "a"], "notes.txt": ["by me"]})
    (['2', '10'], ['b', 'a'])
    """
    fitting = {name: lines for name, lines in lists.items() if lines and sorted(lines) == sorted(classes)}
    for name in filter(names_classes, sorted(lists.keys() - fitting.keys()) if classes else ()):
        lines = lists[name]
        faults = {
            "names classes without pictures": sorted({*lines} - classes),
            "lacks": sorted(classes - {*lines}),
            "names twice": sorted(line for line, times in Counter(lines).items() if times > 1),
        }
        told = "; ".join(f"{what}: {_some(found)}" for what, found in faults.items() if found)
        raise InputError(f"{name} must name each class once, one per line, but {told}")
    if len({*map(tuple, fitting.values())}) > 1:
        raise InputError(f"{' and '.join(sorted(fitting))} name the classes in different orders: keep only one")
    if fitting:
        return next(iter(fitting.values()))
    return sorted(classes, key=lambda label: (int(label), label)) if are_numbers(classes) else sorted(classes)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shown(name)[:100] for name in names[:5]) + more
