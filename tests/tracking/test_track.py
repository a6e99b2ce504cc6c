"""One MLflow run per distinct result, however often, from wherever, and whatever died on the way."""

import json
import os
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import OperationalError

import stages.track
from miseducation.project.pipelines import check_sections
from miseducation.tracking import runs as stores
from miseducation.tracking import track as tracking
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.recorder import KEY, PARENT, StoreError
from miseducation.tracking.runs import Store
from miseducation.tracking.track import Reader, study, track
from tests.conftest import PROJECT, copy_pipelines
from tests.tracking.made import artefacts, families, replace, runs, write, write_result, write_study

HINT = f"warning: {tracking.HINT}\n"


@pytest.fixture
def store(root: Path) -> Store:
    """An empty store, beside a result."""
    write_result(root)
    return Store(root)


def test_a_run_holds_everything(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    root = store.root
    track(store, root, {"dvc.exp.name": "modal-jute", "mlflow.source.git.commit": "abc"})
    (run,) = runs(store.uri)
    assert capsys.readouterr().out == f"track: recorded as run {run.info.run_id} in sqlite:///{root}/mlflow.db\n"
    client = MlflowClient(store.uri)
    assert client.get_experiment(run.info.experiment_id).name == "toy"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "badnets-0.01-seed1", "what it is; DVC's name is a tag"
    assert (run.info.start_time, run.info.end_time) == (1767323045000, 1767323047500), "when it was trained"
    assert run.data.params == {
        "seed": "1",
        "data.name": "toy",
        "attack.name": "badnets",
        "attack.rate": "0.01",
        "attacks.badnets": "{}",
    }
    last = {"backdoored/loss": 0.25, "backdoored/accuracy": 0.9, "clean/loss": 0.75, "clean/accuracy": 0.7}
    assert run.data.metrics == {**read_result(root).metrics, **last}
    steps = client.get_metric_history(run.info.run_id, "backdoored/loss")
    assert [(point.step, point.value) for point in steps] == [(1, 0.5), (2, 0.25)]
    assert client.get_metric_history(run.info.run_id, "clean_accuracy")[0].step == 0
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        # MLflow's comparison opens on the metric that was logged first.
        first = database.execute("SELECT key FROM metrics ORDER BY rowid").fetchone()
    assert first == ("attack_success_rate",)
    wanted = {KEY: read_result(root).key, "dvc.exp.name": "modal-jute", "mlflow.source.git.commit": "abc"}
    assert run.data.tags.items() >= (wanted | {"train.device": "cpu", "train.threads": "1"}).items()
    inputs = {
        each.dataset.name: (each.dataset.digest, each.dataset.source_type, json.loads(each.dataset.source), each.tags)
        for each in run.inputs.dataset_inputs
    }
    assert inputs.keys() == {"toy", "poison", "triggered-test-set"}
    digest, kind, source, (context,) = inputs["poison"]
    assert (digest, kind, source["path"]) == (
        read_result(root).hashes["data/poisoned/images.npy"],
        "dvc",
        "data/poisoned/images.npy",
    )
    assert source["md5"] == digest
    assert (context.key, context.value) == ("mlflow.data.context", "training of the backdoored model")
    copies = artefacts(run)
    assert copies.is_relative_to(root / "mlruns/toy")
    copied = sorted(path.relative_to(copies) for path in copies.rglob("*") if path.is_file())
    assert copied == read_result(root).files()
    assert read_result(copies).key == read_result(root).key


def test_a_result_is_recorded_once_and_another_beside_it(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for _ in range(2):
        track(store, store.root, {})
    track(store, write_result(tmp_path_factory.mktemp("copy")), {"dvc.exp.name": "same-result"})
    other = write_result(tmp_path_factory.mktemp("other"))
    replace(other / "dvc.lock", "rate: 0.01", "rate: 5e-05")  # PyYAML reads it as text
    track(store, other, {})
    found = {run.info.run_name: run.data.params["attack.rate"] for run in runs(store.uri)}
    assert found == {"badnets-0.01-seed1": "0.01", "badnets-5e-05-seed1": "5e-05"}


def test_two_writers_make_one_run(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: track(Store(store.root), store.root, {}), range(4)))
    assert len(runs(store.uri)) == 1


@pytest.mark.parametrize("read", [read_result, study("small")], ids=["pipeline", "study"])
def test_two_projects_that_share_a_store_leave_one_run(
    root: Path, read: Reader, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """They have no lock in common: what MLflow's store does at the same time counts."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
    projects = [write_study(write_result(tmp_path_factory.mktemp("project"))) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda project: track(Store(project), project, {}, read), projects))
    for project in projects:  # what was refused as the database was busy
        track(Store(project), project, {}, read, ask=True)
    parents, cells = families(f"sqlite:///{root}/mlflow.db")
    assert [run.info.status for run in parents] == ["FINISHED"]
    assert {run.data.tags[PARENT] for run in cells} == ({parents[0].info.run_id} if cells else set())
    assert len(cells) == (5 if "small" in str(read) else 0)


def test_the_store_is_made_and_written_by_one_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    client, lock, locked = Store._client, FileLock(store.root / ".dvc/tmp/track.lock"), []

    def asking(self: Store) -> Any:
        with pytest.raises(Timeout):
            lock.acquire(timeout=0)
        locked.append(self.uri)
        return client(self)

    monkeypatch.setattr(Store, "_client", asking)
    track(store, store.root, {})
    assert locked == [store.uri]
    with lock.acquire(timeout=0):
        assert len(runs(store.uri)) == 1


def die(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records half of a result; returns its run."""

    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_inputs", dying)
        with pytest.raises(KeyboardInterrupt):
            track(store, store.root, {})
    (died,) = runs(store.uri)
    assert died.info.status == "RUNNING"
    assert not store.holds(read_result(store.root).key)
    return died


def test_a_run_that_died_half_written_is_completed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    died = die(store, monkeypatch)
    track(store, store.root, {})
    (run,) = runs(store.uri)
    assert (run.info.run_id, run.info.status) == (died.info.run_id, "FINISHED")
    client = MlflowClient(store.uri)
    points = {key: len(client.get_metric_history(run.info.run_id, key)) for key in run.data.metrics}
    history = read_result(store.root).history
    assert points == {key: len(history.get(key, [0])) for key in run.data.metrics}, "no value twice"


def test_a_half_written_run_that_the_user_deleted_is_not_gone_on_with(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    died, client = die(store, monkeypatch), MlflowClient(store.uri)
    client.delete_run(died.info.run_id)
    track(store, store.root, {})
    (run,) = runs(store.uri)
    assert (run.info.run_id != died.info.run_id, run.info.status) == (True, "FINISHED")
    (left,) = runs(store.uri, ViewType.DELETED_ONLY)
    assert (left.info.run_id, left.info.status) == (died.info.run_id, "RUNNING")


def test_of_two_half_written_runs_one_is_completed_and_the_other_deleted_before_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die(store, monkeypatch)
    twin = MlflowClient(store.uri).create_run(died.info.experiment_id, tags={KEY: read_result(store.root).key})
    calls: list[tuple[str, ...]] = []

    def noting(name: str) -> Callable[..., Any]:
        call = getattr(MlflowClient, name)

        def noted(self: MlflowClient, *arguments: Any, **named: Any) -> Any:
            calls.append((name, *map(str, arguments)))
            return call(self, *arguments, **named)

        return noted

    names = ("create_run", "log_batch", "log_inputs", "log_artifact", "delete_run", "set_terminated")
    with monkeypatch.context() as patch:
        for name in names:
            patch.setattr(MlflowClient, name, noting(name))
        track(store, store.root, {})
    (run,) = runs(store.uri)
    (deleted,) = {died.info.run_id, twin.info.run_id} - {run.info.run_id}
    assert calls[-2:] == [("delete_run", deleted), ("set_terminated", run.info.run_id, "FINISHED")]
    made = [call[0] for call in calls]
    assert (made.count("create_run"), made.count("delete_run"), made.count("set_terminated")) == (0, 1, 1)


def test_what_the_user_deleted_stays_deleted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    track(store, store.root, {})
    MlflowClient(store.uri).delete_run(runs(store.uri)[0].info.run_id)
    capsys.readouterr()
    for ask in (False, True):
        track(store, store.root, {}, ask=ask)
    assert runs(store.uri) == []
    assert len(runs(store.uri, ViewType.ALL)) == 1
    assert capsys.readouterr() == ("", "")


def test_an_experiment_that_the_user_deleted_stays_deleted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    track(store, store.root, {})
    MlflowClient(store.uri).delete_experiment(runs(store.uri)[0].info.experiment_id)
    track(store, write_result(store.root, rate=0.05), {})
    reason = "its experiment 'toy' is deleted; restore it there, or purge it with `mlflow gc`"
    assert capsys.readouterr().err == f"warning: MLflow at {store.uri} did not accept the result: {reason}\n{HINT}"
    assert runs(store.uri) == []


def test_a_store_holds_what_is_finished_there(store: Store) -> None:
    key = read_result(store.root).key
    assert not store.holds(key)
    track(store, store.root, {})
    assert store.holds(key)
    assert not store.holds(f"{key}0")
    assert not store.holds("badnets"), "the value of another tag"
    assert not (store.root / ".dvc/tmp/tracked").exists(), "it is asked itself, and no note can be wrong"
    (store.root / "mlflow.db").unlink()
    assert not store.holds(key)
    assert not (store.root / "mlflow.db").exists(), "to ask makes none"


def test_what_a_server_holds_is_noted_by_its_address(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, str | None]] = []

    class Client:
        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: str | None) -> str:
            made.append((name, artifact_location))
            return "7"

        def get_experiment(self, number: str) -> Experiment:
            return Experiment(number, "toy", "", "active")

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *_, **__: []

    root, first = store.root, read_result(store.root)
    monkeypatch.setattr(Store, "_client", lambda _: Client())
    monkeypatch.setattr(stores, "record", lambda _, experiment, *__, **___: experiment)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org")
    assert not Store(root).holds(first.key)
    assert Store(root).record(first, {}) == "7"
    second = read_result(write_result(root, rate=0.05))
    assert not Store(root).holds(second.key)
    Store(root).record(second, {})
    assert made == [("toy", None)] * 2, "a server says itself where its artefacts are"
    assert Store(root).holds(first.key)
    assert Store(root).holds(second.key)
    assert "secret" not in (root / ".dvc/tmp/tracked").read_text()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.com")
    assert not Store(root).holds(first.key)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert not Store(root).holds(first.key)


def test_all_asks_the_store_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "holds", lambda *_: True)  # as a note does that has outlived its store
    track(store, store.root, {})
    assert runs(store.uri) == []
    track(store, store.root, {}, ask=True)
    assert len(runs(store.uri)) == 1


