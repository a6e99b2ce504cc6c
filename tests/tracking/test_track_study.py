"""One MLflow run per distinct study, and one under it for each cell, whatever died on the way."""

import csv
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from miseducation.tracking import recorder
from miseducation.tracking.recorder import CELL, KEY, PARENT, REASON
from miseducation.tracking.runs import Store
from miseducation.tracking.study_results import read_study
from miseducation.tracking.track import study, track
from tests.conftest import PROJECT, Prepare, Project, ran
from tests.studies.study_projects import ARMS, RATES, SEEDS, studied_project
from tests.tracking.made import (
    FAILED,
    NAMES,
    WHY,
    artefacts,
    check,
    families,
    runs,
    widen,
    write_result,
    write_study,
)
from tests.tracking.mlflow_server import Server

TRACK = """
import sys; from pathlib import Path
from miseducation.tracking.runs import Store; from miseducation.tracking.track import study, track
root = Path(sys.argv[1]); track(Store(root), root, {}, study("small"))
"""
READ = study("small")
TARGET = "pipelines/studies/dvc.yaml:track@small"
STAGES = [f"pipelines/studies/dvc.yaml:{stage}@small" for stage in ("fetch", "study", "track")]


@pytest.fixture
def store(root: Path) -> Store:
    """An empty store, beside a study."""
    write_study(root)
    return Store(root)


@pytest.fixture
def short(root: Path) -> Store:
    """An empty store, beside a study of three cells, of which one failed."""
    write_study(root, datasets=("digits",))
    return Store(root)


SHORT = {name for name in NAMES if name.startswith("digits")}


def test_a_study_and_its_cells_are_recorded(store: Store) -> None:
    tags = {"mlflow.source.git.commit": "abc"}
    track(store, store.root, tags, READ)
    parent, result = check(store.uri), read_study(store.root, "small")
    client = MlflowClient(store.uri)
    assert client.get_experiment(parent.info.experiment_id).name == "small"
    assert parent.info.run_name == "small"
    assert parent.data.tags.items() >= (tags | {KEY: result.key} | result.tags).items()
    assert parent.data.params["studies.small.rates"] == "[0, 5e-05, 0.2]"
    assert parent.data.params["studies.small.attacks"] == "null"
    curves = {key: row[-1][1] for key, row in result.history.items()}
    assert parent.data.metrics == {**result.metrics, **curves}
    (curve,) = (key for key in curves if "badnets" in key)
    points = client.get_metric_history(parent.info.run_id, curve)
    assert [(point.step, point.value) for point in points] == [(0, 0.02), (200_000, 0.72)]
    assert {each.dataset.name: each.dataset.digest for each in parent.inputs.dataset_inputs} == {
        "digits": result.hashes["data/studies/small"],
        "signs": result.hashes["data/studies/small"],
    }
    assert read_study(artefacts(parent), "small").key == result.key
    cells = {run.info.run_name: run for run in families(store.uri)[1]}
    for cell in result.cells:
        run = cells[cell.name]
        assert run.data.metrics == cell.metrics
        assert run.data.params["attack.rate"] == f"{cell.params['attack.rate']}"
        assert run.data.tags.items() >= tags.items()
        assert KEY not in run.data.tags
    assert cells["signs-label_flip-random-5e-05-seed2"].data.params["attacks.label_flip"] == "{}"
    (failed,) = FAILED
    assert [name for name, run in cells.items() if REASON in run.data.tags] == [failed]
    assert cells[failed].data.tags[REASON] == WHY
    with closing(sqlite3.connect(store.root / "mlflow.db")) as database:
        run_id = cells["signs-sticker-all-to-one-0.2-seed2"].info.run_id
        query = "SELECT key FROM metrics WHERE run_uuid = ? ORDER BY rowid"
        assert database.execute(query, [run_id]).fetchone() == ("attack_success_rate",)


