"""One MLflow run per distinct result, however often, from wherever, and whatever died on the way."""

import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import ViewType

from stages.pipeline_results import read_result
from stages.recorder import KEY
from stages.results import IncompleteError
from stages.runs import Store
from stages.track import check_sections, track
from tests.conftest import PROJECT
from tests.mlflow_server import Server

SCORES = {"attack_success_rate": 0.99, "clean_accuracy": 0.98, "poisoned_rows": 6}

TRACK = """
import sys; from pathlib import Path; from stages.runs import Store; from stages.track import track
root = Path(sys.argv[1]); track(Store(root), root, {})
"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def write_result(folder: Path, rate: float = 0.01, scores: dict[str, float] = SCORES) -> Path:
    """A finished result as the stages leave it, made up but whole."""
    text = json.dumps(scores)
    files = {
        "metrics/evaluation.json": text,
        "metrics/intervals.json": json.dumps({"attack_success_rate": [0.98, 0.995]}),
        "metrics/backdoored/history.csv": "epoch,loss,accuracy\n1,0.5,0.8\n2,0.25,0.9\n",
        "models/backdoored/network.json": "{}",
        "models/clean/network.json": "{}",
        "data/poisoned/manifest.csv": "row,true_label,label\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    outs = [{"path": path, "md5": f"{rate}"} for path in ("data/poisoned/images.npy", "data/poisoned/test_images.npy")]
    raw = {"path": "data/raw", "md5": "r.dir"}
    others = [{"path": re.sub(r"(models/\w+)/.*", r"\1", path), "md5": md5(files[path])} for path in files]
    lock = {
        "download": {
            "params": {"params.yaml": {"data": {"name": "toy"}}},
            "outs": [raw],
        },
        "poison": {
            "params": {"params.yaml": {"seed": 1, "attack": {"name": "badnets", "rate": rate}, "attacks.badnets": {}}},
            "deps": [dict(raw), {"path": "stages/poison.py", "md5": "code"}],
            "outs": outs,
        },
        "evaluate": {"deps": outs, "outs": others},
        "track": {"deps": [{"path": "metrics/evaluation.json", "md5": md5(text)}]},
    }
    (folder / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
    return folder


@pytest.fixture
def root(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return write_result(tmp_path)


def runs(store: Store, view: int = ViewType.ACTIVE_ONLY) -> list[Any]:
    client = MlflowClient(store.uri)
    return list(client.search_runs([each.experiment_id for each in client.search_experiments()], "", view))


def test_a_run_holds_everything(root: Path) -> None:
    store = Store(root)
    track(store, root, {"dvc.exp.name": "modal-jute", "mlflow.source.git.commit": "abc"})
    (run,) = runs(store)
    client = MlflowClient(store.uri)
    assert client.get_experiment(run.info.experiment_id).name == "toy"
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "modal-jute"
    assert run.data.params == {
        "seed": "1",
        "data.name": "toy",
        "attack.name": "badnets",
        "attack.rate": "0.01",
        "attacks.badnets": "{}",
    }
    assert run.data.metrics == SCORES | {
        "interval_low/attack_success_rate": 0.98,
        "interval_high/attack_success_rate": 0.995,
        "backdoored/loss": 0.25,
        "backdoored/accuracy": 0.9,
    }
    steps = client.get_metric_history(run.info.run_id, "backdoored/loss")
    assert [(point.step, point.value) for point in steps] == [(1, 0.5), (2, 0.25)]
    assert run.data.tags["mlflow.source.git.commit"] == "abc"
    assert run.data.tags[KEY] == read_result(root).key
    inputs = {each.dataset.name: each.dataset.digest for each in run.inputs.dataset_inputs}
    assert inputs == {"toy": "r.dir", "poison": "0.01", "triggered test set": "0.01"}
    artefacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artefacts.is_relative_to(root / "mlruns")
    assert {str(path.relative_to(artefacts)) for path in artefacts.rglob("*.*") if path.is_file()} == {
        "data/poisoned/manifest.csv",
        "dvc.lock",
        "metrics/backdoored/history.csv",
        "metrics/evaluation.json",
        "metrics/intervals.json",
        "models/backdoored/network.json",
        "models/clean/network.json",
    }
    assert read_result(artefacts).key == read_result(root).key


def test_without_an_experiment_a_run_is_named_after_what_it_did(root: Path) -> None:
    track(Store(root), root, {})
    assert [run.info.run_name for run in runs(Store(root))] == ["badnets-0.01-seed1"]


def test_what_lies_beside_a_result_is_not_taken_along(root: Path) -> None:
    (root / "metrics/sweep.csv").write_text("made by another pipeline")
    (root / "data/poisoned/images.npy").write_text("large")
    files = [str(path) for path in read_result(root).files()]
    assert {"dvc.lock", "metrics/evaluation.json"} < set(files)
    assert not {"metrics/sweep.csv", "data/poisoned/images.npy"} & set(files)


def test_a_result_is_recorded_once_and_another_beside_it(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(root)
    for _ in range(2):
        track(store, root, {})
    copy = write_result(tmp_path_factory.mktemp("copy"))
    track(store, copy, {"dvc.exp.name": "same-result"})
    track(store, write_result(tmp_path_factory.mktemp("other"), rate=0.05), {})
    assert sorted(run.data.params["attack.rate"] for run in runs(store)) == ["0.01", "0.05"]


def test_code_is_no_part_of_a_result_but_params_and_outputs_are(root: Path, tmp_path: Path) -> None:
    key = read_result(root).key
    lock = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(lock.replace("md5: code", "md5: other-code"))
    assert read_result(root).key == key
    (root / "dvc.lock").write_text(lock.replace("seed: 1", "seed: 2"))
    assert read_result(root).key != key
    assert read_result(write_result(root, scores=SCORES | {"clean_accuracy": 0.97})).key != key


def test_two_writers_make_one_run(root: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: track(Store(root), root, {}), range(4)))
    assert len(runs(Store(root))) == 1


def test_two_processes_that_meet_no_store_make_one_run(root: Path) -> None:
    (root / "mlflow.db").unlink()
    writers = [subprocess.Popen([sys.executable, "-c", TRACK, root], cwd=PROJECT) for _ in range(2)]
    assert [writer.wait(120) for writer in writers] == [0, 0]
    assert len(runs(Store(root))) == 1


def test_a_run_that_died_half_written_is_completed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(root)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_inputs", die)
        with pytest.raises(KeyboardInterrupt):
            track(store, root, {})
    (died,) = runs(store)
    assert died.info.status == "RUNNING"
    assert not store.holds(read_result(root).key)
    track(store, root, {})
    (run,) = runs(store)
    assert (run.info.run_id, run.info.status) == (died.info.run_id, "FINISHED")
    assert len(MlflowClient(store.uri).get_metric_history(run.info.run_id, "backdoored/loss")) == 2


def test_what_the_user_deleted_stays_deleted(root: Path) -> None:
    store = Store(root)
    track(store, root, {})
    MlflowClient(store.uri).delete_run(runs(store)[0].info.run_id)
    track(store, root, {})
    assert runs(store) == []
    assert store.record(read_result(root), {}) is None


def test_a_known_result_needs_no_mlflow(root: Path) -> None:
    track(Store(root), root, {})
    code = f"{TRACK}\nassert 'mlflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, root], cwd=PROJECT, check=True)


def test_a_damaged_store_is_a_warning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "mlflow.db").write_bytes(b"this is no database")
    assert not Store(root).holds("anything")
    track(Store(root), root, {})
    assert "did not take the result" in capsys.readouterr().err


def test_an_experiment_that_the_user_deleted_stays_deleted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(root)
    track(store, root, {})
    MlflowClient(store.uri).delete_experiment(runs(store)[0].info.experiment_id)
    track(store, write_result(root, rate=0.05), {})
    assert "its experiment 'toy' is deleted" in capsys.readouterr().err
    assert len(runs(store)) == 0


@pytest.mark.parametrize("uri", ["sqlite:///mine.db", "sqlite:///{root}/mine.db"])
def test_a_sqlite_store_of_the_users_is_the_same_from_everywhere(
    root: Path, uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.copy(root / "mlflow.db", root / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(root=root))
    monkeypatch.chdir(write_result(tmp_path_factory.mktemp("copy")))
    store = Store(root)
    track(store, Path(), {})
    assert store.uri == f"sqlite:///{root}/mine.db"
    (run,) = runs(store)
    assert run.info.artifact_uri.startswith((root / "mlruns").as_uri())


def test_a_rate_that_yaml_reads_as_text_is_recorded(root: Path) -> None:
    lock = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(lock.replace("rate: 0.01", "rate: 5e-05"))
    track(Store(root), root, {})
    assert [run.info.run_name for run in runs(Store(root))] == ["badnets-5e-05-seed1"]


def test_all_asks_the_store_itself(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(root)
    monkeypatch.setattr(Store, "holds", lambda *_: True)  # as a note does that has outlived its store
    track(store, root, {})
    assert runs(store) == []
    track(store, root, {}, ask=True)
    assert len(runs(store)) == 1


def test_a_password_in_the_address_is_not_shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@example.org/x")
    assert Store(root).hide(f"no answer from {Store(root).uri}") == "no answer from https://example.org/x"


def test_an_unreachable_server_is_a_warning(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:  # bound, but not listening: the port refuses
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        track(Store(root), root, {})
    assert "warning: MLflow at http://127.0.0.1" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    track(Store(root), root, {})
    assert len(runs(Store(root))) == 1


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    server = Server(root / "mlflow.db", root / "server")
    server.start()
    yield server.uri
    server.kill()


def test_a_remote_server_gets_each_result_once(root: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store = Store(root)
    assert not store.holds(read_result(root).key)
    for _ in range(2):
        track(store, root, {})
    assert store.holds(read_result(root).key), "noted, so that the server need not be asked again"
    shutil.rmtree(root / ".dvc")  # the note is lost: the server knows
    track(store, root, {})
    (run,) = runs(store)
    assert [each.path for each in MlflowClient(server).list_artifacts(run.info.run_id)] == [
        "data",
        "dvc.lock",
        "metrics",
        "models",
    ]


OTHER_SEED = "params: {params.yaml: {seed: 2}}"


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "dvc.lock").unlink(), "no dvc.lock yet"),
        (lambda root: (root / "dvc.lock").write_text("stages: {}"), "evaluate has not run"),
        (lambda root: (root / "metrics/intervals.json").unlink(), "intervals.json is missing"),
        (lambda root: shutil.rmtree(root / "models/backdoored"), "models/backdoored is missing"),
        (lambda root: replace(root / "dvc.lock", "  evaluate:", f"  evaluate:\n    {OTHER_SEED}"), "seed has changed"),
        (lambda root: (root / "metrics/evaluation.json").write_text("{}"), "is not the one in dvc.lock"),
        (lambda root: replace(root / "dvc.lock", "r.dir", "s.dir"), "data/raw has changed since"),
    ],
)
def test_pieces_of_several_results_are_not_recorded(
    root: Path, spoil: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(root)
    with pytest.raises(IncompleteError, match=message):
        read_result(root)
    track(Store(root), root, {})
    assert message in capsys.readouterr().out
    assert runs(Store(root)) == []


def test_the_shipped_sections_are_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    check_sections()
