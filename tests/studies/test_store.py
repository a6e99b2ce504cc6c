"""The store knows a cell by all that its outcome depends on, and by nothing else."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.poisoning.channels.web import Web
from miseducation.project import code
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.studies.cells import Outcome
from miseducation.studies.store import CellStore, Keys
from tests.studies.study_projects import made_bench

CELL = Cell(0, 0.1, 0, 1)
OUTCOME = Outcome({"clean_accuracy": 1 / 3, "poisoned_rows": 7}, 0.1, 0.05, 0.2)


@pytest.fixture
def bench(tmp_path: Path, digits: Fetched) -> Bench:
    return made_bench(tmp_path / "data", digits)


def with_arm(bench: Bench, **changes: Any) -> Bench:
    return replace(bench, arms=tuple(replace(arm, **changes) for arm in bench.arms))


def with_section(bench: Bench, **changes: Any) -> Bench:
    return with_arm(bench, section=bench.arms[0].section.model_copy(update=changes))


def with_names(bench: Bench, classes: list[str]) -> Bench:
    """Another order of the classes' names: `target: "8"` is another class then."""
    return replace(bench, train=replace(bench.train, classes=tuple(classes)))


def with_other_pixel(arm: Arm) -> Dataset:
    images = arm.triggered.images.copy()
    images[0, 0, 0] ^= 1
    return replace(arm.triggered, images=images)


def with_other_data(bench: Bench) -> Bench:
    folder = bench.folder.with_name("other")
    shutil.copytree(bench.folder, folder)
    labels = np.load(folder / "train_labels.npy")
    np.save(folder / "train_labels.npy", labels[::-1])
    return replace(bench, folder=folder)


@pytest.mark.parametrize(
    "change",
    [
        with_other_data,
        lambda bench: with_names(bench, [*"0123456", "8", "7", "9"]),
        lambda bench: replace(bench, learning=bench.learning.model_copy(update={"epochs": 2})),
        lambda bench: replace(bench, learning=bench.learning.model_copy(update={"augment": ["flip"]})),
        lambda bench: replace(bench, compute=bench.compute.model_copy(update={"threads": 2})),
        lambda bench: with_arm(bench, attack=BadNets(pixels=[(3, 3)], colour=254)),
        lambda bench: with_arm(bench, channel=Web()),
        lambda bench: with_arm(bench, label_map=replace(bench.arms[0].label_map, target=7)),
        lambda bench: with_arm(bench, triggered=with_other_pixel(bench.arms[0])),  # a picture on the disk
        lambda bench: with_arm(bench, attackable=~bench.arms[0].attackable),
        lambda bench: with_section(bench, mode="add"),
        lambda bench: with_section(bench, label_map="all-to-all"),
    ],
)
def test_what_a_cell_depends_on_is_part_of_its_name(bench: Bench, change: Callable[[Bench], Bench]) -> None:
    assert Keys(change(bench))(CELL, "scores") != Keys(bench)(CELL, "scores")


@pytest.mark.parametrize(
    "change",
    [
        lambda bench: replace(bench, measured=("scores", "visibility")),
        lambda bench: replace(bench, test=bench.test[:10]),  # which the folder holds
        lambda bench: with_section(bench, surrogate="clean", source=3, rate=0.3, cover=0.2),
        lambda bench: replace(bench, arms=(*bench.arms, *with_section(bench, name="sticker").arms)),
    ],
)
def test_what_a_cell_does_not_depend_on_is_not(bench: Bench, change: Callable[[Bench], Bench]) -> None:
    before = Keys(bench)(CELL, "scores")
    assert Keys(change(bench))(CELL, "scores") == before


def test_every_cell_has_a_name_of_its_own(bench: Bench, digits: Fetched, tmp_path: Path) -> None:
    keys = Keys(made_bench(tmp_path / "data", digits, BadNets(pixels=[(3, 3)]), BadNets(pixels=[(4, 4)])))
    cells = [Cell(*each) for each in product((0, 1), (0, 0.1), (0, 0.1), (1, 2))]
    assert len({keys(cell, "scores") for cell in cells} | {keys(CELL, "visibility")}) == len(cells) + 1
    assert keys(CELL._replace(rate=1), "scores") == keys(CELL._replace(rate=1.0), "scores")
    assert keys(CELL, "scores") == Keys(bench)(CELL, "scores"), "whatever other attacks there are"


