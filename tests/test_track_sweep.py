"""One MLflow run per distinct sweep, and one under it for each cell, whatever died on the way."""

import csv
import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from stages.recorder import CELL, PARENT, REASON
from stages.results import IncompleteError
from stages.runs import Store
from stages.sweep_results import read_sweep
from stages.track import track
from tests.conftest import PROJECT, Project, ran
from tests.mlflow_server import Server

TRACK = """
import sys; from pathlib import Path
from stages.runs import Store; from stages.sweep_results import read_sweep; from stages.track import track
root = Path(sys.argv[1]); track(Store(root), root, {}, read_sweep)
"""
SWEEP = "sweep/dvc.yaml"
# Clean-label poison has fewer rows to choose from than this rate asks for: its cells fail.
ATTACKS, RATES, SEEDS = ["badnets", {"name": "badnets", "label_map": "clean-label"}], [0, 0.2], [1, 2]
NAMES = {
    f"badnets-{label_map}-{rate:g}-seed{seed}"
    for label_map in ("all-to-one", "clean-label")
    for rate in RATES
    for seed in SEEDS
}
FAILED = {"badnets-clean-label-0.2-seed1", "badnets-clean-label-0.2-seed2"}


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which `dvc repro sweep/dvc.yaml` has run; the tests that use DVC go on from there."""
    project = Project(tmp_path_factory.mktemp("swept") / "project")
    project.set_params(sweep={"attacks": ATTACKS, "rates": RATES, "seeds": SEEDS}, train={"epochs": 1})
    project.commit()
    output = project("dvc", "repro", SWEEP)
    assert ran(output) == ["download", f"{SWEEP}:sweep", f"{SWEEP}:track_sweep"]
    return project


@pytest.fixture
def root(tmp_path: Path, swept: Project, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of that sweep beside an empty store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(swept.folder / "metrics", tmp_path / "metrics")
    (tmp_path / "sweep").mkdir()
    shutil.copy(swept.folder / "sweep/dvc.lock", tmp_path / "sweep")
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


def write(root: Path, name: str, content: str) -> None:
    """Replaces a file of the sweep, and what DVC recorded of it."""
    path, lock = root / "metrics" / name, root / "sweep/dvc.lock"
    old, new = (hashlib.md5(each, usedforsecurity=False).hexdigest() for each in (path.read_bytes(), content.encode()))
    assert old in lock.read_text()
    path.write_text(content)
    lock.write_text(lock.read_text().replace(old, new))


def widen(root: Path, seeds: int) -> set[str]:
    """Makes a sweep of one curve with more seeds out of it, long enough to be interrupted; returns its cells."""
    for table in ("sweep", "sweep_timing"):
        head, row, *_ = (root / f"metrics/{table}.csv").read_text().splitlines()
        assert row.startswith("digits,badnets,all-to-one,0.0,1,")
        rows = [row.replace(",1,", f",{seed},", 1) for seed in range(seeds)]
        write(root, f"{table}.csv", "\n".join([head, *rows, ""]))
    return {f"badnets-all-to-one-0-seed{seed}" for seed in range(seeds)}


def runs(uri: str, view: int = ViewType.ACTIVE_ONLY) -> tuple[list[Any], list[Any]]:
    """The runs of sweeps, and those of cells."""
    client = MlflowClient(uri)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()], "", view)
    return [run for run in found if CELL not in run.data.tags], [run for run in found if CELL in run.data.tags]


def check(uri: str, names: set[str] = NAMES, failed: set[str] = FAILED) -> Any:
    """Asserts that there is one whole sweep with each of its cells once; returns its run."""
    (parent,), cells = runs(uri)
    assert parent.info.status == "FINISHED"
    assert sorted(cell.data.tags[CELL] for cell in cells) == sorted(names)
    assert {cell.data.tags[CELL] for cell in cells if cell.info.status != "FINISHED"} == failed
    assert {cell.data.tags[PARENT] for cell in cells} == {parent.info.run_id}
    assert all({"attack.rate", "seed"} <= cell.data.params.keys() for cell in cells)
    return parent


def written(database: Path) -> int:
    """How many runs a store has, asked beside MLflow."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT COUNT(*) FROM runs").fetchone()[0])


