"""A data set's folder is listed as it is, or refused: links never keep us for ever."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from miseducation import datasets
from miseducation.errors import InputError
from miseducation.project import own_files
from miseducation.project.files import write_json
from tests.hostile.forged.links import fan, ladder


@pytest.mark.parametrize("make", [lambda root: fan(root, 20), lambda root: fan(root, 9), lambda root: ladder(root, 40)])
def test_no_end_of_ways_is_refused_by_name(make: Callable[[Path], Path], tmp_path: Path) -> None:
    root = make(tmp_path / "own")
    record = tmp_path / "source.json"
    write_json(record, {"name": "folder", own_files.KEY: "of the files before"})
    begun = time.process_time()
    with pytest.raises(InputError, match=rf"^{root} holds more than 10,000 links to folders that are there anyway$"):
        own_files.listing(root)
    with pytest.raises(InputError, match="10,000 links"):
        datasets.load("folder", path=root)
    assert own_files.changed(record, {"datasets": {"folder": {"path": str(root)}}}) == str(root)
    assert time.process_time() - begun < 10


def test_no_end_of_files_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_files, "MOST", 20)
    with pytest.raises(InputError, match=r"own holds more than 20 files$"):
        own_files.listing(fan(tmp_path / "own", 3, files=10))


def test_a_file_without_end_is_refused_by_name(tmp_path: Path) -> None:
    """It would be read each time that results are recorded."""
    own, record = tmp_path / "own", tmp_path / "source.json"
    own.mkdir()
    with (own / "hole.png").open("wb") as file:
        file.truncate(10**12)  # which takes no place on the disk
    write_json(record, {"name": "folder", own_files.KEY: "of the files before"})
    with pytest.raises(InputError, match=r"own/hole\.png has more than 100,000,000,000 bytes$"):
        own_files.digest(own)
    assert own_files.changed(record, {"datasets": {"folder": {"path": str(own)}}}) == str(own)


def test_each_way_counts_as_long_as_there_is_an_end(tmp_path: Path) -> None:
    """Three folders: each is seen by itself, from each other, and from there through the third."""
    found = own_files.listing(fan(tmp_path / "own", 3))
    assert len(found) == 3 + 6 + 6
    assert "0/to1/to2/0.png" in found
    assert len(own_files.listing(ladder(tmp_path / "ladder", 6))) == sum(2 ** (6 - rung) - 1 for rung in range(6))


def test_a_deep_folder_is_walked_to_its_end(tmp_path: Path) -> None:
    """Deeper than Python may call itself, and than a path may be long."""
    deep = tmp_path / "own"
    names = ["x" * 3] * 900
    deep.joinpath(*names).mkdir(parents=True)
    deep.joinpath(*names, "end.png").touch()
    assert own_files.listing(deep) == ["/".join([*names, "end.png"])]
