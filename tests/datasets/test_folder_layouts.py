"""The data set `folder`, laid out as people have it: splits tables, lists, and what lies beside pictures."""

import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miseducation.datasets import Fetched
from miseducation.datasets.folder import Folder
from miseducation.datasets.origins import listings
from miseducation.errors import InputError
from miseducation.project import own_files
from tests.datasets.made import needs_pipes, picture

LEVELS = iter(range(10**9))


def lay(root: Path, **splits: dict[str, int]) -> Path:
    """Pictures 0.png, 1.png, … in folders, so many in each; `_` is the root itself."""
    for split, classes in splits.items():
        for label, count in classes.items():
            draw(root, *(f"{split}/{label}/{i}.png".removeprefix("_/") for i in range(count)))
    return root


def draw(root: Path, *names: str) -> Path:
    """Pictures of one grey level: the number in their name."""
    for name in names:
        level = int("0" + "".join(filter(str.isdigit, Path(name).stem)))
        write(root, name, picture(np.full((3, 3), level, np.uint8), "PNG"))
    return root


def write(root: Path, name: str, content: bytes | str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def refused(root: Path, **knobs: Any) -> str:
    with pytest.raises(InputError) as error:
        Folder(path=root, **knobs).fetch()
    text = str(error.value)
    assert text.startswith(f"params.yaml: datasets.folder.path = '{root}': ")
    return text.removeprefix(f"params.yaml: datasets.folder.path = '{root}': ")


def shown(fetched: Fetched) -> list[list[tuple[str, int]]]:
    """The class and the grey level of each picture, of the training and of the test set."""
    return [
        [(data.classes[label], int(image[0, 0, 0])) for label, image in zip(data.labels, data.images, strict=True)]
        for data in fetched[:2]
    ]


# What belongs to no class

BESIDE = (
    *("README.md", "readme.txt", "README", "LICENSE", "LICENCE.txt", "labels.json", "notes.csv", "data.zip"),
    *("pictures.tar.gz", "look.ipynb", "dataset.yaml", "paper.pdf", "make.py", "x.npz", "a.db", "list.xml", "CITATION"),
)


@pytest.mark.parametrize("split", [False, True])
def test_what_belongs_to_no_class_is_left_out_with_one_warning_and_recorded(tmp_path: Path, split: bool) -> None:
    root = lay(tmp_path, train={"a": 2, "b": 2}, test={"a": 1, "b": 1}) if split else lay(tmp_path, _={"a": 3, "b": 3})
    alone = Folder(path=root).fetch()
    assert "skipped" not in alone.source
    folders = ("", "train", "train/a", "docs", "train/notebooks") if split else ("", "a", "b/deep", "docs")
    for folder in folders:
        for name in BESIDE:
            write(root, f"{folder}/{name}".lstrip("/"), f"{name} is no picture\n")
    with pytest.warns(UserWarning, match="left out") as warned:
        found = Folder(path=root).fetch()
    assert len(warned) == 1
    told = str(warned[0].message)
    assert told.startswith("datasets.folder: left out, as they are not pictures of a class: CITATION, LICENCE.txt, ")
    assert told.endswith(f" and {len(folders) * len(BESIDE) - 10} more")
    assert set(found.source["skipped"]) == {f"{folder}/{name}".lstrip("/") for folder in folders for name in BESIDE}
    assert shown(found) == shown(alone)
    assert found.train.classes == ("a", "b")


HEADS = {"PNG": "PNG", "JPEG": "JPEG", "GIF": "GIF", "BMP": "BMP", "TIFF": "TIFF", "WEBP": "WEBP", "PPM": "PPM"}


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("name", ["a/lost", "a/lost.png.bak", "a/deep/lost.part", "lost", "b/lost.download"])
def test_what_looks_like_a_picture_is_never_left_out_unsaid(tmp_path: Path, kind: str, name: str) -> None:
    lay(tmp_path, _={"a": 2, "b": 2})
    write(tmp_path, name, picture(np.zeros((3, 3, 3), np.uint8), kind))
    assert f"  - {name}: looks like a picture; the names of pictures that are read end in .bmp, " in refused(tmp_path)
    assert list(Folder(path=tmp_path, skip_bad=True).fetch().source["skipped"]) == [name]


@pytest.mark.parametrize("name", ["a/x.HEIC", "x.avif", "b/x.svg", "a/deep/x.jfif", "x.tga", "deep/x.cr2", "a/x.jp2"])
def test_pictures_of_kinds_that_are_not_read_are_named(tmp_path: Path, name: str) -> None:
    write(lay(tmp_path, _={"a": 2, "b": 2}), name, "whatever")
    assert f"  - {name}: looks like a picture" in refused(tmp_path)


@pytest.mark.parametrize("to", ["nowhere", "c"])
@pytest.mark.parametrize("split", ["", "train/"])
def test_a_link_to_nowhere_may_be_a_class_and_is_not_left_out_unsaid(tmp_path: Path, to: str, split: str) -> None:
    lay(tmp_path, train={"a": 2, "b": 2}, test={"a": 2, "b": 2}) if split else lay(tmp_path, _={"a": 2, "b": 2})
    (tmp_path / f"{split}c").symlink_to(to)
    assert f"  - {split}c: cannot be read: " in refused(tmp_path)
    assert list(Folder(path=tmp_path, skip_bad=True).fetch().source["skipped"]) == [f"{split}c"]


@needs_pipes
def test_a_pipe_that_is_no_picture_is_not_waited_for(tmp_path: Path) -> None:
    lay(tmp_path, _={"a": 2, "b": 2})
    for name in ("pipe", "a/pipe", "labels.csv", "a.txt"):
        os.mkfifo(tmp_path / name)
    with pytest.warns(UserWarning, match=r"class: a.txt, a/pipe, labels.csv, pipe$"):
        Folder(path=tmp_path, skip_bad=True).fetch()


def test_an_empty_folder_is_a_class_that_lost_its_pictures(tmp_path: Path) -> None:
    (lay(tmp_path, _={"a": 2, "b": 2}) / "c").mkdir()
    assert "  - c: contains no image" in refused(tmp_path)


@pytest.mark.parametrize("stray", ["stray.png", "train/stray.png", "docs/stray.png", "train/a/stray.heic"])
def test_what_names_tell_is_told_before_anything_is_read(tmp_path: Path, stray: str) -> None:
    for i in range(30):
        for label in ("train/a", "train/b", "test/a", "test/b"):
            write(tmp_path, f"{label}/{i}.png", b"would be listed, if it were read")
    with (tmp_path / "test/b/hole.zip").open("wb") as file:
        file.truncate(2 * own_files.LARGEST)  # so would this
    write(tmp_path, stray, b"")
    text = refused(tmp_path)
    assert text.startswith(f"1 file or folder cannot be used:\n  - {stray}: ")
    (tmp_path / stray).unlink()
    draw(tmp_path, "train/c/1.png")
    assert refused(tmp_path).startswith(
        "1 file or folder cannot be used:\n  - train/c: is a class that test does not have"
    )


def test_ten_strays_among_thousands_are_told_at_once(tmp_path: Path) -> None:
    draw(tmp_path, "train/a/0.png")
    for label in ("train/a", "train/b", "test/a", "test/b"):
        (tmp_path / label).mkdir(parents=True, exist_ok=True)
        for i in range(1, 3001):
            (tmp_path / label / f"{i}.png").hardlink_to(tmp_path / "train/a/0.png")
    draw(tmp_path, *(f"stray{i}.png" for i in range(10)))
    begun = time.process_time()
    assert refused(tmp_path).count(": is in neither train nor test\n") == 10
    assert time.process_time() - begun < 0.6, "CPU seconds: a fifth of what 60,000 may take"


# Splits


@pytest.mark.parametrize("training", ["train", "Train", "training", "TRAINING"])
@pytest.mark.parametrize("testing", ["test", "Test", "testing", "val", "Valid", "validation"])
def test_splits_may_be_called_as_they_are(tmp_path: Path, training: str, testing: str) -> None:
    lay(tmp_path, **{training: {"a": 3, "b": 3}, testing: {"a": 2, "b": 1}})
    train, test, source = Folder(path=tmp_path).fetch()
    assert (len(train), len(test), train.classes) == (6, 3, ("a", "b"))
    assert "skipped" not in source
    assert len(Folder(path=tmp_path, test=testing).fetch().test) == 3


@pytest.mark.parametrize(("test", "count", "left"), [(None, 4, "val"), ("test", 4, "val"), ("val", 6, "test")])
def test_the_knob_says_which_is_the_test_set(tmp_path: Path, test: str | None, count: int, left: str) -> None:
    lay(tmp_path, train={"a": 1, "b": 1}, test={"a": 2, "b": 2}, val={"a": 3, "b": 3})
    write(tmp_path, f"{left}/metadata.csv", "path,label\n1.png\n")
    write(tmp_path, f"{left}/c/lost.heic", "of a split that nobody reads")
    with pytest.warns(UserWarning, match=rf"a class: {left}$") as warned:
        found = Folder(path=tmp_path, test=test).fetch()
    assert len(warned) == 1
    assert len(found.test) == count
    assert found.source["skipped"][left] == "is a split that is not used"


def test_a_class_that_a_split_lacks_is_named_as_it_is_found(tmp_path: Path) -> None:
    lay(tmp_path, Train={"a": 1, "b": 1, "c": 1}, valid={"a": 1, "b": 1, "d": 1})
    assert sorted(refused(tmp_path).splitlines()[1:3]) == [
        "  - Train/c: is a class that valid does not have",
        "  - valid/d: is a class that Train does not have",
    ]


@pytest.mark.parametrize(
    ("tops", "test", "said"),
    [
        (
            ["train", "val", "valid"],
            None,
            "val and valid could each be the test set; set datasets.folder.test to val or",
        ),
        (["train", "test", "testing"], None, "test and testing could each be the test set; set datasets.folder.test"),
        (
            ["train", "Test", "test"],
            None,
            "Test and test could each be the test set; set datasets.folder.test to Test o",
        ),
        (
            ["train", "test", "val"],
            "dev",
            "datasets.folder.test = 'dev' is not one of its splits; allowed: null, test, val",
        ),
        (["train", "test"], "train", "datasets.folder.test = 'train' is not one of its splits; allowed: null, test"),
        (["train", "training", "test"], None, "train and training could each be the training set; keep only one"),
        (["cat", "dog"], "dog", "holds no splits, so datasets.folder.test must be null, not 'dog'"),
        (["test", "val"], None, "test looks like a split, not like a class; name the two splits train and test"),
        (["cat", "validation"], None, "validation looks like a split, not like a class"),
    ],
)
def test_splits_that_may_be_either_are_refused(tmp_path: Path, tops: list[str], test: str | None, said: str) -> None:
    lay(tmp_path, **{top: {"a": 2, "b": 2} for top in tops})
    for skip_bad in (False, True):
        assert refused(tmp_path, test=test, skip_bad=skip_bad).startswith(said)
    for name in tops[1:] if "each be the test" in said else ():
        assert len(Folder(path=tmp_path, test=name, skip_bad=True).fetch().test) == 4 if len(tops) < 3 else True


@pytest.mark.parametrize(
    ("training", "testing"),
    [
        *(("training_set", "test_set"), ("seg_train", "seg_test"), ("train2017", "val2017"), ("trainset", "testset")),
        *(("Train images", "Validation images"), ("x.Training", "x.VALID"), ("trainA", "testA")),
    ],
)
@pytest.mark.parametrize("tables", [False, True])
def test_what_is_called_almost_as_splits_becomes_neither_classes_nor_one_set(
    tmp_path: Path, training: str, testing: str, tables: bool
) -> None:
    """They would be the classes, or the test set would be learned from, and nothing would tell."""
    lay(tmp_path, **{f"{'images/' * tables}{split}": {"cat": 2, "dog": 2} for split in (training, testing)})
    for split in (training, testing) if tables else ():
        text = "".join(f"images/{split}/{name},{name[:3]}\n" for name in ("cat/0.png", "cat/1.png", "dog/0.png"))
        write(tmp_path, f"{split}.csv", f"path,label\n{text}")
    lay(tmp_path, seg_pred={"seg_pred": 2})
    said = f"{training} and {testing} look like splits: call them train and test, or something else if they are not"
    for skip_bad in (False, True):
        assert refused(tmp_path, skip_bad=skip_bad).startswith(said)


@pytest.mark.parametrize("classes", [("train_station", "test_tube"), ("training_set", "trainset"), ("latest", "val2")])
def test_classes_may_be_called_almost_as_splits(tmp_path: Path, classes: tuple[str, str]) -> None:
    lay(tmp_path, _=dict.fromkeys(classes, 2))
    assert Folder(path=tmp_path).fetch().train.classes == tuple(sorted(classes))


@pytest.mark.parametrize("column", ["split", "Subset", "SET", "data set", "data_split", "partition"])
def test_a_column_of_splits_is_not_passed_over(tmp_path: Path, column: str) -> None:
    draw(tmp_path, *(f"{i}.png" for i in range(8)))
    rows = [f"{i}.png,{'ab'[i % 2]}," for i in range(8)]
    write(
        tmp_path,
        "all.csv",
        "\n".join([f"path,label,{column}", *(f"{row}{('Train', 'val')[row > '5']}" for row in rows)]),
    )
    assert refused(tmp_path).startswith(
        "all.csv has a column of splits, which is not supported; write train.csv and test.csv"
    )
    write(tmp_path, "all.csv", "\n".join([f"path,label,{column}", *(f"{row}train" for row in rows)]))
    assert len(Folder(path=tmp_path).fetch().train) == 6
    write(tmp_path, "all.csv", "\n".join([f"path,label,{column}", *(f"{row}photo{row[0]}" for row in rows)]))
    assert len(Folder(path=tmp_path).fetch().train) == 6
    lay(tmp_path / "other", train={"a": 1, "b": 1}, test={"a": 1, "b": 1})
    table = f"path,label,{column}\n" + "".join(f"{s}/{c}/0.png,{c},{s}\n" for s in ("train", "test") for c in "ab")
    write(tmp_path / "other", "all.csv", table)
    assert len(Folder(path=tmp_path / "other").fetch().train) == 2


@pytest.mark.parametrize("lone", ["train", "Train"])
@pytest.mark.parametrize(("table", "place"), [("train.csv", ""), ("train.csv", "{}/"), ("labels.csv", "{}/")])
def test_a_single_split_with_a_table_beside_it_is_split_by_share(
    tmp_path: Path, lone: str, table: str, place: str
) -> None:
    draw(tmp_path, *(f"{lone}/{i}.png" for i in range(20)))
    write(
        tmp_path, table, "\n".join(["image,label", *(f"{place.format(lone)}{i}.png,{'ab'[i % 2]}" for i in range(20))])
    )
    train, test = shown(Folder(path=tmp_path).fetch())
    assert (len(train), len(test)) == (16, 4)
    assert all(label == "ab"[level % 2] for label, level in train + test)


def test_a_split_without_classes_is_one_fault_and_says_what_to_do(tmp_path: Path) -> None:
    draw(lay(tmp_path, train={"a": 1, "b": 1, "c": 1}, val={"a": 1, "b": 1, "c": 1}), "test/1.png")
    assert refused(tmp_path).splitlines()[1:] == [
        "  - test: contains no class; remove it, or choose another with datasets.folder.test",
        "  - test/1.png: is in no class's folder",
        "Repair or remove them.",
    ]


@pytest.mark.parametrize("training", ["train", "Training"])
@pytest.mark.parametrize("testing", ["test", "Val"])
def test_splits_below_what_would_be_classes_are_refused(tmp_path: Path, training: str, testing: str) -> None:
    """The pictures of all classes would be one, or the test set would be learned from."""
    data = lay(tmp_path / "one", data={f"{training}/a": 1, f"{training}/b": 1, f"{testing}/a": 1}, preview={"": 2})
    said = "data holds splits: give the path of data, or put splits above classes, as in train/data"
    assert refused(data, skip_bad=True) == said
    each = {training: 2, testing: 2}
    assert refused(lay(tmp_path / "two", cat=each, dog=each)).startswith("cat holds splits: ")
    lay(tmp_path / "three", cat={training: 2, "station": 2}, dog={testing: 2})
    assert Folder(path=tmp_path / "three").fetch().train.classes == ("cat", "dog")


def test_an_unused_split_is_left_out_in_one_word_also_where_a_table_names_its_pictures(tmp_path: Path) -> None:
    names = [f"{split}/{i}.png" for split in ("train", "val", "test") for i in range(4)]
    write(
        draw(tmp_path, *names), "all.csv", "path,label\n" + "".join(f"{name},{int(name[-5]) % 2}\n" for name in names)
    )
    with pytest.warns(UserWarning, match=r"a class: val$"):
        assert Folder(path=tmp_path).fetch().source["skipped"] == {"val": "is a split that is not used"}


# Tables

HEADERS = [
    "path,label",
    "file,label",
    "filename,class",
    "image,label",
    "file_name,label",
    "File Name,Class",
    "Path,LABEL",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("style", ["plain", "excel", "quoted", "tabs"])
def test_a_table_in_a_split_names_its_labels(tmp_path: Path, header: str, style: str) -> None:
    rows = [header, "1.png,dog", "deep/2.png,cat", "3.png,dog"]
    name, text = "metadata.csv", "\n".join(rows)
    if style == "excel":
        text = "\ufeff" + "\r\n".join(rows).replace(",", ";") + "\r\n\r\n"
    if style == "quoted":
        text = "\n".join(",".join(f'"{each}"' for each in row.split(",")) for row in rows) + "\n"
    if style == "tabs":
        name, text = "labels.tsv", text.replace(",", "\t")
    for split in ("train", "validation"):
        write(draw(tmp_path, *(f"{split}/{each}.png" for each in ("1", "deep/2", "3"))), f"{split}/{name}", text)
    found = Folder(path=tmp_path).fetch()
    assert shown(found) == [[("dog", 1), ("dog", 3), ("cat", 2)]] * 2
    assert found.train.classes == ("cat", "dog")
    assert "skipped" not in found.source


PLACES = {
    "beside": ("{split}.csv", "images/{split}{i}.png", "images/{split}{i}.png"),
    "from the root": ("{split}.csv", "{split}/{i}.png", "{split}/{i}.png"),
    "from the split": ("{split}.csv", "{split}/{i}.png", "{i}.png"),
    "dots": ("{split}.csv", "{split}/{i}.png", "./{split}/../{split}//{i}.png"),
    "backslashes": ("{split}.csv", "{split}/deep/{i}.png", ".\\{split}\\deep\\{i}.png"),
    "inside": ("{split}/any.csv", "{split}/deep/{i}.png", "deep/{i}.png"),
    "from inside to beside": ("{split}/metadata.csv", "images/{split}{i}.png", "../images/{split}{i}.png"),
    "one for both": ("all.csv", "{split}/{i}.png", "{split}/{i}.png"),
    "as class folders": ("{split}.csv", "{split}/{label}/{i}.png", "{split}/{label}/{i}.png"),
}


@pytest.mark.parametrize("place", PLACES)
def test_tables_lie_where_people_lay_them(tmp_path: Path, place: str) -> None:
    tables: dict[str, str] = {}
    for split in ("train", "test"):
        for i in range(4):
            names = {"split": split, "i": i, "label": "ab"[i % 2]}
            table, path, written = (text.format(**names) for text in PLACES[place])
            draw(tmp_path, path)
            tables[table] = tables.get(table, "path,label\n") + f"{written},{names['label']}\n"
    for table, text in tables.items():
        write(tmp_path, table, text)
    found = Folder(path=tmp_path).fetch()
    assert [sorted(split, key=lambda pair: pair[1]) for split in shown(found)] == [
        [("a", 0), ("b", 1), ("a", 2), ("b", 3)]
    ] * 2
    assert "skipped" not in found.source


@pytest.mark.parametrize("table", ["labels.csv", "train.csv", "metadata.csv", "Pictures of mine.tsv"])
def test_one_table_alone_is_split_by_share(tmp_path: Path, table: str) -> None:
    draw(tmp_path, *(f"images/{i}.png" for i in range(20)))
    write(tmp_path, table, "".join(["image\tlabel\n", *(f"images/{i}.png\t{'ab'[i % 2]}\n" for i in range(20))]))
    assert [Counter(label for label, _ in split) for split in shown(Folder(path=tmp_path).fetch())] == [
        {"a": 8, "b": 8},
        {"a": 2, "b": 2},
    ]


def test_one_split_may_have_a_table_and_the_other_folders(tmp_path: Path) -> None:
    lay(tmp_path, Train={"a": 2, "b": 2})
    write(draw(tmp_path, "Test/7.png", "Test/8.png"), "Test.csv", "Path,Width,Label\nTest/8.png,3,a\nTest/7.png,3,b\n")
    assert shown(Folder(path=tmp_path).fetch())[1] == [("b", 7), ("a", 8)]


def test_a_table_of_an_unused_split_is_left_out_with_its_pictures(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        draw(tmp_path, f"images/{split}1.png", f"images/{split}2.png")
        text = f"file,label\nimages/{split}1.png,a\nimages/{split}2.png,b\n"
        write(tmp_path, f"{split}.csv", text + "images/gone.png,b\n" * (split == "val"))
    with pytest.warns(UserWarning, match=r"a class: images/val1.png, images/val2.png, val$"):
        assert shown(Folder(path=tmp_path).fetch()) == [[("a", 1), ("b", 2)]] * 2


def test_a_table_of_something_else_is_left_out(tmp_path: Path) -> None:
    lay(tmp_path, _={"a": 2, "b": 2})
    others: dict[str, str | bytes] = {
        "a.csv": "label,pixel1\n1,2\n",
        "b.csv": "path,width\nx,1\n",
        "c.csv": b"\xff\xfe\0",
        "d.csv": "",
        "e.tsv": '"',
    }
    for name, content in others.items():
        write(tmp_path, name, content)
    write(tmp_path, "a/labels.csv", "path,label\nnowhere.png,a\n")  # in a class's folder, where nobody looks for it
    with pytest.warns(UserWarning, match="left out"):
        assert set(Folder(path=tmp_path).fetch().source["skipped"]) == {*others, "a/labels.csv"}


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (["gone.png,a"], ["gone.png: is named in labels.csv, but does not exist"]),
        (["0.png,a", "0.png,a"], ["0.png: is named twice: in labels.csv as a, before that as a"]),
        (["0.png,a", "./0.png,b"], ["0.png: is named twice: in labels.csv as b, before that as a"]),
        (["0.png,"], ["0.png: has no label in labels.csv"]),
        (["0.png,a\x1b"], [r"a\x1b: is not a valid name for a class: it contains a character that cannot be printed"]),
        ([f"0.png,{'a' * 300}"], [f"{'a' * 300}: is not a valid name for a class: it has 300"]),
        (["x.txt,a"], ["x.txt: is named in a table; the names of pictures that are read end in .bmp"]),
        ([",a"], ["labels.csv: is named in labels.csv, but does not exist"]),
        ([], ["0.png: is in no table"]),
        (["0.png,a", "b/9.png,a"], ["b/9.png: is a in its table, but lies in a folder b"]),
    ],
)
def test_what_a_table_says_wrongly_is_listed(tmp_path: Path, rows: list[str], lines: list[str]) -> None:
    good = [(i, "ab"[i % 2]) for i in range(1, 6)]
    draw(tmp_path, "0.png", *(f"{i}.png" for i, _ in good))
    write(tmp_path, "x.txt", "no picture")
    if any("b/9" in row for row in rows):
        draw(tmp_path, "b/9.png")
    write(tmp_path, "labels.csv", "\n".join(["path,label", *(f"{i}.png,{label}" for i, label in good), *rows]))
    text = refused(tmp_path)
    for line in lines:
        assert any(each.startswith(f"  - {line}") for each in text.splitlines()), text


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("C:\\x\\s1\\{}.png", "C:\\x\\s1\\3.png is named in labels.csv, but is not relative to the folder"),
        ("/x/s1/{}.png", "/x/s1/3.png is named in labels.csv, but is not relative to the folder"),
        ("../s1/{}.png", "../s1/3.png is named in labels.csv, but leads out of the folder"),
        ("s1/{}", "s1/3 is named in labels.csv, but does not exist"),
        (
            "link/{}.png",
            "link/3.png is named in labels.csv, but is, or lies behind, a link that leads out of the folder",
        ),
    ],
)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_no_folder_becomes_a_class_where_a_table_names_nothing(
    tmp_path: Path, written: str, reason: str, skip_bad: bool
) -> None:
    """With `skip_bad`, the folders of two cameras would be the classes."""
    root = lay(tmp_path / "own", _={"s1": 4, "s2": 4})
    draw(tmp_path, *(f"elsewhere/{i}.png" for i in range(4)))
    if "link" in written:
        (root / "link").symlink_to(tmp_path / "elsewhere")
    write(root, "labels.csv", "\n".join(["path,label", *(f"{written.format(i)},{'ab'[i % 2]}" for i in range(4))]))
    text = refused(root, skip_bad=skip_bad)
    assert text.startswith("labels.csv has no usable row, repair or remove it: ")
    assert text.endswith(reason)


