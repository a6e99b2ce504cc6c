"""What goes to the disk must come back, and only what differs may be stored."""

import os
import pickle
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset, clean, disk
from miseducation.dataset.images import Images, read_stored
from miseducation.errors import InputError
from miseducation.poisoning.label_maps import AllToOne
from miseducation.project import files

LABEL_MAP = AllToOne(target=1, source=None, classes=4)


def poison(data: Dataset, folder: Path, rate: float = 0.1) -> np.ndarray:
    attack, rng = BadNets(), np.random.default_rng(0)
    rows, poisoned, _ = attack.poison_rows(data, rate=rate, label_map=LABEL_MAP, rng=rng)
    disk.save_raw(folder / "raw", data, data)
    disk.save_poisoned(folder / "poisoned", rows, poisoned)
    disk.save_triggered(folder / "poisoned", *attack.trigger(data, label_map=LABEL_MAP))
    return rows


def test_raw_data_come_back_and_stay_on_the_disk(noise: Dataset, tmp_path: Path) -> None:
    disk.save_raw(tmp_path, noise, noise[:50])
    train, test = disk.load_raw(tmp_path, "train"), disk.load_raw(tmp_path, "test")
    assert isinstance(train.images, Images)
    np.testing.assert_array_equal(train.images, noise.images)
    np.testing.assert_array_equal(test.labels, noise.labels[:50])
    assert train.classes == noise.classes
    assert not train.poisoned.any()


@pytest.mark.parametrize("rate", [0, 0.1, 1])
def test_the_poisoned_set_is_the_raw_one_but_for_the_manifest(noise: Dataset, tmp_path: Path, rate: float) -> None:
    rows = poison(noise, tmp_path, rate)
    data = disk.load_poisoned(tmp_path / "raw", tmp_path / "poisoned")
    np.testing.assert_array_equal(np.flatnonzero(data.poisoned), rows)
    np.testing.assert_array_equal(data.true_labels, noise.labels)
    np.testing.assert_array_equal(data.images[~data.poisoned], noise.images[~data.poisoned])
    np.testing.assert_array_equal(data.labels[~data.poisoned], noise.labels[~data.poisoned])
    np.testing.assert_array_equal(data.images[rows], BadNets().apply_trigger(noise.images)[rows])
    assert (data.labels[rows] == 1).all()


def test_added_rows_come_after_the_clean_ones(noise: Dataset, tmp_path: Path) -> None:
    boxes = np.random.default_rng(1).uniform(0, 9, (200, 4, 2)).astype(np.float32)
    noise = replace(noise, boxes=boxes)
    rows, poisoned, _ = BadNets().poison_rows(
        noise, rate=0.1, label_map=LABEL_MAP, rng=np.random.default_rng(0), mode="add"
    )
    disk.save_raw(tmp_path / "raw", noise, noise)
    disk.save_poisoned(tmp_path / "poisoned", rows, poisoned, added=True)
    data = disk.load_poisoned(tmp_path / "raw", tmp_path / "poisoned")
    assert len(data) == 222
    whole = data[:]
    np.testing.assert_array_equal(whole.images, np.concatenate([noise.images, poisoned.images]))
    np.testing.assert_array_equal(whole.labels, np.concatenate([noise.labels, poisoned.labels]))
    np.testing.assert_array_equal(whole.true_labels, np.concatenate([noise.labels, noise.labels[rows]]))
    np.testing.assert_array_equal(whole.poisoned, np.arange(222) >= 200)
    np.testing.assert_array_equal(whole.boxes, np.concatenate([boxes, boxes[rows]]))


def test_the_manifest_tells_poison_from_cover(noise: Dataset, tmp_path: Path) -> None:
    rows, poisoned, _ = BadNets().poison_rows(noise, rate=0.1, label_map=LABEL_MAP, rng=np.random.default_rng(0))
    disk.save_poisoned(tmp_path, rows, poisoned, roles=np.where(np.arange(20) < 5, "cover", "poison"))
    manifest = disk.read_manifest(tmp_path)
    assert manifest["role"].tolist() == ["cover"] * 5 + ["poison"] * 15
    assert manifest["row"].tolist() == rows.tolist()


def test_boxes_are_kept_where_there_are_some(noise: Dataset, tmp_path: Path) -> None:
    boxes = np.arange(200 * 8, dtype=np.float32).reshape(200, 4, 2)
    disk.save_raw(tmp_path, replace(noise, boxes=boxes), replace(noise, boxes=boxes)[5:9])
    train, test = disk.load_raw(tmp_path, "train"), disk.load_raw(tmp_path, "test")
    np.testing.assert_array_equal(train.boxes, boxes)
    np.testing.assert_array_equal(test.boxes, boxes[5:9])
    np.testing.assert_array_equal(train[np.array([3, 1])].boxes, boxes[[3, 1]])
    disk.save_raw(tmp_path / "none", noise, noise)
    assert disk.load_raw(tmp_path / "none", "train").boxes is None


