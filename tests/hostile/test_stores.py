"""Stores that were half made, damaged, or moved, and disks that fill up: no result is lost, and nobody's file."""

import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.db import utils

from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.runs import Store
from miseducation.tracking.track import track
from tests.hostile.forged.stores import HALF_MADE, NOT_OURS, ODD
from tests.tracking.made import artefacts, runs, write_result


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> None:
    """MLflow needs seconds to make a database: here it gets a copy of one."""
    monkeypatch.setattr(utils, "_initialize_tables", lambda engine: shutil.copy(empty_store, engine.url.database))


@pytest.mark.parametrize("forge", HALF_MADE.values(), ids=HALF_MADE)
@pytest.mark.usefixtures("quick")
def test_half_a_store_is_set_aside_and_made_anew(
    root: Path, forge: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(root)
    forge(root / "mlflow.db")
    (half,) = root.glob("mlflow.db*")
    content = half.read_bytes()
    for _ in range(2):
        track(Store(root), root, {})
    (run,) = runs(Store(root).uri)
    assert run.info.status == "FINISHED"
    broken = half.with_name(half.name.replace("mlflow.db", "mlflow.db.broken"))
    assert sorted(root.glob("mlflow.db*")) == [root / "mlflow.db", broken]
    assert broken.read_bytes() == content
    error = capsys.readouterr().err
    assert error.startswith(f"warning: {root}/mlflow.db was ")
    assert error.endswith(f" is kept as {root}/mlflow.db.broken\n")


@pytest.mark.usefixtures("quick")
def test_what_was_set_aside_before_is_kept(root: Path) -> None:
    write_result(root)
    for content in (b"first", b"second", b"third"):
        (root / "mlflow.db").write_bytes(content)
        track(Store(root), root, {})
    kept = [(root / f"mlflow.db.broken{number}").read_bytes() for number in ("", "2", "3")]
    assert kept == [b"first", b"second", b"third"]


@pytest.mark.parametrize(("forge", "told"), NOT_OURS.values(), ids=NOT_OURS)
def test_a_store_that_may_hold_something_is_never_touched(
    root: Path, forge: Callable[[Path], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(root)
    forge(root / "mlflow.db")
    content = (root / "mlflow.db").read_bytes()
    track(Store(root), root, {})
    assert [path.name for path in root.glob("mlflow.db*")] == ["mlflow.db"]
    assert (root / "mlflow.db").read_bytes() == content
    error = capsys.readouterr().err
    assert error.startswith(f"warning: MLflow at sqlite:///{root}/mlflow.db did not accept the result: ")
    assert told in error


def test_a_file_that_is_no_database_is_not_taken_for_half_a_store_because_the_address_names_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (write_result(root) / "letter.txt").write_text("Dear all")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///letter.txt")
    track(Store(root), root, {})
    assert "SQLite cannot read it: file is not a database\n" in capsys.readouterr().err
    assert [path.name for path in root.glob("letter*")] == ["letter.txt"]
    assert (root / "letter.txt").read_text() == "Dear all"


def in_child(work: Callable[[], Any], kill_after: float | None = None) -> None:
    """Does some work in a process of its own, which is killed after so many seconds."""
    if not (child := os.fork()):
        try:
            work()
        finally:
            os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_killed_while_the_store_is_made_the_same_command_records_the_result_once(bare: Path) -> None:
    write_result(bare)
    for seconds in (0.3, 0.6, 0.9, 1.2):
        in_child(lambda: track(Store(bare), bare, {}), kill_after=seconds)
    in_child(lambda: track(Store(bare), bare, {}))
    (run,) = runs(Store(bare).uri)
    assert run.info.status == "FINISHED"
    assert [path.name for path in bare.glob("mlflow.db*")] == ["mlflow.db"]


def test_a_disk_that_fills_up_while_the_store_is_made_leaves_none(
    bare: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_result(bare)

    def record() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        track(Store(bare), bare, {})

    in_child(record)
    assert list(bare.glob("mlflow.db*")) == []
    assert f"warning: MLflow at sqlite:///{bare}/mlflow.db did not accept the result" in capfd.readouterr().err


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_what_is_recorded_in_a_project_that_was_moved_is_in_its_new_place(
    root: Path, how: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here, there = root / "proj é#1", tmp_path_factory.mktemp("other") / "proj"
    (here).mkdir()
    (root / "mlflow.db").rename(here / "mlflow.db")
    track(Store(here), write_result(here), {})
    (here.rename if how == "moved" else lambda to: shutil.copytree(here, to))(there)
    before = sorted(root.rglob("*"))
    other = tmp_path_factory.mktemp("result")
    track(Store(there), write_result(other, rate=0.05), {})
    assert sorted(root.rglob("*")) == before, "nothing is written to the old place"
    found = runs(f"sqlite:///{there}/mlflow.db")
    assert len(found) == 2
    for run in found:
        assert artefacts(run).is_relative_to(there / "mlruns/toy")
        assert read_result(artefacts(run)).key == run.data.tags["miseducation.result"]
    client = MlflowClient(f"sqlite:///{there}/mlflow.db")
    models = client.search_logged_models([found[0].info.experiment_id])
    places = [model.artifact_location for model in models]
    places += [version.source for version in client.search_model_versions("name = 'toy-clean'")]
    assert len(places) == 5
    assert all(Path(place.removeprefix("file://")).is_relative_to(there / "mlruns/toy") for place in places)


@pytest.mark.parametrize("forge", ODD.values(), ids=ODD)
def test_an_odd_row_does_not_keep_a_result_out(root: Path, forge: Callable[[Path], None]) -> None:
    track(Store(root), write_result(root), {})
    forge(root / "mlflow.db")
    track(Store(root), write_result(root, rate=0.5), {})
    assert len(found := runs(Store(root).uri)) == 2
    assert all(artefacts(run).is_relative_to(root / "mlruns/toy") for run in found)


def test_a_store_that_is_a_link_to_itself_is_none(root: Path) -> None:
    (root / "mlflow.db").unlink()
    (root / "mlflow.db").symlink_to(root / "mlflow.db")
    track(Store(root), write_result(root), {})
    assert len(runs(Store(root).uri)) == 1


def test_artefacts_that_the_user_has_elsewhere_stay_there(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from mlflow import MlflowClient

    elsewhere = tmp_path_factory.mktemp("large")
    MlflowClient(f"sqlite:///{root}/mlflow.db").create_experiment("toy", artifact_location=elsewhere.as_uri())
    track(Store(root), write_result(root), {})
    (run,) = runs(Store(root).uri)
    assert artefacts(run).is_relative_to(elsewhere)


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        *((name, "") for name in ("a%20b", "a b", "a#b", "é?b", "a%2520b?c=d")),
        *(("é %20?b#c", uri) for uri in ("sqlite:///runs.db", "file:./runs", "./runs")),
    ],
)
@pytest.mark.usefixtures("quick")
def test_whatever_the_projects_folder_is_called_all_is_in_it(
    bare: Path, name: str, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, copy = bare / name, bare / "copy"
    root.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(write_result(copy))  # as in `dvc exp run --temp`
    before = sorted(copy.rglob("*"))
    for _ in range(2):
        track(Store(root), copy, {})
    assert sorted(copy.rglob("*")) == before
    assert sorted(path.name for path in bare.iterdir()) == sorted([name, "copy"])
    (run,) = runs(Store(root).uri)
    assert run.info.status == "FINISHED"
    store = {"": "mlflow.db", "sqlite:///runs.db": "runs.db"}.get(uri, "runs")
    artefacts_beside = {"mlruns"} if store.endswith(".db") else set()
    assert {path.name for path in root.iterdir()} == {".dvc", store} | artefacts_beside
