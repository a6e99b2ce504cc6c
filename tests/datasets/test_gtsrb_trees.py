"""GTSRB unpacked, in the layouts in which people have it: where the signs are, what is counted, what is refused."""

import csv
import io
import json
import os
import re
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from miseducation import datasets
from miseducation.dataset import Dataset
from miseducation.datasets import Fetched
from miseducation.datasets.gtsrb import TEST, Gtsrb
from miseducation.datasets.origins import gtsrb_trees
from miseducation.datasets.origins.gtsrb_tables import ROWS
from miseducation.datasets.origins.gtsrb_trees import Tree
from miseducation.datasets.origins.originals import Files
from miseducation.errors import InputError
from miseducation.project import own_files
from miseducation.project.files import write_json
from miseducation.project.yaml12 import load_yaml
from tests.datasets.made import (
    SIGN_FIELDS,
    authors_tree,
    gtsrb_archives,
    lay_out,
    needs_pipes,
    noise,
    picture,
    pin_gtsrb,
    sign,
    sign_table,
    tables_tree,
    torchvision_tree,
    zipped,
)

TREE = tables_tree()  # the smallest


@pytest.fixture
def as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plays a GTSRB of as few images as the trees made here have."""
    for kind, count in (("final", 2), ("online", 1), ("test", 1)):
        monkeypatch.setitem(ROWS, kind, (count,) * 43)


def below(folder: str, files: Files) -> Files:
    return {f"{folder}/{name}": content for name, content in files.items()}


def renamed(change: Callable[[str], str], files: Files) -> Files:
    return {change(name): content for name, content in files.items()}


def unpacked_side_by_side() -> Files:
    files = {}
    for name, content in authors_tree().items():
        archive = "GTSRB_Final_T" + ("raining_Images" if "Training" in name else "est_Images")
        name, archive = (name[-17:], "GTSRB_Final_Test_GT") if "GT-final_test.csv" in name else (name, archive)
        files[f"{archive}/{name}"] = content
    return files


LAYOUTS: dict[str, tuple[Callable[[], Files], str, str]] = {  # the files, what is given of them, and which training set
    "authors": (authors_tree, "", "final"),
    "authors, GTSRB itself": (authors_tree, "GTSRB", "final"),
    "authors, deeper": (lambda: below("a/b", authors_tree()), "", "final"),
    "authors, side by side": (unpacked_side_by_side, "", "final"),
    "authors, in small letters": (lambda: renamed(str.lower, authors_tree()), "", "final"),
    "authors, in capital letters": (lambda: renamed(str.upper, authors_tree()), "", "final"),
    "authors, as png": (lambda: authors_tree(suffix="png"), "", "final"),
    "authors, the competition's": (lambda: authors_tree("GTSRB/Training"), "", "online"),
    "torchvision": (lambda: below("gtsrb", torchvision_tree()), "", "online"),
    "torchvision, gtsrb itself": (torchvision_tree, "", "online"),
    "torchvision, GTSRB itself": (torchvision_tree, "GTSRB", "online"),
    "tables": (lambda: TREE, "", "final"),
    "tables, deeper": (lambda: below("archive", TREE), "", "final"),
    "tables, in small letters": (lambda: renamed(str.lower, TREE), "", "final"),
    "tables, scaled down": (lambda: tables_tree(32), "", "final"),
    "tables, scaled up": (lambda: tables_tree(90), "", "final"),
    # As they are published: each folder appears twice, in capital and in small letters.
    "tables, twice": (
        lambda: TREE | {name[0].lower() + name[1:]: TREE[name] for name in TREE if "/" in name},
        "",
        "final",
    ),
    # Pandas writes the rows' numbers, too, and some editors a mark before all.
    "tables, saved anew": (
        lambda: TREE | {name: resaved(TREE[name]) for name in ("Train.csv", "Test.csv")},
        "",
        "final",
    ),
    "tables, as Windows has names": (
        lambda: TREE | {name: TREE[name].replace(b"/", b"\\") for name in ("Train.csv", "Test.csv")},
        "",
        "final",
    ),
}


def resaved(table: bytes) -> bytes:
    lines = table.decode().splitlines()
    return "\n".join([f"\ufeff,{lines[0]}", *(f"{i},{line}" for i, line in enumerate(lines[1:]))]).encode()


def edges(profile: np.ndarray) -> tuple[float, float]:
    """Where a white area begins and ends in grey levels along a line that goes across it."""
    levels = profile / 255
    middle, length = np.average(np.arange(len(levels)) + 0.5, weights=levels), levels.sum()
    return middle - length / 2, middle + length / 2


def check_signs(data: Dataset) -> None:
    """Whether each image is that of its class, with the box around what is white in it."""
    assert data.boxes is not None
    for image, label, box in zip(data.images, data.labels, data.boxes, strict=True):
        inside = image[image.shape[0] // 2, :, 0], image[:, image.shape[1] // 2, 0]
        (x1, x2), (y1, y2) = map(edges, inside)
        np.testing.assert_allclose(box, [[x1, y1], [x2, y1], [x2, y2], [x1, y2]], atol=0.5)
        width, height, *expected = sign(label)[1][:6]
        scale = np.array([image.shape[1] / width, image.shape[0] / height] * 2)
        np.testing.assert_allclose([*box[0], *box[2]], expected * scale, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_told_by_looking(tmp_path: Path, as_many: None, layout: str) -> None:
    make, given, training = LAYOUTS[layout]
    lay_out(tmp_path, make())
    train, test, source = Gtsrb(folder=tmp_path / given, training=training, side=40).fetch()
    of_each = 2 if training == "final" else 1
    assert train.images.shape == (of_each * 43, 40, 40, 3)
    assert test.images.shape == (43, 40, 40, 3)
    assert [train.classes[label] for label in (2, 14)] == ["speed-limit-50", "stop"]
    assert np.bincount(train.labels).tolist() == [of_each] * 43
    assert sorted(test.labels.tolist()) == [*range(43)]
    check_signs(train)
    check_signs(test)
    assert source["origin"] == "the user's own files"
    assert source["counted"] == {"train": of_each * 43, "test": 43}


def resized(files: Files, change: int) -> Files:
    """With other numbers in the columns Width and Height."""

    def line(content: str) -> str:
        name, width, height, *others = content.split(";")
        return ";".join([name, str(int(width) + change), str(int(height) + change), *others])

    def table(content: bytes) -> bytes:
        first, *lines = content.decode().splitlines()
        return "\r\n".join([first, *map(line, lines)]).encode()

    return {
        name: table(content) if "GT-0" in name or "GT-final_test.csv" in name else content
        for name, content in files.items()
    }


@pytest.mark.parametrize("change", [-1, 1])
def test_sizes_that_are_off_by_one_in_a_table_move_no_box(tmp_path: Path, as_many: None, change: int) -> None:
    train, test, _ = Gtsrb(
        folder=lay_out(tmp_path, resized(authors_tree(), change)), training="final", side=300
    ).fetch()
    check_signs(train)
    check_signs(test)


@pytest.mark.parametrize("beyond", [0, 1])
def test_pictures_that_were_cut_to_their_signs_are_told(tmp_path: Path, as_many: None, beyond: int) -> None:
    files = dict(TREE)
    for name in files:
        if re.match("Train/|Test/", name):
            image = Image.open(io.BytesIO(files[name]))
            label = next(label for label in range(43) if sign(label)[0].shape[:2] == image.size[::-1])
            x1, y1, x2, y2 = sign(label)[1][2:6]
            files[name] = picture(np.asarray(image.crop((x1, y1, x2 + beyond, y2 + beyond))), "PNG")
    message = refused(lay_out(tmp_path, files))
    assert "contains training images that are cropped to their signs, but tables for whole images" in message


def test_unpacked_images_are_those_of_the_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "packed").mkdir()
    pin_gtsrb(tmp_path / "packed", monkeypatch, gtsrb_archives())
    for archive in (tmp_path / "packed").iterdir():
        zipfile.ZipFile(archive).extractall(tmp_path / "unpacked")
    with pytest.warns(UserWarning, match="holds 86 training images"):
        unpacked = Gtsrb(folder=tmp_path / "unpacked").fetch()
    packed = Gtsrb(folder=tmp_path / "packed").fetch()
    for one, other in zip(unpacked[:2], packed[:2], strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert "counted" not in packed.source

    shutil.copytree(tmp_path / "unpacked", tmp_path / "packed", dirs_exist_ok=True)  # as torchvision leaves them
    assert Gtsrb(folder=tmp_path / "packed").fetch().source == packed.source


# What is counted


def test_the_numbers_are_those_of_the_benchmark() -> None:
    assert {kind: sum(counts) for kind, counts in ROWS.items()} == {"online": 26_640, "final": 39_209, "test": 12_630}
    assert {len(counts) for counts in ROWS.values()} == {43}
    assert all(few <= many for few, many in zip(ROWS["online"], ROWS["final"], strict=True))
    assert (ROWS["final"][14], ROWS["test"][14]) == (780, 270)


def fetched(files: Files, folder: Path, **knobs: Any) -> tuple[Fetched, list[str]]:
    """What is read, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        return Gtsrb(folder=lay_out(folder, files), **knobs).fetch(), [str(each.message) for each in caught]