def test_a_table_without_rows_is_none(tmp_path: Path) -> None:
    write(lay(tmp_path, train={"": 2}, extra={"": 2}), "labels.csv", "path,label\n")
    assert refused(tmp_path, skip_bad=True).startswith("train looks like a split, not like a class")
    (tmp_path / "train").rename(tmp_path / "other")
    with pytest.warns(UserWarning, match=r"a class: labels.csv$"):
        assert Folder(path=tmp_path).fetch().train.classes == ("extra", "other")


@pytest.mark.parametrize("separator", [", ", "; ", " , "])
def test_spaces_and_quotes_belong_to_no_label(tmp_path: Path, separator: str) -> None:
    draw(tmp_path, *(f"{i}.png" for i in range(4)))
    rows = [("path", "label"), *((f"{i}.png", '"a, b"' if i % 2 else "c") for i in range(4))]
    write(tmp_path, "labels.csv", "\n".join(separator.join(row) for row in rows))
    assert Folder(path=tmp_path).fetch().train.classes == ("a, b", "c")


@pytest.mark.parametrize("header", ["id,breed", "1.png,cat", "image_id,label"])
def test_who_has_another_table_is_told_what_is_read(tmp_path: Path, header: str) -> None:
    write(draw(tmp_path, "images/1.png", "images/2.png"), "labels.csv", f"{header}\n1.png,cat\n2.png,dog\n")
    assert "or a table with columns such as path and label\n" in refused(tmp_path)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("path,label\n1.png\n", "labels.csv cannot be read: line 2 has 1 values, the first has 2"),
        ("path,label\n1.png,a,b\n", "labels.csv cannot be read: line 2 has 3 values, the first has 2"),
        ("path,filename,label\n1.png,1.png,a\n", "labels.csv has 2 columns that may hold the files, path and filename"),
        ("path,class,label\n1.png,1,a\n", "labels.csv has 2 columns that may hold the labels, class and label: leave"),
        (b"path,label\n\xff.png,a\n", "labels.csv cannot be read: 'utf-8' codec can't decode byte 0xff"),
        ("path,label\n" + "x" * 200_000 + ",a\n", "labels.csv cannot be read: field larger than field limit"),
    ],
)
def test_a_table_that_cannot_be_understood_is_refused(tmp_path: Path, table: str | bytes, said: str) -> None:
    write(draw(tmp_path, "1.png"), "labels.csv", table)
    assert said in refused(tmp_path)