def interrupt(root: Path, kill: Callable[[subprocess.Popen[str]], object]) -> str:
    """Records in a process of its own, and calls `kill` when some of the cells are written; returns what it printed."""
    start = written(root / "mlflow.db")
    with subprocess.Popen(
        [sys.executable, "-c", TRACK, root], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as recorder:
        while recorder.poll() is None and written(root / "mlflow.db") < start + 8:
            time.sleep(0.005)
        kill(recorder)
        return recorder.communicate(timeout=120)[0]


def test_repro_records_the_sweep_and_its_cells(swept: Project) -> None:
    uri = f"sqlite:///{swept.folder}/mlflow.db"
    parent = check(uri)
    client = MlflowClient(uri)
    assert client.get_experiment(parent.info.experiment_id).name == "digits"
    assert parent.info.run_name == "sweep-badnets"
    assert parent.data.params["sweep.rates"] == "[0, 0.2]"
    assert parent.data.params["train.network"] == "cnn"
    assert {"attacks.badnets.pixels"} == {key for key in parent.data.params if key.endswith(".pixels")}
    assert not [key for key in parent.data.params if key.startswith("attacks.sticker")], "it was not swept"
    assert parent.data.metrics["cells"] == 8
    assert parent.data.metrics["failed_cells"] == 2
    assert parent.data.tags["mlflow.source.git.commit"] == swept("git", "rev-parse", "HEAD").strip()
    (raw,) = parent.inputs.dataset_inputs
    assert (raw.dataset.name, raw.dataset.digest[-4:]) == ("digits", ".dir")
    artefacts = Path(parent.info.artifact_uri.removeprefix("file://"))
    assert {str(path.relative_to(artefacts)) for path in artefacts.rglob("*") if path.is_file()} == {
        "metrics/dose.json",
        "metrics/sweep.csv",
        "metrics/sweep.png",
        "metrics/sweep_failed.csv",
        "metrics/sweep_summary.csv",
        "metrics/sweep_timing.csv",
        "sweep/dvc.lock",
    }
    assert read_sweep(artefacts).key == read_sweep(swept.folder).key


def test_a_cell_is_recorded_as_a_run_of_the_pipeline_would_be(swept: Project) -> None:
    uri = f"sqlite:///{swept.folder}/mlflow.db"
    cells = {run.data.tags[CELL]: run for run in runs(uri)[1]}
    with (swept.folder / "metrics/sweep.csv").open(newline="") as file:
        table = {f"badnets-{r['label_map']}-{float(r['rate']):g}-seed{r['seed']}": r for r in csv.DictReader(file)}
    name = "badnets-all-to-one-0.2-seed2"
    row, cell = table[name], cells[name]
    params = {"data.name": "digits", "attack.name": "badnets", "attack.label_map": "all-to-one", "seed": "2"}
    assert cell.data.params.items() >= (params | {"attack.rate": "0.2", "train.epochs": "1"}).items()
    scores = {key: float(value) for key, value in row.items() if key.endswith(("_rate", "_accuracy", "_rows"))}
    assert len(scores) == 5
    assert {key: value for key, value in cell.data.metrics.items() if key != "seconds"} == scores
    assert cell.data.metrics["seconds"] > 0
    assert cells["badnets-clean-label-0-seed1"].data.params["attack.rate"] == "0", "not 0.0, as in the pipeline's runs"
    assert cells["badnets-clean-label-0-seed1"].data.params["attack.label_map"] == "clean-label"
    with closing(sqlite3.connect(swept.folder / "mlflow.db")) as store:
        # MLflow's comparison opens on the metric that was logged first.
        first = store.execute(
            "SELECT key FROM metrics WHERE run_uuid = ? ORDER BY rowid", [cell.info.run_id]
        ).fetchone()
    assert first == ("attack_success_rate",)
    for name in FAILED:
        assert cells[name].info.status == "FAILED"
        assert "allows 1" in cells[name].data.tags[REASON]
        assert "attack_success_rate" not in cells[name].data.metrics


def test_however_the_sweep_is_repeated_it_is_recorded_once(swept: Project) -> None:
    uri = f"sqlite:///{swept.folder}/mlflow.db"
    for command in ("dvc repro", "dvc exp run"):
        assert f"{SWEEP}:sweep" not in ran(swept(*command.split(), SWEEP)), command
    # A copy of the work tree has what is in git, and here the sweep is not. It is put together again.
    output = swept("dvc", "exp", "run", "--temp", SWEEP)
    assert f"{SWEEP}:sweep" in ran(output)
    assert "4/6" in output, "of six models two failed, and are tried again"
    assert not any(f"{done}/6" in output for done in range(4)), "a finished model was trained again"
    timing = (swept.folder / "metrics/sweep_timing.csv").read_bytes()
    for name in (
        "sweep/dvc.lock",
        "metrics/sweep.csv",
        "metrics/sweep_timing.csv",
    ):
        (swept.folder / name).unlink()
    assert f"{SWEEP}:sweep" in ran(swept("dvc", "repro", SWEEP))
    assert (swept.folder / "metrics/sweep_timing.csv").read_bytes() == timing, "something was trained again"
    check(uri)
    # An ordinary run finds nothing of its own, and takes no notice.
    assert "there is no dvc.lock" not in swept("python", "-m", "stages.track")
    check(uri)


def test_the_doses_are_metrics(root: Path) -> None:
    half = {"rate": 0.0012, "interval": [0.001, None], "bound": None}
    full = {"rate": None, "interval": None, "bound": "> 0.1"}
    curve = {"slope": 3.5}
    arm = {"attack_success_rate_50": half, "attack_success_rate_95": full, "curve": curve}
    write(root, "dose.json", json.dumps({"badnets/all-to-one": arm}))
    track(Store(root), root, {}, read_sweep)
    parent = check(Store(root).uri)
    assert parent.data.metrics == {
        "dose_50/badnets/all-to-one": 0.0012,
        "interval_low/dose_50/badnets/all-to-one": 0.001,
        "cells": 8,
        "failed_cells": 2,
    }
    assert parent.data.tags["dose_95/badnets/all-to-one"] == "> 0.1"
    assert "dose_50/badnets/all-to-one" not in parent.data.tags


def test_a_sweep_is_its_parameters_and_outputs_without_the_timings(root: Path) -> None:
    key = read_sweep(root).key
    timing = (root / "metrics/sweep_timing.csv").read_text()
    write(root, "sweep_timing.csv", timing.replace(",1,", ",1,9", 1))
    assert read_sweep(root).key == key
    write(root, "sweep_summary.csv", "other")
    assert read_sweep(root).key != key
    key, lock = read_sweep(root).key, root / "sweep/dvc.lock"
    lock.write_text(lock.read_text().replace("- 255\n            - 255\n            - 0", "- 0"))
    assert read_sweep(root).key == key, "the colour of a sticker, which was not swept"
    lock.write_text(lock.read_text().replace("epochs: 1", "epochs: 2"))
    assert read_sweep(root).key != key


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "sweep/dvc.lock").unlink(), "no sweep/dvc.lock yet"),
        (lambda root: (root / "sweep/dvc.lock").write_text("stages: {}"), "sweep has not run"),
        (lambda root: (root / "metrics/dose.json").unlink(), "dose.json is missing"),
        (lambda root: (root / "metrics/sweep.csv").write_text(""), "sweep.csv is not the one in sweep/dvc.lock"),
    ],
)
def test_pieces_of_several_sweeps_are_not_recorded(root: Path, spoil: Any, message: str) -> None:
    spoil(root)
    with pytest.raises(IncompleteError, match=message):
        read_sweep(root)
    track(Store(root), root, {}, read_sweep)
    assert runs(Store(root).uri) == ([], [])


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_wherever_the_recorder_dies_the_next_one_goes_on(
    root: Path, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies at the first call to the store, the second at its second, … until one lives to the end."""
    store, calls, attempts, parents = Store(root), 0, 0, set()

    def dying(call: Any) -> Any:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == attempts and not done:
                raise KeyboardInterrupt
            answer = call(*args, **kwargs)
            if calls == attempts:
                raise KeyboardInterrupt
            return answer

        return wrapped

    with monkeypatch.context() as patch:
        for name in ("create_run", "log_batch", "log_inputs", "log_artifact", "set_terminated", "delete_run"):
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        while not store.holds(read_sweep(root).key):
            calls, attempts = 0, attempts + 1
            try:
                track(store, root, {}, read_sweep)
            except KeyboardInterrupt:
                parents |= {run.info.run_id for run in runs(store.uri)[0]}
    assert attempts > 12
    assert parents == {check(store.uri).info.run_id}, "the same run was gone on with"


def test_a_killed_recorder_is_made_good(root: Path) -> None:
    names = widen(root, 25)
    interrupt(root, lambda recorder: recorder.send_signal(signal.SIGKILL))
    (parent,), cells = runs(Store(root).uri)
    assert parent.info.status == "RUNNING"
    assert 0 < len(cells) < 25
    track(Store(root), root, {}, read_sweep)
    assert check(Store(root).uri, names, set()).info.run_id == parent.info.run_id


def test_two_recorders_at_once_make_one_sweep(root: Path) -> None:
    recorders = [subprocess.Popen([sys.executable, "-c", TRACK, root], cwd=PROJECT) for _ in range(2)]
    assert [recorder.wait(120) for recorder in recorders] == [0, 0]
    check(Store(root).uri)


def test_a_call_that_mlflow_repeats_makes_no_run_twice(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create = MlflowClient.create_run

    def twice(*args: Any, **kwargs: Any) -> Any:  # as when the answer to the first call is lost
        create(*args, **kwargs)
        return create(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    track(Store(root), root, {}, read_sweep)
    check(Store(root).uri)


def die_in_the_end(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records all, but does not finish the run of the sweep; returns it."""
    store, end = Store(root), MlflowClient.set_terminated

    def set_terminated(self: Any, run_id: str, status: str) -> None:
        if runs(store.uri)[0][0].info.run_id == run_id:
            raise KeyboardInterrupt
        end(self, run_id, status)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", set_terminated)
        with pytest.raises(KeyboardInterrupt):
            track(store, root, {}, read_sweep)
    (parent,), _ = runs(store.uri)
    assert parent.info.status == "RUNNING"
    return parent


def test_a_run_that_the_user_put_under_the_sweep_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent, client = die_in_the_end(root, monkeypatch), MlflowClient(Store(root).uri)
    theirs = client.create_run(parent.info.experiment_id, tags={PARENT: parent.info.run_id}).info.run_id
    track(Store(root), root, {}, read_sweep)
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"
    assert client.get_run(theirs).info.lifecycle_stage == "active"


def test_what_the_user_deleted_stays_deleted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    die_in_the_end(root, monkeypatch)
    store = Store(root)
    client = MlflowClient(store.uri)
    gone = sorted(NAMES)[0]
    (cell,) = [run for run in runs(store.uri)[1] if run.data.tags[CELL] == gone]
    client.delete_run(cell.info.run_id)
    track(store, root, {}, read_sweep)
    parent = check(store.uri, NAMES - {gone})
    client.delete_run(parent.info.run_id)
    track(store, root, {}, read_sweep, ask=True)
    assert runs(store.uri)[0] == []
    assert len(runs(store.uri, ViewType.ALL)[1]) == len(NAMES)


def test_a_known_sweep_needs_no_mlflow(root: Path) -> None:
    track(Store(root), root, {}, read_sweep)
    code = f"{TRACK}\nassert not {{'mlflow', 'pandas', 'numpy'}} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code, root], cwd=PROJECT, check=True)


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root / "mlflow.db", root / "server")
    server.start()
    yield server
    server.kill()


