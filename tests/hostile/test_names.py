"""Names of classes and files: no page, table or terminal takes them for more than text, and none is read as another."""

import os
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miseducation.dataset import Dataset, clean, disk
from miseducation.dataset.names import MARKUP, check, fault, seen, shown
from miseducation.datasets.arrays import ArrayFiles
from miseducation.datasets.folder import Folder
from miseducation.errors import InputError
from miseducation.figures import pictures
from miseducation.poisoning.label_maps import build, class_number
from miseducation.project.files import write_csv, write_json
from miseducation.project.params import validate
from tests.datasets.made import picture
from tests.hostile.forged.arrays import good, stored
from tests.hostile.forged.names import COMPOSED, DECOMPOSED, HARMFUL, HARMLESS

IMAGES = good()["train_images"]


def in_folders(root: Path, *folders: str) -> Path:
    """Two images in each."""
    for i, name in enumerate(folders):
        (root / name).mkdir(parents=True)
        for j in range(2):
            (root / name / f"{j}.png").write_bytes(picture(IMAGES[i + j], "PNG"))
    return root


def refused(make: Any) -> str:
    with pytest.raises(InputError) as error:
        make()
    assert all(line.isprintable() for line in str(error.value).splitlines())
    return str(error.value)


@pytest.mark.parametrize("name", HARMFUL)
def test_no_class_gets_a_harmful_name_by_any_way(tmp_path: Path, name: str) -> None:
    names, labels = ["good", HARMFUL[name]], np.arange(12) % 2
    assert refused(lambda: clean(IMAGES, labels, names))
    assert refused(lambda: Dataset.from_arrays(IMAGES, labels, names))
    torched: Any = [(IMAGES[0], 0), (IMAGES[1], 1)]
    assert refused(lambda: Dataset.from_torch(torched, names))
    assert "datasets.arrays.classes" in refused(lambda: validate(ArrayFiles, "datasets.arrays", {"classes": names}))
    if "\0" not in name and HARMFUL[name].encode(errors="replace").decode() == HARMFUL[name]:
        arrays = good() | {"train_labels": labels, "test_labels": np.arange(6) % 2, "classes": np.array(names)}
        assert "a class" in refused(ArrayFiles(path=stored(tmp_path / "a", arrays)).fetch)


@pytest.mark.skipif(os.name == "nt", reason="such files have other names there")
@pytest.mark.parametrize("name", sorted(HARMFUL.keys() - {"script", "nul", "empty", "closing", "long when composed"}))
def test_no_folder_of_a_harmful_name_becomes_a_class(tmp_path: Path, name: str) -> None:
    root = in_folders(tmp_path / "own", "good", "better", HARMFUL[name].replace("/", ""))
    assert "is not a valid name for a class: it " in refused(Folder(path=root).fetch)


def test_a_forged_list_of_classes_is_refused(tmp_path: Path) -> None:
    data = Dataset.from_arrays(IMAGES, np.arange(12) % 2, ["a", "b"])
    disk.save_raw(tmp_path, data, data)
    for forged in ([*"a", HARMFUL["script"]], ["a", "a"], ["a", 1], {"a": 1, "b": 2}, 2, None, ["a", ["b"]]):
        write_json(tmp_path / "classes.json", forged)
        assert refused(lambda: disk.load_raw(tmp_path, "train"))


@pytest.mark.parametrize("name", HARMLESS)
def test_what_only_looks_harmful_is_a_name_like_any_other(tmp_path: Path, name: str) -> None:
    data = clean(IMAGES, np.arange(12) % 2, ["another", name])
    assert data.classes == ("another", name)
    disk.save_raw(tmp_path, data, data)
    assert disk.load_raw(tmp_path, "test").classes == data.classes
    assert class_number("attack.target", name, data.classes) == 1
    write_csv(tmp_path / "table.csv", pd.DataFrame({"class": data.classes}))
    table = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    assert table["class"].tolist() == ["another", name], "as the stage `report` reads it"