def test_the_rows_of_a_table_have_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(draw(tmp_path, "1.png"), "labels.csv", "path,label\n" + "1.png,a\n" * 30)
    monkeypatch.setattr(own_files, "MOST", 20)
    assert "labels.csv cannot be read: it has more than 20 rows" in refused(tmp_path)
    monkeypatch.setattr(listings, "LARGEST", 20)
    assert "1.png: is in no class's folder" in refused(tmp_path)


# Lists of classes


@pytest.mark.parametrize("name", ["classes.txt", "Class Names.txt", "obj.names", "anything.txt", "CLASSES.TXT"])
@pytest.mark.parametrize("text", ["dog\ncat\nbee\n", "\ufeffdog\r\n\r\ncat\r\n bee "])
def test_a_list_gives_the_order_of_the_classes(tmp_path: Path, name: str, text: str) -> None:
    write(lay(tmp_path, _={"cat": 2, "dog": 2, "bee": 2}), name, text)
    found = Folder(path=tmp_path).fetch()
    assert found.train.classes == ("dog", "cat", "bee")
    assert "skipped" not in found.source


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        ({"classes.txt": "cat\n"}, "classes.txt must name each class once, one per line, but lacks: bee, dog"),
        ({"classes.txt": "cat\ndog\nbee\nelk\n"}, "one per line, but names classes without pictures: elk"),
        ({"classes.txt": "cat\ndog\nbee\ncat"}, "one per line, but names twice: cat"),
        ({"classes.txt": "0 cat\n1 dog"}, "names classes without pictures: 0 cat, 1 dog; lacks: bee, cat, dog"),
        ({"classes.txt": ""}, "classes.txt must name each class once, one per line, but lacks: bee, cat, dog"),
        (
            {"classes.txt": "cat\ndog\nbee", "x.txt": "bee\ncat\ndog"},
            "classes.txt and x.txt name the classes in differ",
        ),
    ],
)
def test_a_list_that_says_otherwise_is_refused(tmp_path: Path, lists: dict[str, str], said: str) -> None:
    lay(tmp_path, _={"cat": 2, "dog": 2, "bee": 2})
    for name, text in lists.items():
        write(tmp_path, name, text)
    assert said in refused(tmp_path)