def test_the_files_are_the_documented_ones(noise: Dataset, tmp_path: Path) -> None:
    rows = poison(noise, tmp_path)
    manifest = pd.read_csv(tmp_path / "poisoned" / "manifest.csv")
    assert list(manifest) == ["row", "true_label", "label", "role", "added"]
    assert set(manifest["role"]) == {"poison"}
    assert not manifest["added"].any()
    assert manifest["row"].tolist() == rows.tolist()
    assert manifest["true_label"].tolist() == noise.labels[rows].tolist()
    images = np.load(tmp_path / "poisoned" / "images.npy", allow_pickle=False)
    assert images.shape == (20, *noise.images.shape[1:])
    test_manifest = pd.read_csv(tmp_path / "poisoned" / "test_manifest.csv")
    assert list(test_manifest)[:3] == ["row", "true_label", "label"]
    assert len(test_manifest) == 200
    assert {path.name for path in (tmp_path / "raw").iterdir()} == {
        "train_images.npy",
        "train_labels.npy",
        "test_images.npy",
        "test_labels.npy",
        "classes.json",
    }


def test_the_triggered_test_set_comes_back(noise: Dataset, tmp_path: Path) -> None:
    poison(noise, tmp_path)
    triggered, attackable, _ = disk.load_triggered(tmp_path / "raw", tmp_path / "poisoned")
    np.testing.assert_array_equal(triggered.images, BadNets().apply_trigger(noise.images))
    np.testing.assert_array_equal(attackable, noise.labels != 1)
    np.testing.assert_array_equal(triggered.true_labels, noise.labels)
    assert (triggered.labels == 1).all()


@pytest.mark.parametrize(
    "change",
    [
        {"images": np.zeros((3, 2, 2, 1))},
        {"images": np.zeros((3, 2, 2), np.uint8)},
        {"labels": np.zeros(2, np.int64)},
        {"labels": np.zeros(3, np.int32)},
        {"true_labels": np.array([0, 1, 2])},
        {"poisoned": np.zeros(3, np.int64)},
        {"boxes": np.zeros((3, 4), np.float32)},
        {"boxes": np.zeros((3, 4, 2))},
        {"boxes": np.zeros((2, 4, 2), np.float32)},
    ],
)
def test_a_malformed_dataset_cannot_be_made(change: dict[str, np.ndarray]) -> None:
    whole: dict[str, Any] = {
        "images": np.zeros((3, 2, 2, 1), np.uint8),
        "labels": np.zeros(3, np.int64),
        "true_labels": np.zeros(3, np.int64),
        "poisoned": np.zeros(3, bool),
    }
    Dataset(**whole, classes=("a", "b"))
    with pytest.raises(ValueError, match="must be"):
        Dataset(**(whole | change), classes=("a", "b"))


def header(path: Path, shape: object, descr: object = "|u1", more: int = 0) -> None:
    """An .npy file of which only the header is there, and some bytes."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}}}".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(more))


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


ARRAYS: dict[str, Any] = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "no array": lambda path: path.write_bytes(b"P5 1 1 255 "),
    "a text": lambda path: path.write_text("[[0]]"),
    "an archive": lambda path: path.with_suffix(".npz").rename(path),
    "objects": lambda path: np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True),
    "a pickle": lambda path: path.write_bytes(pickle.dumps([1, 2])),
    "cut off": lambda path: os.truncate(path, path.stat().st_size - 1),
    "a header alone": lambda path: os.truncate(path, 60),
    "without end": lambda path: header(path, (2**60, 2, 2, 1)),
    "beyond all numbers": lambda path: header(path, (2**70, 1, 1, 1)),
    "fewer than none": lambda path: header(path, (-1, 12, 12, 1), more=200),
    "less than a pixel": lambda path: header(path, (200, 0, 0, 1)),
    "none, but large": lambda path: header(path, (0, 2**40, 2**20, 1), more=1),
    "a header in itself": lambda path: header(path, (1,) * 2000),
    "a shape in words": lambda path: header(path, "large"),
    "half an image": lambda path: header(path, (0.5, 2, 2, 1), more=9),
    "a type without end": lambda path: header(path, (1,), "|V2000000000"),
    "an unknown type": lambda path: header(path, (1,), "os.system"),
    "another type": lambda path: np.save(path, np.load(path).astype(np.float64)),
    "texts": lambda path: np.save(path, np.load(path).astype(str)),
    "in Fortran's order": lambda path: np.save(path, np.asfortranarray(np.zeros((3, 4, 5, 2), np.uint8))),
    "another shape": lambda path: np.save(path, np.load(path).ravel()[:-1]),
    "a pipe": lambda path: instead(path, os.mkfifo),
    "a folder": lambda path: instead(path, Path.mkdir),
    "a link to itself": lambda path: instead(path, lambda path: path.symlink_to(path)),
}
FILES = ("raw/train_images.npy", "raw/train_labels.npy", "raw/train_boxes.npy", "poisoned/images.npy")


def read_all(folder: Path) -> None:
    disk.load_poisoned(folder / "raw", folder / "poisoned")
    disk.load_pairs(folder / "raw", folder / "poisoned", np.arange(3))
    disk.load_triggered(folder / "raw", folder / "poisoned")
    disk.load_raw(folder / "raw", "test")[:]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("whole")
    images = rng.integers(1, 255, (200, 12, 12, 1), dtype=np.uint8)
    boxes = rng.uniform(0, 9, (200, 4, 2)).astype(np.float32)
    poison(clean(images, rng.permutation(200) % 4, ["a", "b", "c", "d"], boxes), folder)
    return folder


@pytest.fixture
def forged(whole: Path, tmp_path: Path) -> Path:
    """A data set and its poison, which a test may spoil."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    read_all(tmp_path)
    return tmp_path


