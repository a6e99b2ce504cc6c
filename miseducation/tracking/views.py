"""How MLflow's pages open on our experiments: their kind and description, and views that an address can name.

MLflow keeps such views, made there with "Share", as tags of an experiment, in JSON.
"""

import json
import os
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from miseducation.tracking.checks import MLFLOWS

RUNS, BY_RATE = "miseducation-runs", "miseducation-by-rate"
VIEW = "mlflow.sharedViewState."
NOTE = "mlflow.note.content"
SCORES = "attack_success_rate", "clean_accuracy"
COLUMNS = [*(f"metrics.`{score}`" for score in SCORES), "params.`attack.rate`"]
HEIGHT = 420  # of a chart, in pixels
DESCRIPTION = """\
Data poisoning, `{name}`: a run for each distinct result, however it was made. For example, `badnets-0.05-seed1`
poisoned 5 % of the training set with the attack badnets. `attack_success_rate` and `clean_accuracy` are scores of the
backdoored model, `baseline_accuracy` and `false_trigger_rate` are scores of the clean model. `interval_low/` and
`interval_high/` are the ends of their 95 % intervals. A run with many runs below it is a study. The results of the
defences are in a run below the one that they were tried on.
"""


def tags(name: str) -> dict[str, str]:
    """Those of an experiment of this name."""
    return {
        "mlflow.experimentKind": "custom_model_development",
        NOTE: DESCRIPTION.format(name=name),
        f"{VIEW}{RUNS}": json.dumps({"selectedColumns": COLUMNS}),
        f"{VIEW}{BY_RATE}": json.dumps(_by_rate()),
    }


def describe(client: Any, experiment: Any, *, alone: bool) -> None:
    """Gives an experiment what it lacks of its tags, and our own views as they are now; what a user wrote stays.

    Args:
        client: MLflow's.
        experiment: What it has of the experiment.
        alone: Whether nobody else has the store: then MLflow's own experiment goes, if it was never used.
    """
    from mlflow.entities import ViewType

    def lacks(key: str, value: str) -> bool:
        return experiment.tags.get(key) != value if key.startswith(VIEW) else key not in experiment.tags

    missing = {key: value for key, value in tags(experiment.name).items() if lacks(key, value)}
    for key, value in missing.items():
        client.set_experiment_tag(experiment.experiment_id, key, value)
    if missing and alone and (unused := client.get_experiment_by_name(MLFLOWS)):
        as_made = unused.lifecycle_stage == "active" and unused.creation_time == unused.last_update_time
        if as_made and not client.search_runs([unused.experiment_id], run_view_type=ViewType.ALL, max_results=1):
            client.delete_experiment(unused.experiment_id)


def describe_in(store: str, experiment: str) -> None:
    """Describes an experiment of the project's own store, which an older version may have made."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):  # of another layout: the server says what to do
        client = MlflowClient(store)
        describe(client, client.get_experiment(experiment), alone=True)


def addresses(server: str, experiment: str, latest: list[str]) -> dict[str, str]:
    """Where to look first, by what is to be seen there; `latest` are the ids of runs, the newest first."""
    kind = "workflowType=machine_learning"
    runs = f"{server}/#/experiments/{experiment}/runs?{kind}"
    two, only = (quote(json.dumps(each)) for each in (latest[:2], [experiment]))
    compared = {"the two latest": f"{server}/#/compare-runs?runs={two}&experiments={only}&{kind}"}
    return {
        "runs": f"{runs}&viewStateShareKey={RUNS}",
        **(compared if len(latest) > 1 else {}),
        "success over rate": f"{runs}&compareRunsMode=CHART&viewStateShareKey={BY_RATE}",
    }


def _by_rate() -> dict[str, Any]:
    charts = [
        _chart("scatter", "SCATTER", score, xaxis=_axis("attack.rate", "PARAM"), yaxis=_axis(score, "METRIC"))
        for score in SCORES
    ]
    lines = {"selectedParams": ["attack.rate", "seed"], "selectedMetrics": [*SCORES], "showAllRuns": True}
    return {
        "selectedColumns": COLUMNS,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": [*charts, _chart("lines", "PARALLEL", "all", **lines)],
        "compareRunSections": [_section("scatter", "By rate", 2), _section("lines", "Many runs at once", 1)],
        "isAccordionReordered": True,
    }


def _chart(section: str, kind: str, name: str, **options: Any) -> dict[str, Any]:
    where = {"uuid": name, "type": kind, "metricSectionId": section, "deleted": False, "isGenerated": False}
    return {**where, "runsCountToCompare": 100, **options}


def _section(name: str, title: str, columns: int) -> dict[str, Any]:
    kept = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": name, "name": title, "columns": columns, "cardHeight": HEIGHT, **kept}


def _axis(key: str, kind: str) -> dict[str, str]:
    return {"key": key, "type": kind}