def test_a_list_names_the_numbers_of_a_table(tmp_path: Path) -> None:
    draw(tmp_path, *(f"{i}.png" for i in range(6)))
    write(tmp_path, "labels.csv", "".join(["path,label\n", *(f"{i}.png,{i % 3}\n" for i in range(6))]))
    assert Folder(path=tmp_path).fetch().train.classes == ("0", "1", "2")
    write(tmp_path, "classes.txt", "dog\ncat\nbee\n")
    train, test = shown(Folder(path=tmp_path).fetch())
    assert all(label == ("dog", "cat", "bee")[level % 3] for label, level in train + test)
    write(tmp_path, "classes.txt", "dog\ncat\n")
    assert "has the label 2 in a table, but classes.txt has only 2 names, counted from 0" in refused(tmp_path)


@pytest.mark.parametrize(
    "text", ["1 cat\n0 dog", "1: cat\n0: dog", "2 cat\n1 dog", "cat,1\ndog,0", "cat 2\ndog 1", "n01 1\nn02 0"]
)
def test_a_list_that_counts_otherwise_gives_no_wrong_names(tmp_path: Path, text: str) -> None:
    draw(tmp_path, *(f"{i}.png" for i in range(6)))
    write(tmp_path, "labels.csv", "".join(["path,label\n", *(f"{i}.png,{i % 2}\n" for i in range(6))]))
    write(tmp_path, "classes.txt", text)
    assert (
        refused(tmp_path)
        == "classes.txt numbers its lines in another order: keep only the names, in the order of the labels"
    )
    write(tmp_path, "classes.txt", "0 cat\n1 dog\n")
    assert Folder(path=tmp_path).fetch().train.classes == ("0 cat", "1 dog")