def test_a_server_that_goes_away_gets_the_rest_when_it_is_back(
    root: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = widen(root, 25)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    output = interrupt(root, lambda _: server.kill())
    assert f"warning: MLflow at {server.uri} did not take the result" in output
    assert "Traceback" not in output
    assert "View run" not in output, "MLflow would print two lines for each cell"
    for _ in range(2):
        track(Store(root), root, {}, read_sweep)  # it is still away
    (parent,), cells = runs(f"sqlite:///{root}/mlflow.db")
    assert parent.info.status == "RUNNING"
    assert 0 < len(cells) < 25
    server.start()
    track(Store(root), root, {}, read_sweep)
    assert check(server.uri, names, set()).info.run_id == parent.info.run_id
    assert Store(root).holds(read_sweep(root).key), "noted, so that the server need not be asked again"
    assert {each.path for each in MlflowClient(server.uri).list_artifacts(parent.info.run_id)} == {"metrics", "sweep"}


def test_what_the_store_missed_or_lost_is_found_again(swept: Project, tmp_path: Path) -> None:
    """The sweep of the work tree, and one of an experiment that ran while there was no server."""
    store = swept.folder / "mlflow.db"
    before = {run.data.tags[CELL]: run.data.metrics for run in runs(f"sqlite:///{store}")[1]}
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    swept.environment |= away
    output = swept("dvc", "exp", "run", "--temp", "--name", "few", "-S", "sweep.seeds=[2]", SWEEP)
    for name in away:
        del swept.environment[name]
    assert "did not take the result" in output
    store.unlink()
    shutil.rmtree(swept.folder / "mlruns")
    swept("python", "-m", "stages.track", "--all")
    # Of a copy, as MLflow keeps the database open that was there before.
    parents, cells = runs(f"sqlite:///{shutil.copy(store, tmp_path)}")
    (few,) = [run for run in parents if run.data.tags.get("dvc.exp.name") == "few"]
    assert few.data.params["sweep.seeds"] == "[2]"
    (all_seeds,) = [run for run in parents if run is not few]
    found = {
        parent: {run.data.tags[CELL]: run.data.metrics for run in cells if run.data.tags[PARENT] == parent}
        for parent in (few.info.run_id, all_seeds.info.run_id)
    }
    assert found[all_seeds.info.run_id] == before
    assert found[few.info.run_id].keys() == {name for name in NAMES if name.endswith("seed2")}
    assert len(cells) == len(NAMES) * 3 / 2
