"""Which pictures the tables beside them name, and as what."""

import posixpath
from collections.abc import Callable, Collection, Mapping
from functools import cache
from pathlib import Path, PureWindowsPath

from miseducation.dataset.names import composed
from miseducation.datasets.origins.listings import Row, are_numbers, miscounted, names_classes
from miseducation.datasets.origins.splits import UNUSED, stem
from miseducation.errors import InputError
from miseducation.project.messages import cut

Listed = dict[str, tuple[str, str]]  # by name: the split, "train", "test", `UNUSED` or "", and the label
OUT = "leads out of the folder"


def find(
    root: Path, names: Collection[str], tables: Mapping[str, list[Row]], splits: Mapping[str, str]
) -> tuple[Listed, dict[str, str]]:
    """The files that tables name, and what is wrong with others that they name.

    A name counts from the table's own folder; in `train.csv` it may also count from `train/`. It is looked up among
    the names that are there, and never on the disk: so none leads elsewhere, however it is written.

    Args:
        root: The folder.
        names: All files in it.
        tables: Their rows, by the names of the tables: in the folder, or in that of a split.
        splits: What each split is, see `splits.find`.

    Raises:
        InputError: If a table has no row that can be used: its pictures would be taken by their folders.
    """
    known, leads_out = {composed(name): name for name in names}, _leads_out(root)
    listed: Listed = {}
    wrong: dict[str, str] = {}
    spoken = {name.casefold(): name for name in splits or [name.partition("/")[0] for name in names]}

    def of(table: str) -> str:
        """The split or folder that a table speaks of, as it is called; empty if its files tell."""
        folder, _, file = table.rpartition("/")
        return folder or spoken.get(stem(file).casefold(), "")

    for table in sorted(tables, key=lambda table: (splits.get(of(table)) == UNUSED, table)):
        begun = len(listed)
        own, places = of(table), dict.fromkeys((table.rpartition("/")[0], of(table)))
        for file, label, _ in tables[table]:
            spellings = dict.fromkeys((composed(file), composed(file).replace("\\", "/")))
            paths = [posixpath.normpath(posixpath.join(place, each)) for each in spellings for place in places]
            name = next((known[path] for path in paths if path in known), None)
            split = splits.get(own or (name or "").partition("/")[0], None if splits else "")
            if split == UNUSED:
                if name is not None:
                    listed.setdefault(name, (UNUSED, ""))
                continue
            if name is None:
                reason = f"is named in {table}, but {_absence(file, paths)}"
            elif leads_out(name):
                reason = f"is named in {table}, but is, or lies behind, a link that {OUT}"
            elif split is None:
                reason = f"is named in {table}, but lies in no split"
            elif not label:
                reason = f"has no label in {table}"
            elif name in listed:
                reason = f"is named twice: in {table} as {label}, before that as {listed[name][1]}"
            else:
                listed[name] = split, label
                continue
            wrong[key := name or file or table] = reason
        if len(listed) == begun and splits.get(own) != UNUSED:
            raise InputError(f"{table} has no usable row, repair or remove it: {cut(key)} {reason}")
    found = {name: entry for name, entry in listed.items() if name not in wrong}
    return found, {name: cut(reason, 500) for name, reason in wrong.items()}


def translated(listed: Listed, lists: Mapping[str, list[str]]) -> Listed:
    """With names in place of numbers: of the lines of a list of the classes, counted from 0.

    Raises:
        InputError: If a label is beyond the last line, or the lines are numbered in another order.
    """
    labels = {label for split, label in listed.values() if split != UNUSED}
    for name in filter(names_classes, sorted(lists)):
        if labels and are_numbers(labels) and not labels & {*lists[name]}:
            if (largest := max(map(int, labels))) >= len(lists[name]):
                raise InputError(
                    f"has the label {largest} in a table, but {name} has only {len(lists[name])} names, counted from 0"
                )
            if miscounted(lists[name]):
                raise InputError(
                    f"{name} numbers its lines in another order: keep only the names, in the order of the labels"
                )
            return {file: (split, lists[name][int(label or 0)]) for file, (split, label) in listed.items()}
    return listed


def misplaced(listed: Listed) -> dict[str, str]:
    """What lies in the folder of another class than its table says."""
    labels = {label for _, label in listed.values()}
    parents = {name: composed(posixpath.basename(posixpath.dirname(name))) for name in listed}
    return {
        name: cut(f"is {label} in its table, but lies in a folder {parents[name]}", 500)
        for name, (split, label) in listed.items()
        if split != UNUSED and parents[name] != label and parents[name] in labels
    }


def _absence(file: str, paths: list[str]) -> str:
    """Why there is no file of that name."""
    if PureWindowsPath(file).anchor:  # as of Unix, too
        return "is not relative to the folder"
    return OUT if all(path.startswith("../") for path in paths) else "does not exist"


def _leads_out(root: Path) -> Callable[[str], bool]:
    """Tells whether a file below the root is, or lies behind, a link that leads out of it."""
    real = root.resolve()

    @cache
    def elsewhere(path: Path) -> bool:
        return not path.resolve().is_relative_to(real)

    return lambda name: elsewhere(path if (path := root / name).is_symlink() else path.parent)