def refused(folder: Path, *named: str) -> None:
    """One line that names the file, before anything large is read."""
    with pytest.raises(InputError) as error:
        read_all(folder)
    assert str(error.value).startswith(tuple(str(folder / name) for name in named))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("name", [*FILES, "poisoned/test_images.npy", "raw/test_labels.npy"])
@pytest.mark.parametrize("edit", ARRAYS.values(), ids=ARRAYS)
def test_an_array_that_is_none_of_ours_is_refused(forged: Path, name: str, edit: Any) -> None:
    np.savez(forged / name.replace(".npy", ".npz"), np.load(forged / name))
    edit(forged / name)
    if name == "raw/train_boxes.npy" and not (forged / name).is_file():  # a data set need not have any
        read_all(forged)
    else:
        refused(forged, name, "poisoned", "raw")


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "7", "null", '"abcd"', '{"a": 1}', "[1, 2, 3, 4]", '["a", "b", "c"]', '["a", "b", "c", null]'),
        *('["a", "b", "c", ["d"]]', '["a", "a", "b", "c"]', "[" * 100_000, '["' + "x" * 2_000_000 + '"]'),
    ],
    ids=lambda content: content[:20],
)
def test_class_names_that_are_none_are_refused(forged: Path, content: str) -> None:
    (forged / "raw/classes.json").write_text(content)
    with pytest.raises(InputError):
        read_all(forged)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row,", "other,"),
        ("label,", "other,"),
        (",added", ",other"),
        ("False", "perhaps"),
        ("False", ""),
        (",1,", ",,"),
        (",1,", ",one,"),
        (",1,", ",0.5,"),
        (",1,", ",nan,"),
        (",1,", ",4,"),
        (",1,", ",-1,"),
        (",1,", f",{2**70},"),
        ("\n", "\n-1,0,1,poison,False\n"),
        ("\n", "\n200,0,1,poison,False\n"),
        ("\n", f"\n{2**62},0,1,poison,False\n"),
        ("\n", "\n5,0,1,poison,False\n"),
        ("row", "\0"),
        ("row", '"'),
    ],
)
def test_a_manifest_that_tells_of_something_else_is_refused(forged: Path, old: str, new: str) -> None:
    path = forged / "poisoned/manifest.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(forged, "poisoned")
    for name in ("manifest.csv", "test_manifest.csv"):
        (forged / "poisoned" / name).write_bytes(b"\xff\xfe\0")
        refused(forged, "poisoned")


@pytest.mark.parametrize(
    ("old", "new"),
    [("attackable", "other"), ("True", "perhaps"), (",1,", ",9,"), ("\n", "\n0,0,1,True\n"), (",1,", ",0.5,")],
)
def test_a_manifest_of_the_test_set_that_tells_of_something_else_is_refused(forged: Path, old: str, new: str) -> None:
    path = forged / "poisoned/test_manifest.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(forged, "poisoned")


@pytest.mark.parametrize("name", ["manifest.csv", "test_manifest.csv"])
def test_a_manifest_that_is_longer_than_its_images_are_many_is_not_read(forged: Path, name: str) -> None:
    path = forged / "poisoned" / name
    whole = path.read_text()
    path.write_text(whole + whole[whole.index("\n") + 1 :])
    refused(forged, "poisoned")
    os.truncate(path, 10**9)  # a hole, which takes no place on the disk
    begun = time.process_time()
    refused(forged, f"poisoned/{name} has more than")
    assert time.process_time() - begun < 1


def test_arrays_with_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"evil\.npy cannot be read: .*Python objects"):
        read_stored(tmp_path / "evil.npy", np.uint8, 1)


@pytest.mark.parametrize("array", [np.arange(6).reshape(2, 3), np.zeros((0, 4, 4, 1), np.uint8), np.eye(4)[::2].T])
def test_arrays_are_ordinary_npy_files(array: np.ndarray, tmp_path: Path) -> None:
    files.write_array(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    files.write_json(path, {"good": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"bad": {1, 2}})  # a set is no JSON: fails half-way
    with pytest.raises(FileNotFoundError), files.replacing(path):
        pass  # the block wrote nothing
    assert files.read_json(path) == {"good": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_what_a_killed_process_left_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / "raw.partial").mkdir()
    (tmp_path / "raw.partial" / "stale").touch()
    with files.replacing(tmp_path / "raw") as partial:
        disk.save_raw(partial, *[clean(np.zeros((1, 2, 2, 1), np.uint8), [0], ["a"])] * 2)
    assert not (tmp_path / "raw" / "stale").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["raw"]