def test_where_no_picture_has_a_class_a_list_is_not_blamed(tmp_path: Path) -> None:
    write(draw(tmp_path, "0.png", "1.png"), "classes.txt", "cat\ndog\n")
    assert "  - 0.png: is in no class's folder\n" in refused(tmp_path)
    write(draw(tmp_path, "dog/2.png", "cat/3.png"), "labels.csv", "path,label\ndog/2.png,0\ncat/3.png,1\n")
    assert "  - cat/3.png: is dog in its table, but lies in a folder cat\n" in refused(tmp_path)


@pytest.mark.parametrize("labels", ["01", "ab"])
def test_a_list_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path: Path, labels: str) -> None:
    draw(tmp_path, *(f"{i}.png" for i in range(6)))
    write(tmp_path, "labels.csv", "".join(["path,label\n", *(f"{i}.png,{labels[i % 2]}\n" for i in range(6))]))
    write(tmp_path, "any.txt", "\xe4\n".encode("latin1"))
    write(tmp_path, "classes.txt", "a\nb\n".encode("utf-16"))
    assert "classes.txt cannot be read: 'utf-8' codec" in refused(tmp_path)
    write(tmp_path, "classes.txt", "x" * 2**21)
    assert "classes.txt has more than 1,048,576 bytes" in refused(tmp_path)


@given(st.sets(st.integers(0, 10**6), min_size=2, max_size=30))
@settings(max_examples=50)
def test_numbers_are_in_their_order_and_names_by_the_alphabet(numbers: set[int]) -> None:
    assert listings.in_order({str(each) for each in numbers}, {}) == [str(each) for each in sorted(numbers)]
    assert listings.in_order({f"c{each}" for each in numbers}, {}) == sorted(f"c{each}" for each in numbers)
