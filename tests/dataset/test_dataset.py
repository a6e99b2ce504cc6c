"""What goes to the disk must come back, and only what differs may be stored."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset, clean, disk
from miseducation.dataset.images import Images
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
    triggered, attackable = disk.load_triggered(tmp_path / "raw", tmp_path / "poisoned")
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


def test_arrays_with_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        files.read_array(tmp_path / "evil.npy")


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
