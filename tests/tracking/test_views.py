"""How MLflow opens: experiments that say what they are, and addresses that lead to the right view."""

import json
import socket
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient

from miseducation.commands import ui
from miseducation.errors import InputError
from miseducation.tracking import views
from miseducation.tracking.runs import Store
from miseducation.tracking.track import study, track
from tests.hostile.forged.experiments import forge
from tests.tracking.made import runs, write_result, write_study


def experiments(root: Path) -> set[str]:
    return {each.name for each in MlflowClient(Store(root).uri).search_experiments()}


def test_an_experiment_says_what_it_is_and_the_unused_one_is_not_shown(root: Path) -> None:
    track(Store(root), write_result(root), {})
    client = MlflowClient(Store(root).uri)
    experiment = client.get_experiment_by_name("toy")
    assert experiments(root) == {"toy"}
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert "Data poisoning, `toy`" in experiment.tags[views.NOTE]
    client.set_experiment_tag(experiment.experiment_id, views.NOTE, "mine")
    client.set_experiment_tag(experiment.experiment_id, views.VIEW + views.RUNS, "of an older version")
    client.restore_experiment("0")
    track(Store(root), write_result(root, rate=0.05), {})
    assert client.get_experiment_by_name("toy").tags[views.NOTE] == "mine", "what a user wrote stays"
    assert "attack.rate" in client.get_experiment_by_name("toy").tags[views.VIEW + views.RUNS]
    assert experiments(root) == {"toy", "Default"}, "and what a user restored"


def test_the_experiment_of_a_user_of_it_stays(root: Path) -> None:
    client = MlflowClient(Store(root).uri)
    client.delete_run(client.create_run("0").info.run_id)
    track(Store(root), write_result(root), {})
    assert experiments(root) == {"toy", "Default"}


def address(found: dict[str, str], what: str) -> tuple[str, dict[str, list[str]]]:
    """Path and options behind the sign # of an address."""
    parts = urlsplit(urlsplit(found[what]).fragment)
    return parts.path, parse_qs(parts.query)


def test_make_ui_prints_an_address_a_line_and_serves_on_this_machine_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: commands.append(command))
    monkeypatch.setattr("sys.argv", ["ui", "--port", "5123"])
    monkeypatch.chdir(root)
    ui.main()
    assert capsys.readouterr().out == f"{ui.STARTING}\n", "there are no runs"
    store, later = Store(root), root / "later"
    track(store, write_study(write_result(root), datasets=("digits",)), {})
    track(store, root, {}, study("small"))
    for number, rate in enumerate((0.2, 0.05)):
        timing = json.dumps({"began": f"2026-02-0{number + 1}T00:00:00+00:00", "seconds": 1})
        forge(write_result(later, rate), "metrics/backdoored/timing.json", timing)
        track(store, later, {})
        capsys.readouterr()
        ui.main()
    *told, last = capsys.readouterr().out.splitlines()
    assert last == ui.STARTING
    lines = [line.rpartition(" ") for line in told]
    found = {what.strip(): place for what, _, place in lines}
    assert list(found) == ["runs", "the two latest", "success over rate"]
    assert all(place.startswith("http://127.0.0.1:5123/#/") for place in found.values())
    client = MlflowClient(store.uri)
    experiment = client.get_experiment_by_name("toy")
    ids = {run.info.run_name: run.info.run_id for run in runs(store.uri)}
    for what in ("runs", "success over rate"):
        path, options = address(found, what)
        assert path == f"/experiments/{experiment.experiment_id}/runs"
        assert options["workflowType"] == ["machine_learning"]
        view = json.loads(experiment.tags[views.VIEW + options["viewStateShareKey"][0]])
        assert "metrics.`attack_success_rate`" in view["selectedColumns"]
    assert address(found, "success over rate")[1]["compareRunsMode"] == ["CHART"]
    first, *_ = view["compareRunCharts"]
    axes = (first["xaxis"]["key"], first["yaxis"]["key"])
    assert (first["type"], axes) == ("SCATTER", ("attack.rate", "attack_success_rate"))
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} == {
        section["uuid"] for section in view["compareRunSections"]
    }
    path, options = address(found, "the two latest")
    assert path == "/compare-runs"
    assert json.loads(options["runs"][0]) == [ids["badnets-0.05-seed1"], ids["badnets-0.2-seed1"]]
    served = " ".join(commands[-1])
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in served
    assert "--host 127.0.0.1 --port 5123" in served


def test_without_a_store_make_ui_says_what_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["ui"])
    with pytest.raises(InputError, match=r"^there are no runs yet; run `make repro` first$"):
        ui.main()
    (tmp_path / "mlflow.db").write_text("no database")
    assert ui.latest(Path("mlflow.db")) == ("", [])


def test_a_port_that_cannot_be_had_is_told_before_any_address(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    with socket.socket() as other:
        other.bind((ui.HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        for port, why in ((taken, "Address already in use"), (70000, "port must be 0-65535.")):
            monkeypatch.setattr("sys.argv", ["ui", "--port", str(port)])
            with pytest.raises(InputError, match=f"port {port} .*{why}; `make ui PORT=5001` uses another$"):
                ui.main()
    assert capsys.readouterr().out == ""


def test_runs_that_are_elsewhere_are_not_looked_for_here(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@runs.example.org")
    monkeypatch.setattr("sys.argv", ["ui"])
    with pytest.raises(InputError, match=r"^the runs are at https://runs\.example\.org, as MLFLOW_TRACKING_URI says; "):
        ui.main()