def without(table: str, lacking: Callable[[str], bool], files: Files = TREE) -> Files:
    lines = [line for line in files[table].decode().splitlines() if not lacking(line)]
    return files | {table: "\n".join(lines).encode()}


def test_a_part_is_read_with_one_warning(tmp_path: Path, as_many: None) -> None:
    (train, _, source), said = fetched(
        without("Train.csv", lambda line: "14_00000_00001" in line), tmp_path, training="final"
    )
    assert said == ["datasets.gtsrb.folder holds 85 training images, not 43 or 86"]
    assert len(train) == source["counted"]["train"] == 85


def test_what_is_lacking_wholly_is_named(tmp_path: Path, as_many: None) -> None:
    files = without("Test.csv", lambda line: line.split(",")[6] in ("3", "14"))
    _, said = fetched(files, tmp_path, training="final")
    assert said == ["datasets.gtsrb.folder holds 41 test images, not 43, and none of class 3, 14"]


def test_boxes_of_another_scale_than_their_pictures_are_doubted(tmp_path: Path, as_many: None) -> None:
    files = changed("Train.csv", ROW, ROW.replace("5,6,62,19", "2,3,31,9"))
    _, said = fetched(files, tmp_path, training="final")
    assert said == [
        "datasets.gtsrb.folder holds 1 training images with a box far from the middle, where GTSRB's are: "
        "are box, width and height in its table of one scale?"
    ]