def test_a_study_of_one_data_set_stands_beside_its_runs_in_mlflow(short: Store) -> None:
    track(short, short.root, {}, READ)
    parent = check(short.uri, SHORT)
    assert MlflowClient(short.uri).get_experiment(parent.info.experiment_id).name == "digits"
    assert artefacts(parent).is_relative_to(short.root / "mlruns/digits")


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_wherever_the_recorder_dies_the_next_one_goes_on(
    short: Store, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies at the first call to the store, the second at its second, … until one lives to the end."""
    calls, attempts, parents, result = 0, 0, set(), read_study(short.root, "small")

    def dying(call: Any) -> Any:
        def wrapped(self: MlflowClient, *args: Any) -> Any:
            nonlocal calls
            if str(args[1:]).count(".csv"):  # of the artefacts, one will do
                return call(self, *args)
            calls += 1
            if calls == attempts and not done:
                raise KeyboardInterrupt
            answer = call(self, *args)
            if calls == attempts:
                raise KeyboardInterrupt
            return answer

        return wrapped

    create = MlflowClient.create_run
    with monkeypatch.context() as patch:
        patch.setattr(
            MlflowClient,
            "create_run",
            lambda self, experiment, **named: dying(lambda *_: create(self, experiment, **named))(self, experiment),
        )
        for name in ("log_batch", "log_inputs", "log_artifact", "set_terminated", "delete_run"):
            patch.setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
        while not short.holds(result.key):
            calls, attempts = 0, attempts + 1
            assert attempts < 50, "nobody gets on"
            try:
                track(short, short.root, {}, READ)
            except KeyboardInterrupt:
                parents |= {run.info.run_id for run in families(short.uri)[0]}
    assert attempts > 7
    parent = check(short.uri, SHORT)
    assert parents == {parent.info.run_id}, "the same run was gone on with"
    with closing(sqlite3.connect(short.root / "mlflow.db")) as database:
        query = "SELECT COUNT(*), COUNT(DISTINCT key || step) FROM metrics WHERE run_uuid = ?"
        count, distinct = database.execute(query, [parent.info.run_id]).fetchone()
    assert count == distinct == len(result.metrics) + sum(map(len, result.history.values()))


def test_a_call_that_mlflow_repeats_makes_no_run_twice(short: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    create = MlflowClient.create_run

    def twice(*args: Any, **kwargs: Any) -> Any:  # as when the answer to the first call is lost
        create(*args, **kwargs)
        return create(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_run", twice)
    track(short, short.root, {}, READ)
    check(short.uri, SHORT)
    assert len(runs(short.uri, ViewType.DELETED_ONLY)) == 1 + len(SHORT)


def die_in_the_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Records all, but does not finish the run of the study; returns it."""
    end = MlflowClient.set_terminated

    def set_terminated(self: Any, run_id: str, status: str) -> None:
        if families(store.uri)[0][0].info.run_id == run_id:
            raise KeyboardInterrupt
        end(self, run_id, status)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", set_terminated)
        with pytest.raises(KeyboardInterrupt):
            track(store, store.root, {}, READ)
    (parent,), _ = families(store.uri)
    assert parent.info.status == "RUNNING"
    return parent


def test_of_cells_that_are_there_twice_one_is_left_and_what_is_the_users_is_left_alone(
    short: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, client = die_in_the_end(short, monkeypatch), MlflowClient(short.uri)
    experiment, under = parent.info.experiment_id, {PARENT: parent.info.run_id}
    theirs = client.create_run(experiment, tags=under).info.run_id
    name = min(SHORT - FAILED)
    twin = client.create_run(experiment, tags=under | {CELL: name}).info.run_id
    for name in ("attack.rate", "seed"):
        client.log_param(twin, name, 0)
    client.set_terminated(twin, "FINISHED")
    track(short, short.root, {}, READ)
    assert client.get_run(theirs).info.lifecycle_stage == "active"
    client.delete_run(theirs)
    assert check(short.uri, SHORT).info.run_id == parent.info.run_id


def test_what_the_user_deleted_stays_deleted(short: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    die_in_the_end(short, monkeypatch)
    client, gone = MlflowClient(short.uri), min(SHORT)
    (cell,) = [run for run in families(short.uri)[1] if run.data.tags[CELL] == gone]
    client.delete_run(cell.info.run_id)
    track(short, short.root, {}, READ)
    parent = check(short.uri, SHORT - {gone})
    client.delete_run(parent.info.run_id)
    track(short, short.root, {}, READ, ask=True)
    assert families(short.uri)[0] == []
    assert len(families(short.uri, ViewType.ALL)[1]) == len(SHORT)


def test_a_store_is_asked_for_all_cells_however_many(short: Store) -> None:
    track(short, short.root, {}, READ)
    parent, many = check(short.uri, SHORT), 1_100  # MLflow gives a thousand runs if it is not asked for more
    with closing(sqlite3.connect(short.root / "mlflow.db")) as database, database:
        columns = ", ".join(name for _, name, *_ in database.execute("PRAGMA table_info(runs)") if name != "run_uuid")
        copy = f"INSERT INTO runs (run_uuid, {columns}) SELECT ?, {columns} FROM runs WHERE run_uuid = ?"
        database.executemany(copy, [(str(number), parent.info.run_id) for number in range(many)])
        tags = [(key, str(number), str(number)) for number in range(many) for key in (CELL, PARENT)]
        database.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
        database.execute("UPDATE tags SET value = ? WHERE key = ?", [parent.info.run_id, PARENT])
    client = MlflowClient(short.uri)
    assert len(recorder._recorded_cells(client, parent.info.experiment_id, parent.info.run_id)) == many + len(SHORT)


def test_cells_that_the_store_lost_are_told(
    short: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end = MlflowClient.set_terminated

    def lose(self: MlflowClient, run_id: str, status: str) -> None:
        end(self, run_id, status)
        with closing(sqlite3.connect(short.root / "mlflow.db")) as database, database:
            database.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", [run_id])

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", lose)
        track(short, short.root, {}, READ)
    assert "did not accept the result: it lacks cells that were written there\n" in capsys.readouterr().err
    assert not short.holds(read_study(short.root, "small").key)
    track(short, short.root, {}, READ)
    check(short.uri, SHORT)


def test_a_known_result_needs_no_mlflow(short: Store) -> None:
    write_result(short.root)
    track(short, short.root, {})
    track(short, short.root, {}, READ)
    both = f"{TRACK}track(Store(root), root, {{}})"
    code = f"{both}; sys.exit(', '.join({{'mlflow', 'pandas', 'numpy'}} & sys.modules.keys()) or None)"
    subprocess.run([sys.executable, "-c", code, short.root], cwd=PROJECT, check=True)


def written(database: Path) -> int:
    """How many runs a store has, asked beside MLflow."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        return int(store.execute("SELECT COUNT(*) FROM runs").fetchone()[0])


def wait_for_cells(store: Store) -> None:
    """Waits until some of the cells are written."""
    for _ in range(20_000):
        if written(store.root / "mlflow.db") >= 5:
            return
        time.sleep(0.005)
    raise TimeoutError


def stop(pid: int) -> None:
    """Stops a process, and waits until all of its threads stand still."""
    os.kill(pid, signal.SIGSTOP)
    threads = [Path(path) for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    while any(path.read_text().rpartition(")")[2].split()[0] != "T" for path in threads):
        time.sleep(0.001)


def is_locked(path: Path) -> bool:
    """Whether a database cannot be read at this moment."""
    try:
        with closing(sqlite3.connect(path, timeout=0)) as database:
            database.execute("SELECT COUNT(*) FROM runs").fetchone()
    except sqlite3.OperationalError:
        return True
    return (path.parent / f"{path.name}-journal").exists()


def test_a_killed_recorder_is_made_good_by_one_that_came_meanwhile(short: Store) -> None:
    names = widen(short.root, 20)
    command = [sys.executable, "-c", TRACK, str(short.root)]
    with subprocess.Popen(command, cwd=PROJECT) as first:
        wait_for_cells(short)
        stop(first.pid)
        while is_locked(short.root / "mlflow.db"):  # stopped while it writes, it would keep all readers waiting
            first.send_signal(signal.SIGCONT)
            time.sleep(0.01)
            stop(first.pid)
        (parent,), cells = families(short.uri)
        assert parent.info.status == "RUNNING"
        assert 0 < len(cells) < 20
        with subprocess.Popen(command, cwd=PROJECT) as second:
            time.sleep(0.5)
            first.kill()
            assert second.wait(120) == 0
    assert check(short.uri, names, set()).info.run_id == parent.info.run_id


@pytest.fixture
def server(root: Path) -> Iterator[Server]:
    server = Server(root / "mlflow.db", root / "server")
    server.start()
    yield server
    server.kill()


def test_a_server_gets_each_result_once_and_the_rest_when_it_was_away(
    short: Store, server: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    root, names = write_result(short.root), widen(short.root, 20)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    away = Store(root)
    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(track, away, root, {}, READ)
        wait_for_cells(short)
        server.kill()
        recording.result(120)
    output = "".join(capfd.readouterr())
    assert f"warning: MLflow at {server.uri} did not accept the result" in output
    assert "View run" not in output, "MLflow would print two lines for each cell"
    track(away, root, {}, READ)  # it is still away
    (parent,), cells = families(f"sqlite:///{root}/mlflow.db")
    assert parent.info.status == "RUNNING"
    assert 0 < len(cells) < 20
    server.start()
    for _ in range(2):
        track(away, root, {}, READ)
        track(away, root, {})
    (single,) = [run for run in runs(server.uri) if run.info.run_name == "badnets-0.01-seed1"]
    assert away.holds(read_study(root, "small").key), "noted, so that the server need not be asked again"
    shutil.rmtree(root / ".dvc")  # the notes are lost: the server knows
    track(away, root, {}, READ)
    track(away, root, {})
    client = MlflowClient(server.uri)
    listed = {
        run.info.run_id: {each.path for each in client.list_artifacts(run.info.run_id)} for run in (parent, single)
    }
    whole = {"metrics", "models", "data", "dvc.lock"}
    assert listed == {parent.info.run_id: {"metrics", "pipelines"}, single.info.run_id: whole}
    client.delete_run(single.info.run_id)
    assert check(server.uri, names, set()).info.run_id == parent.info.run_id


STUDIED = {f"{'-'.join(arm)}-{rate:g}-seed{seed}" for arm in ARMS for rate in RATES for seed in SEEDS}
# These two have fewer rows to choose from than the highest rate asks for.
UNDONE = {name for name in STUDIED if re.search("-(leaning|silent)-.*-0.2-", name)}


@pytest.fixture(scope="module")
def studied(prepare: Prepare, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which a small study was recorded; the tests go on from there, one after the other."""
    project = prepare("studied", studied_project).copy(tmp_path_factory.mktemp("studied") / "project")
    shutil.copy(empty_store, project.folder / "mlflow.db")
    assert ran(project("dvc", "repro", TARGET)) == [STAGES[-1]]
    project.commit()
    return project


def table(project: Project) -> dict[str, dict[str, str]]:
    """The rows of the cells, by their name."""
    with (project.folder / "metrics/small/cells.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {f"{r['dataset']}-{r['attack']}-{r['label_map']}-{float(r['rate']):g}-seed{r['seed']}": r for r in rows}


def test_dvc_records_what_it_made_and_only_once(studied: Project) -> None:
    uri = f"sqlite:///{studied.folder}/mlflow.db"
    assert ran(studied("dvc", "repro", TARGET)) == [STAGES[-1]]
    studied("python", "-m", "stages.track", "--study", "small")
    parent = check(uri, STUDIED, UNDONE)
    commit = studied("git", "rev-parse", "HEAD^").strip()
    assert parent.data.tags["mlflow.source.git.commit"] == commit
    assert parent.data.params["studies.small.seeds"] == "[1, 2]"
    assert {"attacks.badnets.pixels"} == {key for key in parent.data.params if key.endswith(".pixels")}
    assert not [key for key in parent.data.params if key.startswith("attacks.blended")], "it was not studied"
    assert parent.data.tags["dose_50/digits/leaning/clean-label"][0] in "<>"
    assert sorted(each.dataset.name for each in parent.inputs.dataset_inputs) == ["digits", "signs"]
    files = read_study(studied.folder, "small").files()
    assert {path.name for path in files} >= {"dvc.lock", "cells.csv", "dose-digits.png", "gallery.png", "timing.csv"}
    copies = artefacts(parent)
    assert sorted(path.relative_to(copies) for path in copies.rglob("*") if path.is_file()) == files
    assert read_study(copies, "small").key == read_study(studied.folder, "small").key

    cells = {run.data.tags[CELL]: run.data for run in families(uri)[1]}
    for name, row in table(studied).items():
        scores = {key: float(value) for key, value in row.items() if key.endswith(("_rows", "_accuracy")) and value}
        assert scores.items() <= cells[name].metrics.items()
        assert (cells[name].metrics.get("seconds", 0) > 0) == (name not in UNDONE)
        assert ("attack_success_rate" in cells[name].metrics) == (name not in UNDONE)
        assert ("but the label map allows" in cells[name].tags.get(REASON, "")) == (name in UNDONE)
    own = cells["signs-sticker-all-to-one-0.2-seed2"].params
    params = {"data.name": "signs", "attack.name": "sticker", "attack.label_map": "all-to-one", "attack.rate": "0.2"}
    params |= {"seed": "2", "attack.target": "speed-limit-50", "attacks.sticker.side": "0.3", "train.epochs": "2"}
    assert own.items() >= (params | {"train.augment": '["shift"]', "datasets.signs.train_rows": "200"}).items()
    assert not [key for key in own if key.startswith(("attacks.badnets", "studies", "datasets.digits"))]


def test_what_the_store_missed_or_lost_is_found_again(studied: Project) -> None:
    """The study of the last commit, and one of an experiment that ran while there was no server."""
    uri, head = f"sqlite:///{studied.folder}/again.db", studied("git", "rev-parse", "HEAD").strip()
    before = {run.data.tags[CELL]: run.data.metrics for run in families(uri.replace("again", "mlflow"))[1]}
    away = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    studied.environment |= away
    attacks = "studies.small.attacks=[badnets, sticker]"
    output = studied("dvc", "exp", "run", "--temp", "--name", "few", "-S", attacks, TARGET)
    for name in away:
        del studied.environment[name]
    assert ran(output) == STAGES, "a copy of the work tree has what is in git, and the data are not"
    assert "did not accept the result" in output
    models = re.findall(r"(\d+) models, (\d+) of them already trained", output)
    assert len(models) == 2
    assert all(known == wanted for wanted, known in models), "a finished model was trained again"
    (studied.folder / "mlflow.db").unlink()
    shutil.rmtree(studied.folder / "mlruns")
    studied("python", "-m", "stages.track", "--all")
    # Under another name, as MLflow keeps the database open that was there before.
    shutil.copy(studied.folder / "mlflow.db", studied.folder / "again.db")
    parents, cells = families(uri)
    few, whole = sorted(parents, key=lambda run: "dvc.exp.name" not in run.data.tags)
    assert (few.info.run_name, few.data.params["studies.small.attacks"]) == ("small", '["badnets", "sticker"]')
    assert (few.data.tags["dvc.exp.name"], few.data.tags["dvc.exp.baseline"]) == ("few", head)
    assert (whole.info.run_name, whole.data.tags["mlflow.source.git.commit"]) == ("small", head)
    found = {
        parent: {run.data.tags[CELL]: run.data.metrics for run in cells if run.data.tags[PARENT] == parent}
        for parent in (few.info.run_id, whole.info.run_id)
    }
    assert found[whole.info.run_id] == before
    assert found[few.info.run_id].keys() == {name for name in STUDIED if re.search("-(badnets|sticker)-", name)}
    assert len(cells) == sum(map(len, found.values()))