@given(st.text(max_size=8))
def test_what_passes_can_be_shown_and_opens_no_element(name: str) -> None:
    assert shown(name).isprintable()
    if fault(name) is None:
        assert shown(name) == name
        assert not any(
            name[i] == "<" and (name[i + 1].isalpha() and name[i + 1].isascii()) for i in range(len(name) - 1)
        )
        assert not any(mark in name for mark in ("</", "<!", "<?"))


@given(st.lists(st.text("<>/!?aK\u212a\u034f\u0338\u0958 ", max_size=5), max_size=3))
def test_what_is_stored_is_what_was_judged(names: list[str]) -> None:
    try:
        passed = check(names)
    except InputError:
        return
    assert check(passed) == passed
    assert not any(MARKUP.search(name) for name in passed)
    assert len({*map(seen, passed)}) == len(names)


def test_a_name_is_no_list_of_names() -> None:
    for text in ("abc", b"abc"):
        assert "must be a list, not" in refused(lambda text=text: check(text))


# One name in two forms


def test_both_forms_of_a_name_are_one(tmp_path: Path) -> None:
    assert COMPOSED != DECOMPOSED
    for stored_as in (COMPOSED, DECOMPOSED):
        data = clean(IMAGES, np.arange(12) % 2, ["tea", stored_as])
        assert data.classes == ("tea", COMPOSED)
        for given_as in (COMPOSED, DECOMPOSED):
            assert class_number("attack.target", given_as, data.classes) == 1
            assert class_number("attack.target", given_as, ["tea", stored_as]) == 1
            assert build("one-to-one", given_as, "tea", data.classes).target == 1
    for twins in ([COMPOSED, DECOMPOSED], ["a", " a"], ["a", "a\u034f"], ["\u3164a", "a"], ["Å", "Å"]):
        assert "two classes have the same name" in refused(lambda twins=twins: clean(IMAGES, np.arange(12) % 2, twins))


def test_folders_of_both_forms_are_one_class(tmp_path: Path) -> None:
    split = in_folders(tmp_path / "a", f"train/{COMPOSED}", "train/tea", f"test/{DECOMPOSED}", "test/tea")
    train, test, _ = Folder(path=split).fetch()
    assert train.classes == test.classes == (COMPOSED, "tea")
    assert train.labels.tolist() == test.labels.tolist() == [0, 0, 1, 1]
    whole = in_folders(tmp_path / "b", COMPOSED, "tea", DECOMPOSED)
    train, test, _ = Folder(path=whole, test_share=0.5).fetch()
    assert np.bincount([*train.labels, *test.labels]).tolist() == [4, 2]
    spaced = in_folders(tmp_path / "c", "tea", "tea ", "coffee")
    assert "  - tea: is the name of two classes that differ only in spaces" in refused(Folder(path=spaced).fetch)


@given(st.text(min_size=1, max_size=6), st.sampled_from(["NFC", "NFD"]), st.sampled_from(["NFC", "NFD"]))
def test_a_class_is_found_by_either_form_of_its_name(name: str, stored_as: Any, given_as: Any) -> None:
    classes = ["\n", normalize(stored_as, name)]
    if name.strip():
        assert class_number("attack.target", normalize(given_as, name), classes) == 1


def test_characters_that_no_font_has_are_one_warning(tmp_path: Path) -> None:
    data = Dataset.from_arrays(IMAGES, np.arange(12) % 3, ["中文字", "🚦🚥", "ok"])
    with pytest.warns(UserWarning, match=r"^a.png: matplotlib's fonts lack some characters") as warned:
        pictures.save(pictures.sample_grid(data), tmp_path / "a.png")
    assert len(warned) == 1
    assert (tmp_path / "a.png").is_file()


def test_a_long_list_of_classes_is_cut() -> None:
    with pytest.raises(InputError, match=r"c49 and 950 more$"):
        class_number("attack.target", "nobody", [f"c{i}" for i in range(1000)])
