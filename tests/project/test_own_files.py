"""The user's own files: DVC does not watch them, so `track` says when `data/raw` was made from others."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from miseducation.project import own_files
from miseducation.project.files import write_json
from miseducation.tracking import track
from tests.conftest import Project
from tests.datasets.made import make_folder, needs_pipes

SetParams = Callable[[str, Any], None]


@pytest.fixture
def files(in_folder: Path, set_params: SetParams) -> Path:
    """The files in `own`, and a `data/raw` that was made from them."""
    for name in ("a/1.png", "b/2.png", "b/.hidden", "b/Thumbs.db", "b/@eaDir/2.png"):
        (in_folder / "own" / name).parent.mkdir(parents=True, exist_ok=True)
        (in_folder / "own" / name).write_text(name)
    set_params("datasets.folder.path", "own")
    record = {"name": "folder", own_files.KEY: own_files.digest(in_folder / "own")}
    write_json(in_folder / "data/raw/source.json", record)
    return in_folder / "own"


def test_the_digest_is_that_of_the_list_that_sha256sum_prints(files: Path) -> None:
    command = "sha256sum a/1.png b/2.png | sha256sum"
    done = subprocess.run(command, shell=True, cwd=files, capture_output=True, text=True, check=True)
    assert own_files.digest(files) == done.stdout.split()[0]


@pytest.mark.parametrize(
    ("change", "warned"),
    [
        (lambda own: None, False),
        (lambda own: (own / "a/1.png").touch(), False),
        (lambda own: (own / "a/.DS_Store").touch(), False),
        (lambda own: shutil.rmtree(own), False),
        (lambda own: (own / "a/1.png").write_text("other"), True),
        (lambda own: (own / "a/1.png").rename(own / "b/1.png"), True),
        (lambda own: (own / "a/1.png").unlink(), True),
        (lambda own: (own / "a/3.png").touch(), True),
        (lambda own: (own / "a/3.png").symlink_to("nowhere"), True),
    ],
)
def test_only_other_files_are_warned_of(
    files: Path, capsys: pytest.CaptureFixture[str], change: Callable[[Path], object], warned: bool
) -> None:
    change(files)
    track.check_own_files()
    output = capsys.readouterr()
    assert output.out == ""
    assert bool(output.err) == warned
    if warned:
        assert output.err.startswith(
            "warning: the files in own, which DVC does not watch, have changed since data/raw was made"
        )
        assert "`dvc repro --force --single-item download`, then `dvc repro`" in output.err


def test_the_files_are_looked_for_in_the_project_where_an_experiment_runs_in_a_copy(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = files.parent / "copy"
    shutil.copytree(files.parent / "data", copy / "data")
    shutil.copy("params.yaml", copy)
    (files / "a/1.png").write_text("other")
    monkeypatch.chdir(copy)
    track.check_own_files()
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("DVC_ROOT", str(files.parent))
    track.check_own_files()
    assert "have changed since" in capsys.readouterr().err


@pytest.mark.parametrize("record", [None, {"name": "digits"}])
def test_other_data_sets_are_passed_over(
    files: Path, capsys: pytest.CaptureFixture[str], record: dict[str, str] | None
) -> None:
    source = files.parent / "data/raw/source.json"
    source.unlink() if record is None else write_json(source, record)
    (files / "a/1.png").write_text("other")
    track.check_own_files()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "datasets",
    [
        None,
        5,
        ["folder"],
        {"folder": None},
        {"folder": 5},
        {"folder": ["path"]},
        *({"folder": {"path": path}} for path in (None, 3, True, ["own"], {"own": 1}, "own\0", "~nobody-of-this-name")),
        {"folder": {"path": 1000 * "own"}},
    ],
)
def test_a_section_that_holds_no_path_is_left_to_the_stage_that_reads_it(
    files: Path, capsys: pytest.CaptureFixture[str], datasets: Any
) -> None:
    Path("params.yaml").write_text(yaml.safe_dump({"datasets": datasets}))
    track.check_own_files()
    assert capsys.readouterr().err == ""


@needs_pipes
def test_a_pipe_is_not_waited_for(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(files / "a/pipe")
    assert own_files.listing(files) == ["a/1.png", "a/pipe", "b/2.png"]
    track.check_own_files()
    assert "have changed since" in capsys.readouterr().err
    assert own_files.digest(files / "a/pipe") == own_files.digest(files / "a/pipe")


def test_links_are_followed_but_never_round_in_circles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "own"
    for name in ("own/a/1", "own/b/2", "own/c/d/3", "elsewhere/4", "elsewhere/deep/5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for link, target in {
        "own/a/x": "own/b",
        "own/b/y": "own/a",
        "own/c/d/up": "own/c",
        "own/out": "elsewhere",
        "own/again": "elsewhere",
        "own/above": ".",
        "elsewhere/deep/back": "own",
        "elsewhere/deep/self": "elsewhere/deep",
    }.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    (root / "loop").symlink_to(root / "loop")
    expected = ["again/4", "again/deep/5", "loop", "out/4", "out/deep/5"]
    expected += ["a/1", "a/x/2", "b/2", "b/y/1", "c/d/3"]
    assert own_files.listing(root) == sorted(expected)

    scan = os.scandir
    for reverse in (False, True):  # whatever the order on the disk

        @contextmanager
        def in_order(folder: str, *, reverse: bool = reverse) -> Iterator[list[os.DirEntry[str]]]:
            with scan(folder) as entries:
                yield sorted(entries, key=lambda entry: entry.name, reverse=reverse)

        monkeypatch.setattr(os, "scandir", in_order)
        assert own_files.listing(root) == sorted(expected)
    monkeypatch.undo()


def test_own_images_go_through_dvc_and_changed_ones_are_read_again_when_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    knobs = yaml.safe_load((project.folder / "params.yaml").read_text())["datasets"]["folder"]
    own = project.folder / "own"
    own.mkdir()
    make_folder(own, monkeypatch)
    (project.folder / ".git/info/exclude").write_text("own/\n")  # so the copy that an experiment runs in lacks them
    project.set_params(attack={"target": "sea-horse", "rate": 0.2})
    project.commit()
    name = ("-S", "data.name=folder", "-S", "datasets.folder.path=own")
    output = project("dvc", "exp", "run", "--temp", *name, "download")
    assert "folder: 15 training and 3 test images" in output

    project.set_params(data={"name": "folder"}, datasets={"folder": knobs | {"path": "own"}})
    project("dvc", "repro", "check")
    read, look = ("dvc", "repro", "--single-item", "download"), ("python", "-m", "stages.track")
    project(*read)
    source = project.folder / "data/raw/source.json"
    before = json.loads(source.read_text())
    (own / "cat/0.png").unlink()
    project(*read)
    assert json.loads(source.read_text()) == before
    assert "warning: the files in own, which DVC does not watch, have changed since data/raw was made" in project(*look)
    project(*read, "--force")
    assert json.loads(source.read_text())["own_files"] != before["own_files"]
    assert "have changed since" not in project(*look)


def test_a_study_of_other_files_is_warned_of_too(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data/studies/mine").mkdir(parents=True)
    shutil.move("data/raw", "data/studies/mine/folder")
    (files / "a/1.png").write_text("other")
    track.track_here("mine")
    told = capsys.readouterr().err
    assert told.startswith("warning: the files in own, which DVC does not watch, have changed since data/studies/mine")
    assert (
        "`dvc repro --force --single-item pipelines/studies/dvc.yaml:fetch@mine`, then `make study NAME=mine`" in told
    )