@pytest.mark.parametrize(
    ("make", "there", "asked"), [(lambda: TREE, "final", "online"), (torchvision_tree, "online", "final")]
)
def test_the_other_training_set_is_taken_if_it_is_all_there_is(
    tmp_path: Path, as_many: None, make: Callable[[], Files], there: str, asked: str
) -> None:
    (train, _, _), said = fetched(make(), tmp_path, training=asked)
    assert said == [
        f"datasets.gtsrb.folder holds the training set {there}, which is taken although training is {asked}"
    ]
    assert len(train) == sum(ROWS[there])


@pytest.mark.parametrize(("training", "count"), [("online", 43), ("final", 86)])
def test_of_both_training_sets_the_one_that_is_asked_for_is_taken(
    tmp_path: Path, as_many: None, training: str, count: int
) -> None:
    (train, _, _), said = fetched(torchvision_tree() | authors_tree(), tmp_path, training=training)
    assert (len(train), said) == (count, [])


def test_the_competitions_own_test_set_is_not_taken_for_a_training_set(tmp_path: Path, as_many: None) -> None:
    beside = {name: content for name, content in authors_tree("GTSRB/Online-Test-sort").items() if "Online" in name}
    assert len(fetched(authors_tree() | beside, tmp_path, training="final")[0].train) == 86


# How it is recorded