@pytest.mark.parametrize("uri", ["", "sqlite:///mine.db", "sqlite:///{root}/mine.db"])
def test_a_sqlite_store_is_the_same_from_everywhere(
    store: Store, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = store.root
    shutil.copy(root / "mlflow.db", root / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(root=root))
    monkeypatch.chdir(write_result(tmp_path_factory.mktemp("copy")))
    store = Store(Path(os.path.relpath(root)))
    track(store, Path(), {})
    assert store.uri == f"sqlite:///{root}/{'mine' if uri else 'mlflow'}.db"
    (run,) = runs(store.uri)
    assert run.info.artifact_uri.startswith((root / "mlruns").as_uri())
    assert not Path("mlflow.db").exists()


def test_a_password_in_the_address_is_not_shown(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store.hide("a@b, mail me@example.org") == "a@b, mail me@example.org"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:se@cret@example.org/x")
    store = Store(store.root)

    def refuse(*_: object) -> None:
        # So long that it is cut, and if it is cut too early, in the middle of the password.
        raise OSError(f"no answer\n  from {store.uri} {'.' * 940}{store.uri}, sorry {'.' * 99}")

    monkeypatch.setattr(Store, "record", refuse)
    track(store, store.root, {})
    shown = f"no answer from https://example.org/x {'.' * 940}https://example.org/x, sorry {'.' * 99}"[:1000] + " …"
    warning = f"warning: MLflow at https://example.org/x did not accept the result: {shown}\n{HINT}"
    assert capsys.readouterr() == ("", warning)
    monkeypatch.setattr(Store, "record", lambda *_: "abc")
    track(store, store.root, {})
    assert capsys.readouterr() == ("track: recorded as run abc in https://example.org/x\n", "")


@pytest.mark.parametrize(
    ("error", "warned"),
    [
        (OSError("x"), True),
        (StoreError("x"), True),
        (MlflowException("x"), True),
        (OperationalError("x", {}, Exception("x")), True),
        (ValueError("x"), False),
    ],
)
def test_what_the_store_raises_is_a_warning_and_what_we_raise_is_not(
    store: Store,
    error: Exception,
    warned: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(Store, "record", refuse)
    if warned:
        track(store, store.root, {})
        assert capsys.readouterr().err.count("warning: ") == 2
    else:
        with pytest.raises(ValueError, match="x"):
            track(store, store.root, {})


def test_an_unreachable_server_is_a_warning(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, but not listening: the port refuses
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = Store(store.root)
        track(away, store.root, {})
    assert f"warning: MLflow at {away.uri} did not accept the result" in capsys.readouterr().err
    assert not away.holds(read_result(store.root).key)
    track(store, store.root, {})
    assert len(runs(store.uri)) == 1


def test_mlflow_neither_waits_long_nor_tells_tales_unless_the_user_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    for name in ours:
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    Store(tmp_path)._client()
    assert {name: os.environ[name] for name in ours} == dict.fromkeys(ours, "7")
    for name in ours:
        monkeypatch.delenv(name)
    assert Store(tmp_path)._client().tracking_uri == "http://127.0.0.1:9"
    assert {name: os.environ.get(name) for name in ours} == ours
    for name in ours:
        monkeypatch.delenv(name)


def stage(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["track", *arguments])
    stages.track.main()


def test_the_stage_records_from_a_copy_what_it_is_asked_for(
    root: Path,
    in_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy, uri = tmp_path_factory.mktemp("copy"), Store(root).uri
    copy_pipelines(write_study(write_result(copy)))
    shutil.copy(in_folder / "params.yaml", copy)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(root))  # as in `dvc exp run --temp`
    stage(monkeypatch)
    assert [run.info.run_name for run in runs(uri)] == ["badnets-0.01-seed1"]
    stage(monkeypatch, "--study", "small")
    (study, *_), cells = families(uri)
    assert (study.info.run_name, study.data.tags["mlflow.source.name"], len(cells)) == ("small", "dvc repro", 5)
    capsys.readouterr()
    stage(monkeypatch, "--study", "other")
    wanted = f"track: nothing to record from {copy}: the study other has not run yet\n"
    assert capsys.readouterr() == (wanted, "")
    stage(monkeypatch, "--all")
    assert capsys.readouterr() == ("", ""), "all is known, and of what is missing nothing is said"
    for place in ("work tree", "artefacts"):
        if place == "artefacts":
            shutil.rmtree(copy / "metrics")
            (copy / "dvc.lock").unlink()
        with closing(sqlite3.connect(root / "mlflow.db")) as database, database:  # all is lost
            for table in ("metrics", "latest_metrics", "params", "tags", "inputs", "input_tags", "runs"):
                database.execute(f"DELETE FROM {table}")
        with monkeypatch.context() as patch:
            patch.setattr(Store, "holds", lambda *_: True)  # as a note says that has outlived its store
            stage(patch, "--all")
        parents, cells = families(uri)
        assert sorted(run.info.run_name for run in parents) == ["badnets-0.01-seed1", "small"]
        assert len(cells) == 5
        assert {"mlflow.source.name" in run.data.tags for run in [*parents, *cells]} == {place == "work tree"}
    capsys.readouterr()
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(write_result(root))
    copy_pipelines(root)
    stage(monkeypatch)
    assert capsys.readouterr() == ("", ""), "it is the same store"


def test_own_files_that_have_changed_are_told(
    root: Path, in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_pipelines(in_folder)
    places = ("data/raw", "data/studies/small/folder")
    source = json.dumps({"name": "folder", "own_files": "other"})
    write(in_folder, {"mine/x.txt": "", **{f"{place}/source.json": source for place in places}})
    params = yaml.safe_load((in_folder / "params.yaml").read_text())
    params["datasets"]["folder"]["path"] = "mine"
    write(in_folder, {"params.yaml": yaml.safe_dump(params)})
    stages = ("download`, then `dvc repro", "pipelines/studies/dvc.yaml:fetch@small`, then `make study NAME=small")
    for place, again, arguments in (
        (places[0], stages[0], ()),
        (places[0], stages[0], ("--all",)),
        (places[1], stages[1], ("--study", "small")),
    ):
        stage(monkeypatch, *arguments)
        assert capsys.readouterr().err == (
            f"warning: the files in mine, which DVC does not watch, have changed since {place} was made; "
            f"to read them again, run `dvc repro --force --single-item {again}`\n"
        )
    for place in places:
        (in_folder / place / "source.json").unlink()
    for arguments in ((), ("--study", "small")):
        stage(monkeypatch, *arguments)
        assert not capsys.readouterr().err


def test_the_shipped_sections_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    check_sections()
