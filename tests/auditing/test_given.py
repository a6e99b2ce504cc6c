"""What may be audited, under which names."""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from miseducation.auditing.given import Given, read_given, read_trusted
from miseducation.auditing.section import AuditSection, read_audit
from miseducation.errors import InputError
from miseducation.project import own_files

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 5, 6, 3), dtype=np.uint8)
LABELS = np.arange(12) % 3


def read(path: Path, *, colour: bool = True) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[str]]:
    before = own_files.digest(path)
    found = read_given(str(path), shape=(5, 6), colour=colour)
    assert own_files.digest(path) == before, "the user's files stay as they are"
    assert found.source[own_files.KEY] == before
    return found.images[:], found.labels, found.classes, found.files


def pictures(folder: Path, *splits: str) -> Path:
    for row, image in enumerate(IMAGES):
        split = splits[row // 3 % len(splits)] if splits else "."
        place = folder / split / f"class {LABELS[row]}" / f"{row:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
    return folder


def test_pictures_go_by_their_files(tmp_path: Path) -> None:
    images, labels, classes, files = read(pictures(tmp_path / "mine"))
    assert classes == ("class 0", "class 1", "class 2")
    for image, label, file in zip(images, labels, files, strict=True):
        row = int(Path(file).stem)
        assert file == f"class {LABELS[row]}/{row:02}.png"
        assert label == LABELS[row]
        np.testing.assert_array_equal(image, IMAGES[row])


def test_all_splits_of_a_folder_are_looked_at(tmp_path: Path) -> None:
    splits = "train", "test", "val", "Validation"
    images, labels, _, files = read(pictures(tmp_path / "mine", *splits))
    assert len(files) == len(set(files)) == 12
    assert {file.split("/")[0] for file in files} == {*splits}
    for image, label, file in zip(images, labels, files, strict=True):
        row = int(Path(file).stem)
        assert label == LABELS[row]
        np.testing.assert_array_equal(image, IMAGES[row])


def test_splits_may_have_other_classes(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine", "train", "test", "val")
    (folder / "train/class 0").rename(folder / "train/other")
    shutil.rmtree(folder / "val/class 2")
    shutil.rmtree(folder / "test")
    assert read(folder)[2] == ("class 0", "class 1", "class 2", "other")


@pytest.mark.parametrize("where", ["root", "split"])
def test_tables_speak_of_all_splits(tmp_path: Path, where: str) -> None:
    folder = pictures(tmp_path / "mine", "train", "test", "val")
    for split in ("train", "test", "val"):
        names = sorted(path.relative_to(folder / split) for path in (folder / split).rglob("*.png"))
        lines = "".join(f"{name},of {split}\n" for name in names)
        (folder / (f"{split}.csv" if where == "root" else f"{split}/labels.csv")).write_text(f"path,label\n{lines}")
    _, _, classes, files = read(folder)
    assert classes == ("of test", "of train", "of val")
    assert len(files) == 12


@pytest.mark.parametrize("hidden", ["class 0/.a.PNG", ".class 3/a.png", "class 0/__MACOSX/deep/a.png"])
def test_hidden_pictures_are_told_of_as_others_may_learn_them(tmp_path: Path, hidden: str) -> None:
    folder = pictures(tmp_path / "mine")
    for name in (hidden, "class 0/.DS_Store", "class 0/Thumbs.db"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "class 0/00.png", folder / name)
    with pytest.warns(UserWarning, match=rf"audit\.data: left out 1 hidden picture, .*: {re.escape(hidden)}$"):
        given = read_given(str(folder), shape=(5, 6), colour=True)
    assert len(given.labels) == 12
    assert given.source["skipped"] == {hidden: "is hidden"}


def test_a_class_may_have_one_picture(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine")
    (folder / "alone").mkdir()
    shutil.copy(folder / "class 0/00.png", folder / "alone")
    assert "alone" in read(folder)[2]


@pytest.mark.parametrize("names", [("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels")])
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_arrays_need_no_test_split(tmp_path: Path, names: tuple[str, str], kind: str) -> None:
    arrays: dict[str, Any] = dict(zip(names, (IMAGES, LABELS), strict=True))
    if kind == "npz":
        path = tmp_path / "mine.npz"
        np.savez(path, **arrays)
    else:
        path = tmp_path / "mine"
        path.mkdir()
        for name, array in arrays.items():
            np.save(path / f"{name}.npy", array)
    images, labels, classes, files = read(path)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert (classes, files) == (("0", "1", "2"), [])


@pytest.mark.parametrize("kind", ["nothing", "empty", "one class", "pickle", "text"])
def test_what_cannot_be_audited_is_told(tmp_path: Path, kind: str) -> None:
    path, told = (
        tmp_path / "mine",
        r"does not exist \(relative paths start at the root of the project\); allowed: a folder of",
    )
    if kind != "nothing":
        path.mkdir()
        told = "(?s)audit.data = .*contains 0 classes, but two"
    if kind == "one class":
        (path / "a").mkdir()
        Image.fromarray(IMAGES[0]).save(path / "a/1.png")
        told = "(?s)audit.data = .*contains 1 class, but two"
    if kind == "pickle":
        path = tmp_path / "mine.npz"
        np.savez(path, images=np.array([{}, {}], dtype=object), labels=LABELS[:2])
        told = "contains pickled Python objects"
    if kind == "text":
        path = tmp_path / "mine.txt"
        path.write_text("pictures")
        told = "is neither an .npz file nor a folder"
    with pytest.raises(InputError, match=told):
        read_given(str(path), shape=(5, 6), colour=True)


def test_names_that_are_no_text_can_be_written(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "mine")
    (folder / "class 0" / "00.png").rename(folder / "class 0" / "a\udcff\n<b>.png")
    *_, files = read(folder)
    assert all(file.encode() and file.isprintable() for file in files)


def trusted(place: Path, given: Given) -> Any:
    return read_trusted(AuditSection(data="unread", trusted=str(place), shape=(5, 6)), given)


def test_trusted_rows_have_the_labels_of_the_data(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "known")
    shutil.rmtree(folder / "class 1")
    given = Given(IMAGES, LABELS, ("class 2", "more", "class 0"), [], {})
    images, labels = trusted(folder, given)
    assert np.bincount(labels).tolist() == [4, 0, 4]
    assert {image.tobytes() for image in images[labels == 0]} == {image.tobytes() for image in IMAGES[LABELS == 2]}
    assert read_trusted(AuditSection(data="unread"), given) is None


def test_trusted_rows_that_are_no_more_of_the_same_are_refused(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "known")
    with pytest.raises(
        InputError, match=r"audit\.trusted = .* has the class 'class 2'; allowed: those of the data, class 0"
    ):
        trusted(folder, Given(IMAGES, LABELS % 2, ("class 0", "class 1"), [], {}))
    with pytest.raises(InputError, match=r"audit\.trusted = .* has images of 5×6×3, .*; allowed: 5×6×1"):
        trusted(folder, Given(IMAGES[..., :1], LABELS, ("class 0", "class 1", "class 2"), [], {}))
    with pytest.raises(InputError, match=r"params\.yaml: audit\.trusted = .* does not exist"):
        trusted(tmp_path / "nowhere", Given(IMAGES, LABELS, ("class 0", "class 1", "class 2"), [], {}))


def test_what_stands_in_the_environment_takes_the_place_of_the_knobs(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_audit().trusted is None
    monkeypatch.setenv("AUDIT_DATA", "mine")
    monkeypatch.setenv("AUDIT_TRUSTED", "known")
    assert (read_audit().data, read_audit().trusted) == ("mine", "known")