def test_another_file_is_another_result_and_is_told(tmp_path: Path, as_many: None) -> None:
    (_, _, before), _ = fetched(TREE, tmp_path / "own", training="final")
    assert before["sha256"] == {"all files": own_files.digest(tmp_path / "own")}
    record, params = tmp_path / "source.json", {"datasets": {"gtsrb": {"folder": str(tmp_path / "own")}}}
    write_json(record, {"name": "gtsrb", **before})
    assert own_files.changed(record, params) is None
    assert str(tmp_path) not in record.read_text()

    (tmp_path / "own/Train/14/00014_00000_00001.png").write_bytes(picture(noise(0, 9, 9, 3), "PNG"))
    assert own_files.changed(record, params) == str(tmp_path / "own")
    assert Gtsrb(folder=tmp_path / "own", training="final").fetch().source != before
    shutil.copytree(tmp_path / "own", tmp_path / "other")
    one, other = (Gtsrb(folder=tmp_path / name, training="final").fetch().source for name in ("own", "other"))
    assert one == other


def test_a_table_beside_the_folder_is_recorded(tmp_path: Path, as_many: None) -> None:
    lay_out(tmp_path, torchvision_tree())
    before = Gtsrb(folder=tmp_path / "GTSRB").fetch().source["sha256"]
    (tmp_path / "GT-final_test.csv").write_bytes((tmp_path / "GT-final_test.csv").read_bytes() + b"\r\n")
    after = Gtsrb(folder=tmp_path / "GTSRB").fetch().source["sha256"]
    assert before != after == before | {"../GT-final_test.csv": after["../GT-final_test.csv"]}


def test_the_pipeline_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(tmp_path / "own", TREE)
    params = load_yaml(Path("params.yaml"))
    params["datasets"]["gtsrb"] |= {"folder": "own", "training": "final"}
    monkeypatch.chdir(tmp_path)
    write_json(Path("params.yaml"), params)
    with pytest.warns(
        UserWarning, match="holds 86 training images, not 26,640 or 39,209; holds 43 test images, not 12,"
    ):
        datasets.get("gtsrb", Path("raw"))
    assert np.load("raw/train_boxes.npy").shape == (86, 4, 2)
    assert own_files.changed(Path("raw/source.json"), params) is None
    assert json.loads(Path("raw/source.json").read_text())["name"] == "gtsrb"


# What is refused


def refused(folder: Path, **knobs: Any) -> str:
    with pytest.raises(InputError) as error:
        Gtsrb(folder=folder, **{"training": "final", **knobs}).fetch()
    message = str(error.value)
    assert message.startswith(f"params.yaml: datasets.gtsrb.folder = '{folder}': ")
    assert "\n" not in message
    return message.partition("': ")[2]


def changed(table: str, old: str, new: str) -> Files:
    """The tree with another text in a table, once."""
    assert old in TREE[table].decode()
    return TREE | {table: TREE[table].decode().replace(old, new, 1).encode()}