@pytest.mark.parametrize(
    ("file", "known"),
    [
        ("attacks/badnets", False),
        ("attacks/sticker", True),
        ("networks/cnn", False),
        ("networks/resnet18", True),
        ("poisoning/channels/direct", False),
        ("poisoning/channels/web", True),
        ("poisoning/draws", False),
        ("scores/shares", False),
        ("studies/cells", False),
        ("studies/measurements/scores", False),
        ("studies/measurements/visibility", True),
        ("studies/prepare", True),
        ("studies/dose", True),
        ("figures/gallery", True),
        ("tracking/track", True),
    ],
)
def test_the_code_that_makes_a_cell_is_part_of_its_name(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, known: bool
) -> None:
    before = Keys(bench)(CELL, "scores")
    shutil.copytree(code.PACKAGE, tmp_path / "miseducation", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    assert Keys(bench)(CELL, "scores") == before
    with (tmp_path / f"miseducation/{file}.py").open("a") as module:
        module.write("\n# changed\n")
    assert (Keys(bench)(CELL, "scores") == before) == known


def test_the_store_keeps_what_it_is_given(tmp_path: Path) -> None:
    warned = OUTCOME._replace(seconds=1.5, warned=("hm",))
    CellStore(tmp_path / "deep/down.db").put({"a": OUTCOME, "b": OUTCOME})
    store = CellStore(tmp_path / "deep/down.db")
    store.put({"b": warned})
    assert store.get(["a", "b", "c"]) == {"a": OUTCOME, "b": warned}


FOUND: list[Any] = [[], None, 7, "x", {"a": "0.5"}, {"a": None}, {"a": True}]
WHOLE: list[Any] = [{"clean_accuracy": 0.5}, 0.1, 0.05, 0.2, []]


@pytest.mark.parametrize(
    "row",
    [
        *("", "{", "null", "7", "[]", "{}", '"text"', "[" * 100_000, b"\xff\xfe", b"", 5, 0.5),
        *(json.dumps(row) for row in (WHOLE[:4], [*WHOLE, 1], [WHOLE], dict(enumerate(WHOLE)))),
        *(json.dumps([found, *WHOLE[1:]]) for found in FOUND),
        *(json.dumps([{"a": number}, *WHOLE[1:]]) for number in (float("nan"), float("inf"), [0.5])),
        *(json.dumps([*WHOLE[:place], "1", *WHOLE[place + 1 :]]) for place in (1, 2, 3, 4)),
        *(json.dumps([*WHOLE[:place], None, *WHOLE[place + 1 :]]) for place in (1, 2, 3, 4)),
        *(json.dumps([*WHOLE[:place], float("nan"), *WHOLE[place + 1 :]]) for place in (1, 2, 3)),
        json.dumps([*WHOLE[:4], [7]]),
        json.dumps(WHOLE)[:-3],
        json.dumps(WHOLE) + "]",
    ],
    ids=lambda row: repr(row)[:40],
)
def test_a_damaged_row_is_trained_again(tmp_path: Path, row: object) -> None:
    store = CellStore(tmp_path / "studies.db")
    store.put({"a": OUTCOME, "b": OUTCOME, "c": OUTCOME})
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("UPDATE cells SET outcome = ? WHERE key <> 'b'", [row])
    with pytest.warns(UserWarning, match=r"studies\.db: 2 damaged results; their cells are trained again$") as warned:
        assert store.get(["a", "b", "c"]) == {"b": OUTCOME}
    assert len(warned) == 1
    store.put({"a": OUTCOME, "c": OUTCOME})
    assert store.get(["a", "b", "c"]) == dict.fromkeys("abc", OUTCOME)


@pytest.mark.parametrize(
    "row", [b"\xff", b"\xed\xa0\x80", json.dumps([*WHOLE[:4], ["?"]]).encode().replace(b"?", b"\xff")]
)
def test_a_row_that_is_no_text_is_trained_again(tmp_path: Path, row: bytes) -> None:
    store = CellStore(tmp_path / "studies.db")
    store.put({"a": OUTCOME, "b": OUTCOME})
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("UPDATE cells SET outcome = CAST(? AS TEXT) WHERE key = 'a'", [row])
    with pytest.warns(UserWarning, match="1 damaged results"):
        assert store.get(["a", "b"]) == {"b": OUTCOME}


@pytest.mark.parametrize(
    "made", ["CREATE TABLE cells (other)", "CREATE VIEW cells AS SELECT 1", 'CREATE TABLE cells ("\x1b[2J" NOT NULL)']
)
def test_the_store_of_another_is_told_with_a_way_out(tmp_path: Path, made: str) -> None:
    with closing(sqlite3.connect(tmp_path / "studies.db")) as database, database:
        database.execute(made)
    store = CellStore(tmp_path / "studies.db")
    for use in (lambda: store.get(["a"]), lambda: store.put({"a": OUTCOME})):
        with pytest.raises(InputError, match=r"; without this file, all cells are trained again$") as error:
            use()
        assert str(error.value).isprintable()


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "studies.db")
    store.put({"a": OUTCOME})
    assert isinstance(store.get(["a"])["a"].found["poisoned_rows"], int)


def test_a_store_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "studies.db").write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match=r"studies.db: file is not a database; without this file, all cells are"):
        CellStore(tmp_path / "studies.db")
    with pytest.raises(InputError, match=r": unable to open database file$"):
        CellStore(tmp_path)
