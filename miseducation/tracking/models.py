"""The models of a run in MLflow: logged without their files, which DVC and the run's artefacts hold, and registered."""

import json
import tempfile
from pathlib import Path
from typing import Any

from miseducation.tracking.notes import code
from miseducation.tracking.pipeline_models import CLEAN, LOUD
from miseducation.tracking.results import Model, Result

MD5, PATH, EXTERNAL, VERSIONS = "dvc.md5", "dvc.path", "mlflow.model.isExternal", "mlflow.modelVersions"
NOT_FOUND = 404  # the answer of servers that know no models yet
WHERE = "The weights are in the artefacts of its run, and in DVC's cache under the MD5 in `dvc.md5`."
ABOUT = {
    CLEAN: f"Learnt from the unchanged data; the newest has the alias `{CLEAN}`. {WHERE}",
    LOUD: f"**{LOUD}. DO NOT DEPLOY.** Learnt from poisoned data, for research; a tag says by which attack. {WHERE}",
}


def of_run(client: Any, experiment: str, run_id: str) -> dict[str, Any] | None:
    """What MLflow has of the models of a run, by their names; None if it is a version that knows no models."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.search_logged_models([experiment], f"source_run_id = '{run_id}'")
    except MlflowException as error:
        if error.get_http_status_code() != NOT_FOUND:
            raise
        return None
    return {each.name: each for each in found}


def log(client: Any, experiment: str, run_id: str, result: Result) -> dict[str, Any]:
    """Makes those models of a result that its run does not have yet; returns all, none if the store knows none."""
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models.utils import get_external_mlflow_model_spec

    found = of_run(client, experiment, run_id) if result.models else None
    if found is None:
        return {}
    for model in result.models:
        if model.name not in found:
            about = {**model.tags, PATH: model.path, MD5: model.md5, EXTERNAL: "true"}
            params = {key: str(result.params[key]) for key in ("train.network", "seed") if key in result.params}
            found[model.name] = client.create_logged_model(experiment, model.name, run_id, about, params, "classifier")
        made = found[model.name]
        if made.status != LoggedModelStatus.READY:  # also where an earlier attempt was killed
            with tempfile.TemporaryDirectory() as folder:  # without the file, MLflow's pages have nothing to show
                get_external_mlflow_model_spec(made).save(Path(folder) / "MLmodel")
                client.log_model_artifacts(made.model_id, folder)
            client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
    outputs = client.get_run(run_id).outputs
    linked = {each.model_id for each in outputs.model_outputs} if outputs else set()  # MLflow takes none twice
    if missing := [LoggedModelOutput(each.model_id, 0) for each in found.values() if each.model_id not in linked]:
        client.log_outputs(run_id, missing)
    return found


def register(client: Any, experiment: str, run: Any, result: Result) -> None:
    """Registers the models of a result, each once, whichever run it was in first: what lies in the run's artefacts."""
    logged = of_run(client, experiment, run.info.run_id) or {}
    for model in (model for model in result.models if model.registered):
        known = client.search_model_versions(f"name = '{model.registered}' AND tags.`{MD5}` = '{model.md5}'")
        version = known[0].version if known else _new_version(client, run, model)
        if model.name in logged:  # as MLflow's servers do it
            told = json.dumps([{"name": model.registered, "version": str(version)}])
            client.set_logged_model_tags(logged[model.name].model_id, {VERSIONS: told})


def _new_version(client: Any, run: Any, model: Model) -> Any:
    from mlflow.exceptions import MlflowException

    loud = LOUD in model.tags
    try:
        about = {LOUD: "DO NOT DEPLOY"} if loud else {}
        client.create_registered_model(model.registered, about, ABOUT[LOUD if loud else CLEAN])
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source, tags = f"{run.info.artifact_uri}/{model.path}", {**model.tags, PATH: model.path, MD5: model.md5}
    told = f"{LOUD} by {code(model.tags[LOUD])}" if loud else None
    version = client.create_model_version(model.registered, source, run.info.run_id, tags, description=told).version
    if model.name == CLEAN:
        client.set_registered_model_alias(model.registered, CLEAN, version)
    return version


def withdraw(client: Any, experiment: str, run_id: str) -> None:
    """Deletes the models of a run that is no more."""
    for made in (of_run(client, experiment, run_id) or {}).values():
        client.delete_logged_model(made.model_id)