AUTHORS = "GTSRB/Final_Training/Images"
ROW = "67,25,5,6,62,19,0,Train/0/00000_00000_00000.png"
SPOILT: dict[str, tuple[Files, str]] = {
    "no column": (changed("Train.csv", "Roi.X1", "Left"), "Train.csv: lacks the column roi.x1"),
    "empty": (TREE | {"Test.csv": b""}, "Test.csv: lacks the column filename"),
    "no rows": (TREE | {"Test.csv": sign_table([], "Path", ",")}, "holds no test images: their table is empty"),
    "no number": (changed("Train.csv", ROW, f"wide{ROW[2:]}"), "Train.csv: line 2: could not convert .* 'wide'"),
    "no class": (changed("Train.csv", ",19,0,Train", ",19,,Train"), "Train.csv: line 2: invalid literal"),
    "another class": (changed("Train.csv", ",19,0,Train", ",19,43,Train"), "line 2 has the class 43, must be 0 to 42"),
    "negative class": (changed("Train.csv", ",19,0,Train", ",19,-1,Train"), "line 2 has the class -1, must be 0 to 42"),
    "no width": (changed("Train.csv", ROW, f"0{ROW[2:]}"), "line 2 has a box that does not fit into a picture of 0×25"),
    "no finite width": (changed("Train.csv", ROW, f"inf{ROW[2:]}"), "line 2 has a box that does not fit"),
    "no number at all": (changed("Train.csv", ROW, f"nan{ROW[2:]}"), "line 2 has a box that does not fit"),
    "box outside": (changed("Train.csv", ROW, ROW.replace("62", "68")), "line 2 has a box that does not fit"),
    "box turned round": (
        changed("Train.csv", ROW, ROW.replace("5,6,62", "62,6,5")),
        "line 2 has a box that does not fit",
    ),
    "another class than its folder's": (
        changed("Train.csv", ",19,0,Train", ",19,1,Train"),
        "Train/0/00000_00000_00000.png is of class 1 by its table and of 0 by its folder",
    ),
    "another class than its authors' folder": (
        authors_tree()
        | {f"{AUTHORS}/00014/GT-00014.csv": authors_tree()[f"{AUTHORS}/00014/GT-00014.csv"][:-4] + b"2\r\n"},
        "00014/00000_00001.ppm is of class 2 by its table and of 14 by its folder",
    ),
    "a column twice": (changed("Train.csv", "Width", "ClassId,Width"), "Train.csv: has the column classid twice"),
    "too many fields": (changed("Train.csv", ROW, f"{ROW},"), "Train.csv: line 2 has more fields than the first line"),
    "cut off": (TREE | {"Test.csv": TREE["Test.csv"][:-20]}, "Test.csv: line 44 is cut off"),
    "no text": (TREE | {"Train.csv": b"\xff\xfe\x00"}, "Train.csv: 'utf-8' codec can't decode"),
    "an endless field": (
        TREE | {"Train.csv": TREE["Train.csv"] + b"x" * 200_000},
        "Train.csv: is no table: field larger",
    ),
    "a row twice": (TREE | {"Train.csv": TREE["Train.csv"] + f"{ROW}\r\n".encode()}, "names 1 images in more than one"),
    "a test row": (TREE | {"Train.csv": TREE["Train.csv"] + TREE["Test.csv"].splitlines()[3]}, "in more than one row"),
    "one too many": (
        TREE
        | {"Train.csv": TREE["Train.csv"] + ROW.replace("0.png", "9.png").encode()}
        | {"Train/0/00000_00000_00009.png": TREE["Train/0/00000_00000_00000.png"]},
        "holds 3 training images of class 0, of which GTSRB has 2",
    ),
    "no image": (TREE | {"Test/00000.png": b"no image"}, "Test/00000.png is not an image, or a damaged one"),
    "half an image": (TREE | {"Test/00000.png": TREE["Test/00000.png"][:60]}, "Test/00000.png cannot be read"),
    "lost images": (
        {name: content for name, content in TREE.items() if not name.startswith("Train/1")},
        "22 of the 86 images that Train.csv names are missing, such as Train/1/00001_00000_00000.png",
    ),
    "no test table": (
        {name: TREE[name] for name in TREE if name != "Test.csv"},
        "'?Train.csv, but not Test.csv beside",
    ),
    "no classes of the test images": (
        {name: content for name, content in authors_tree().items() if "GT-final_test.csv" not in name},
        "holds the training set GTSRB/Final_Training/Images, but not GT-final_test.csv",
    ),
    "two trees": (
        TREE | authors_tree(),
        "several training sets, GTSRB/Final_Training/Images, Train.csv; give a folder with only one of them",
    ),
    "two tables of the test images": (
        authors_tree()
        | {"GT-final_test.csv": authors_tree()["GTSRB/Final_Test/Images/GT-final_test.csv"][:-70] + b"\r\n"},
        "several different tables of the test images: GT-final_test.csv, GTSRB/Final_T|GT-final_test.csv: line",
    ),
    "nothing of it": (
        {"notes.txt": b""},
        f"contains neither its archives .*{TEST}.* nor their unpacked files: GTSRB/Final",
    ),
    "pictures alone": ({name: TREE[name] for name in TREE if "/" in name}, "contains neither its archives"),
    "tables of another matter": ({"train.csv": b"a,b\n", "test.csv": b"a,b\n"}, "contains neither its archives"),
}


@pytest.mark.parametrize("spoil", SPOILT)
def test_what_cannot_be_gtsrb_is_refused(tmp_path: Path, as_many: None, spoil: str) -> None:
    files, message = SPOILT[spoil]
    assert re.search(message, refused(lay_out(tmp_path, files)))


