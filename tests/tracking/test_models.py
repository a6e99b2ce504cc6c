"""The models of a run in MLflow: both, tied to their figures, the backdoored one loudly so, each registered once."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ENDPOINT_NOT_FOUND

from miseducation.tracking import models, notes
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.runs import Store
from miseducation.tracking.track import track
from tests.tracking.made import SCORES, change, runs, write_result

ATTACK = "badnets, rate 0.01"


def made(client: MlflowClient) -> dict[str, Any]:
    """The logged models of the one experiment, by name; none of them twice."""
    found = client.search_logged_models([client.get_experiment_by_name("toy").experiment_id])
    assert len({model.name for model in found}) == len(found)
    return {model.name: model for model in found}


@pytest.fixture
def store(root: Path) -> Store:
    """A store that holds a result."""
    track(Store(root), write_result(root), {})
    return Store(root)


def test_a_run_has_both_models_with_their_figures(store: Store) -> None:
    client, (run,) = MlflowClient(store.uri), runs(store.uri)
    found, result = made(client), read_result(store.root)
    assert {output.model_id for output in run.outputs.model_outputs} == {each.model_id for each in found.values()}
    for name, model in found.items():
        assert (str(model.status), model.source_run_id) == ("READY", run.info.run_id)
        assert (model.tags["dvc.path"], model.tags["dvc.md5"]) == (f"models/{name}", result.hashes[f"models/{name}"])
    assert found["backdoored"].tags["BACKDOORED"] == ATTACK
    assert "BACKDOORED" not in found["clean"].tags
    figures = {
        name: {(each.key, each.step): (each.value, each.dataset_name, each.dataset_digest) for each in model.metrics}
        for name, model in found.items()
    }
    raw, triggered = ((each.name, each.md5) for each in (result.inputs[0], result.inputs[2]))
    assert figures["backdoored"]["attack_success_rate", 0] == (0.99, *triggered)
    assert figures["backdoored"]["interval_low/attack_success_rate", 0] == (0.98, *triggered)
    assert figures["backdoored"]["clean_accuracy", 0] == (0.98, *raw)
    assert figures["backdoored"]["backdoored/loss", 2] == (0.25, result.inputs[1].name, result.inputs[1].md5)
    assert figures["clean"]["clean/loss", 1] == (0.75, *raw)
    assert figures["clean"]["clean/seconds", 0] == (2.5, *raw)
    assert not {"poisoned_rows", "relabelled_rows"} & {key for each in figures.values() for key, _ in each}


def test_the_models_are_registered_and_a_backdoored_one_is_never_taken_for_another(store: Store) -> None:
    client, (run,) = MlflowClient(store.uri), runs(store.uri)
    clean = client.get_model_version_by_alias("toy-clean", "clean")
    assert (clean.run_id, clean.source) == (run.info.run_id, f"{run.info.artifact_uri}/models/clean")
    place = client.get_model_version_download_uri("toy-clean", clean.version)
    assert (Path(place.removeprefix("file://")) / "network.json").read_text() == "{}"
    told = json.loads(made(client)["clean"].tags["mlflow.modelVersions"])
    assert told == [{"name": "toy-clean", "version": str(clean.version)}], "its page says so"
    assert "BACKDOORED" not in {**clean.tags, **client.get_registered_model("toy-clean").tags}
    backdoored = client.get_registered_model("toy-backdoored")
    assert (backdoored.tags, backdoored.aliases) == ({"BACKDOORED": "DO NOT DEPLOY"}, {})
    assert "DO NOT DEPLOY" in backdoored.description
    (version,) = client.search_model_versions("name = 'toy-backdoored'")
    assert (version.tags["BACKDOORED"], version.description) == (ATTACK, f"BACKDOORED by `{ATTACK}`")


def test_what_is_registered_shows_no_picture_that_a_label_names(root: Path) -> None:
    target = "![a](http://example.org/x.png)"
    wanted = {"label_map": "all-to-one", "target": target}

    def aim(lock: Any) -> None:
        lock["stages"]["poison"]["params"]["params.yaml"]["attack"] |= wanted

    change(write_result(root) / "dvc.lock", aim)
    track(Store(root), root, {})
    (version,) = MlflowClient(Store(root).uri).search_model_versions("name = 'toy-backdoored'")
    assert version.description == f"BACKDOORED by `{ATTACK}, target {target}`"


def test_the_same_model_is_registered_once_and_what_failed_then_is_done_by_all(
    store: Store, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    client, third = MlflowClient(store.uri), write_result(tmp_path_factory.mktemp("third"), rate=0.1)

    def refuse(*_: object, **__: object) -> None:
        raise MlflowException("no registry")

    track(store, third, {})
    assert [len(client.search_model_versions(f"name = 'toy-{name}'")) for name in ("clean", "backdoored")] == [1, 1]
    client.delete_registered_model("toy-clean")
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "create_registered_model", refuse)
        track(store, third, {}, ask=True)
    assert "are not registered: no registry" in capsys.readouterr().err
    track(store, third, {}, ask=True)
    assert client.get_model_version_by_alias("toy-clean", "clean").tags["dvc.path"] == "models/clean"


def test_without_poison_nothing_is_backdoored(root: Path) -> None:
    track(Store(root), write_result(root, 0, SCORES | {"poisoned_rows": 0}), {})
    client = MlflowClient(Store(root).uri)
    assert made(client)["backdoored"].tags["CONTROL"] == "no row was poisoned"
    assert "BACKDOORED" not in made(client)["backdoored"].tags
    assert [model.name for model in client.search_registered_models()] == ["toy-clean"]


@pytest.mark.parametrize("death", ["finalize_logged_model", "log_batch"])
def test_models_half_made_are_finished_and_not_made_again(
    root: Path, death: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    store = Store(root)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, death, dying)
        with pytest.raises(KeyboardInterrupt):
            track(store, write_result(root), {})
    track(store, root, {})
    assert {str(model.status) for model in made(MlflowClient(store.uri)).values()} == {"READY"}
    (run,) = runs(store.uri)
    models.withdraw(MlflowClient(store.uri), run.info.experiment_id, run.info.run_id)
    assert not made(MlflowClient(store.uri))


def test_a_server_that_knows_no_models_gets_none(root: Path) -> None:
    class Old:
        def search_logged_models(self, *_: object) -> None:
            raise MlflowException("no such page", error_code=ENDPOINT_NOT_FOUND)

    assert models.log(Old(), "1", "x", read_result(write_result(root))) == {}
    models.withdraw(Old(), "1", "x")


def test_the_note_has_the_headline_and_pictures_and_no_orders_of_whoever_named_things(store: Store) -> None:
    (run,) = runs(store.uri)
    note = run.data.tags["mlflow.note.content"]
    assert "| triggered images read as the attacker wants | 99.00% (98.00% to 99.50%) |" in note
    assert f"`{ATTACK}`, seed 1, trained in 2.5 s." in note
    assert notes.RUN not in note
    shown = notes.pictures(["metrics/confusion.png"])
    assert shown == ["![confusion](get-artifact?path=metrics%2Fconfusion.png&run_uuid=RUN-ID)"]
    assert (
        notes.of_defences({"a`\n<b>.behind.attack_success_rate": 0.5}, []).splitlines()[2].startswith("| `a <b>` | 50")
    )
