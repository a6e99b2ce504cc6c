"""A stranger's folder of pictures: what its tables name is in it, and what they say has an end."""

import time
import warnings
from pathlib import Path

import pytest

from miseducation.dataset.picture_files import LARGEST
from miseducation.datasets import load
from miseducation.datasets.folder import Folder
from miseducation.datasets.origins import listings
from miseducation.errors import InputError
from tests.hostile.forged.folders import SECRET, leading_out, secretive


@pytest.mark.parametrize("way", leading_out(Path()))
@pytest.mark.parametrize("style", ["one table", "in a split"])
def test_no_table_leads_out_of_the_folder(way: str, style: str, tmp_path: Path) -> None:
    own, named = secretive(tmp_path), leading_out(tmp_path)[way]
    rows = (own / "table.csv").read_text() + f'"{named}",b\n'
    if style == "one table":
        (own / "table.csv").write_text(rows)
    else:
        (own / "table.csv").rename(own / "test.csv")
        (own / "train").mkdir()
        for i in range(6):
            (own / f"{i}.png").rename(own / f"train/{i}.png")
        (own / "train/metadata.csv").write_text(rows)
        (own / "test.csv").write_text("path,label\n5.png,b\n4.png,a\n")
        for i in (4, 5):
            (own / f"{i}.png").write_bytes((own / f"train/{i}.png").read_bytes())
    with pytest.raises(InputError, match=r"cannot be used:\n") as refused:
        Folder(path=own).fetch()
    text = str(refused.value)
    assert text.replace("\n", "").isprintable()
    assert len(text) < 10_000
    assert "is named " in text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what belongs to no class
        train, test = load("folder", path=own, skip_bad=True)
    assert len(train) + len(test) == (6 if style == "one table" else 8)
    assert max(train.images.max(), test.images.max()) < SECRET


@pytest.mark.parametrize(
    "label", ["<script>alert(1)</script>", "\x1b[2J", "\u202e", "a\nb", "\u2800", "x" * 100_000, "a ", "\0"]
)
def test_no_label_of_a_table_becomes_a_class_that_cannot_be_shown(label: str, tmp_path: Path) -> None:
    own = secretive(tmp_path)
    for link in ("link.png", "behind", "deep/up.png", "nowhere.png"):
        (own / link).unlink()
    table = (
        (own / "table.csv").read_text().replace("5.png,b", f'5.png,"{label}"').replace("4.png,a", f'4.png,"{label}"')
    )
    (own / "table.csv").write_text(table)
    if label == "a ":  # the same to the eye
        assert load("folder", path=own)[0].classes == ("a", "b")
        return
    with pytest.raises(InputError) as refused:
        load("folder", path=own)
    assert str(refused.value).replace("\n", "").isprintable()
    assert len(str(refused.value)) < 3000


def test_many_long_texts_and_tables_take_no_time(tmp_path: Path) -> None:
    own = secretive(tmp_path)
    for i in range(200):
        (own / f"{i}.txt").write_text("line\n" * 50_000)
        (own / f"{i}.csv").write_text("a,b\n" * 50_000)
    begun = time.process_time()
    with pytest.raises(InputError, match=r"link.png: is in no table"):
        Folder(path=own).fetch()
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("beginning", ["path,label\n", "path,label", '"path,label', "path,label\r"])
def test_a_table_without_end_is_not_read(beginning: str, tmp_path: Path) -> None:
    own = secretive(tmp_path)
    with (own / "table.csv").open("wb") as file:
        file.write(beginning.encode())
        file.truncate(2 * listings.LARGEST)  # a hole, which takes no place on the disk
    begun = time.process_time()
    with pytest.raises(InputError, match=r"0.png: is in no class's folder"):
        Folder(path=own).fetch()
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("name", ["\x1b[2J.csv", "classes\u202e.txt"])
def test_no_name_of_a_table_or_list_moves_the_cursor(name: str, tmp_path: Path) -> None:
    (secretive(tmp_path) / name).write_text("path,filename,label\n")
    with pytest.raises(InputError) as refused:
        Folder(path=tmp_path / "own").fetch()
    assert str(refused.value).isprintable()


def test_a_picture_without_end_is_not_read(tmp_path: Path) -> None:
    own = secretive(tmp_path)
    with (own / "0.png").open("r+b") as file:
        file.truncate(2 * LARGEST)  # a hole, which takes no place on the disk, but would in memory
    with pytest.raises(InputError, match=r"\n  - 0.png: has more than 1,073,741,824 bytes\n"):
        load("folder", path=own)