def test_an_archive_that_is_there_is_not_silently_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_gtsrb(tmp_path, monkeypatch, gtsrb_archives())
    (tmp_path / TEST).write_bytes(zipped({}))
    assert f"{TEST} is truncated or altered" in refused(lay_out(tmp_path, torchvision_tree()), training="online")


def test_tables_that_differ_in_capital_letters_alone_must_agree(tmp_path: Path) -> None:
    names = ["Test.csv", "Train.csv", "Train/0/a.png", "test.csv"]
    tree = gtsrb_trees.find(names, "final")
    assert tree
    assert tree.test == ["Test.csv", "test.csv"]


def test_a_folder_of_many_tables_is_looked_through_at_once() -> None:
    names = [f"{i}/train.csv" for i in range(20_000)]
    start = time.process_time()
    assert gtsrb_trees.find(names, "final") is None
    assert time.process_time() - start < 2, "each beside each took minutes"


# What a stranger's table says


@pytest.mark.parametrize("name", ["../secret.png", "/{outside}/secret.png", "Train/../../secret.png", "..\\secret.png"])
@pytest.mark.parametrize("table", ["Train.csv", "Test.csv"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, as_many: None, table: str, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(TREE["Test/00000.png"])
    name = name.format(outside=str(tmp_path).lstrip("/"))
    old = next(line for line in TREE[table].decode().splitlines()[1:]).rpartition(",")[2]
    message = refused(lay_out(tmp_path / "own", changed(table, old, name)))
    assert f"1 of the {86 if table == 'Train.csv' else 43} images that {table} names are missing" in message


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("own"), {"Test.csv": sign_table([("b/c.png", 14)], "Path", ",")})


@settings(max_examples=60)
@given(name=st.text(max_size=30) | st.sampled_from(["a.png", "A.PNG", "./a.png", "b/../a.png", "../own0/a.png"]))
def test_whatever_a_row_names_is_a_file_that_was_listed_or_is_refused(place: Path, name: str) -> None:
    file, listed = io.StringIO(), ["Test.csv", "Train.csv", "a.png", "b/c.png"]
    csv.writer(file).writerows([["Path", *SIGN_FIELDS], [name, 9, 9, 1, 1, 8, 8, 14]])
    (place / "Train.csv").write_bytes(file.getvalue().encode())
    try:
        (row,), _ = gtsrb_trees.read(place, listed, Tree("final", ["Train.csv"], ["Test.csv"], []))
    except ValueError:
        return
    assert row.name in listed


def test_links_are_the_users_own(tmp_path: Path, as_many: None) -> None:
    lay_out(tmp_path / "disk", TREE)
    (tmp_path / "own").mkdir()
    for path in (tmp_path / "disk").iterdir():
        (tmp_path / "own" / path.name).symlink_to(path)
    check_signs(Gtsrb(folder=tmp_path / "own", training="final").fetch().train)
    (tmp_path / "disk/Test/00000.png").unlink()
    (tmp_path / "disk/Test/00000.png").symlink_to(tmp_path / "nowhere")
    assert "Test/00000.png is not a file" in refused(tmp_path / "own")


@needs_pipes
@pytest.mark.parametrize("name", ["Test/00000.png", "Train.csv"])
def test_a_pipe_keeps_nobody_waiting(tmp_path: Path, as_many: None, name: str) -> None:
    lay_out(tmp_path, TREE)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    assert "is not a file" in refused(tmp_path)


@pytest.mark.parametrize("name", ["Test/00000.png", "Train.csv"])
def test_a_hole_of_many_bytes_is_not_read(tmp_path: Path, as_many: None, name: str) -> None:
    lay_out(tmp_path, TREE)
    os.truncate(tmp_path / name, gtsrb_trees.LARGEST + 1)
    assert "has more than 20,000,000 bytes" in refused(tmp_path)


def test_a_picture_that_unpacks_to_too_much_is_refused(tmp_path: Path, as_many: None) -> None:
    lay_out(tmp_path, TREE | {"Test/00000.png": picture(np.zeros((12_000, 12_000), np.uint8), "PNG")})
    assert "Test/00000.png cannot be read: Image size (144000000 pixels) exceeds limit" in refused(tmp_path)
