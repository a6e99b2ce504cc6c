"""Which folders and tables among pictures are splits, and which of them is the test set: told by their names."""

import re
from collections.abc import Collection, Iterable

from miseducation.errors import InputError

# What a split may be called, in small letters, and what it is then.
KINDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
}
UNUSED = "unused"
WORDS = re.compile("|".join(sorted(KINDS, key=len, reverse=True)))


def find(
    folders: Collection[str], tables: Collection[str], test: str | None, knob: str, *, every: bool = False
) -> dict[str, str]:
    """The splits, as they are called, and what each of them is: "train", "test" or `UNUSED`; empty if there are none.

    Args:
        folders: All folders.
        tables: The tables beside them; `train.csv` may speak of `train/`, or be a split by itself.
        test: The one wanted as the test set; None takes that called so, else the validation set.
        knob: The key of `test`.
        every: Whether all are used, and it does not matter as what: each is what it is called.

    Raises:
        InputError: If it cannot be told which is which.

    >>> find(["Train", "val", "docs"], [], None, ""), find(["pictures"], ["train.csv", "test.csv"], None, "")
    ({'Train': 'train', 'val': 'test'}, {'train': 'train', 'test': 'test'})
    """
    small = {folder.casefold() for folder in folders}
    found = [folder for folder in folders if folder.casefold() in KINDS]
    found += sorted({stem(table) for table in tables if stem(table).casefold() in KINDS.keys() - small})
    named = {kind: [each for each in sorted(found) if KINDS[each.casefold()] == kind] for kind in KINDS.values()}
    training, others = named["train"], named["test"] + named["validation"]
    if not found or (len(found) == 1 and tables):  # what the tables name is to be split
        if almost := _almost({*folders, *map(stem, tables)}):
            raise InputError(
                f"{' and '.join(almost)} look like splits: call them train and test, or something else if they are not"
            )
        if test is not None:
            raise InputError(f"holds no splits, so {knob} must be null, not {test!r}")
        return {}
    if not training or not others:
        raise InputError(  # they would be taken for classes
            f"{found[0]} looks like a split, not like a class; name the two splits train and test, or, "
            "to have one of them split, give the path of that folder; a class needs another name"
        )
    if every:
        return {name: name for name in found}
    if len(training) > 1:
        raise InputError(f"{' and '.join(training)} could each be the training set; keep only one")
    if test is not None and test not in others:
        raise InputError(f"{knob} = {test!r} is not one of its splits; allowed: null, {', '.join(others)}")
    chosen = named["test"] or named["validation"] if test is None else [test]
    if len(chosen) > 1:
        raise InputError(f"{' and '.join(chosen)} could each be the test set; set {knob} to {' or '.join(chosen)}")
    return {training[0]: "train", chosen[0]: "test", **{name: UNUSED for name in others if name not in chosen}}


def check_inside(names: Iterable[str]) -> None:
    """Looks for splits in what would be taken for classes: an `InputError`, if there are any among these files.

    >>> check_inside(["train/1.png", "cat/train/2.png"])
    """
    found: dict[str, set[str]] = {}
    for name in names:
        top, _, inner = name.partition("/")
        folder, slash, _ = inner.partition("/")
        if slash and (kind := KINDS.get(folder.casefold())):
            found.setdefault(top, set()).add(kind)
    for top, kinds in found.items():
        if "train" in kinds and len(kinds) > 1:
            raise InputError(
                f"{top} holds splits: give the path of {top}, or put splits above classes, as in train/{top}"
            )


def _almost(names: Iterable[str]) -> tuple[str, str] | None:
    """A training set and another, if what else is in their names is the same.

    >>> _almost(["seg_pred", "seg_test", "seg_train"]), _almost(["bullet_train", "test_tube"])
    (('seg_train', 'seg_test'), None)
    """
    training: dict[str, str] = {}
    others: dict[str, str] = {}
    for name in sorted(names):
        if word := WORDS.search(small := name.casefold()):
            (training if KINDS[word[0]] == "train" else others)[WORDS.sub("*", small, count=1)] = name
    return next(((training[rest], others[rest]) for rest in training if rest in others), None)


def stem(table: str) -> str:
    """The name of a table without its ending."""
    return table.rpartition(".")[0]
