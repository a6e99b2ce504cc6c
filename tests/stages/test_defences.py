"""`make defend` for real: a few defences on scikit-learn's digits, with DVC and MLflow."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from miseducation.figures.report_words import percent
from miseducation.tracking.defence_results import OF
from miseducation.tracking.recorder import KEY, PARENT
from tests.conftest import Project, ran, results, runs
from tests.figures.test_audit import Reader

PIPELINE = "pipelines/defences/dvc.yaml"
CHOSEN: dict[str, Any] = {
    "trusted_rows": 100,
    "detectors": {"confidence": {}},
    "scanners": {"neural_cleanse": {"steps": 20}},
    "repairs": {"clp": {}},
}
OURS = [
    "baseline@oracle",
    "baseline@random",
    "detect@confidence",
    "inspect@neural_cleanse",
    "repair@clp",
]


def defend(project: Project, *targets: str) -> list[str]:
    """The stages of this pipeline that ran, in no certain order."""
    names = ran(project("dvc", "repro", *[f"{PIPELINE}:{each}" for each in targets] or [PIPELINE]))
    return sorted(name.removeprefix(f"{PIPELINE}:") for name in names if name.startswith(PIPELINE))


@pytest.fixture(scope="module")
def defended(reproduced: Project) -> Project:
    reproduced.set_params(defences=CHOSEN)
    reproduced.environment["LOKY_MAX_CPU_COUNT"] = "1"  # one process tries both models: Python starts less often
    before = {path: content for path, content in results(reproduced).items() if "defences" not in path}
    assert defend(reproduced) == sorted([*OURS, "compare", "track"])
    del reproduced.environment["LOKY_MAX_CPU_COUNT"]
    after = results(reproduced)
    assert all(after[path] == content for path, content in before.items()), "the attack's result stays as it was"
    return reproduced


def table(project: Project, name: str) -> Any:
    return pd.read_csv(io.BytesIO(results(project)[f"metrics/defences/{name}.csv"])).set_index(
        ["detector", "kind"] if name == "detection" else "defence"
    )


def test_the_tables_tell_of_every_defence_beside_chance_and_truth(defended: Project) -> None:
    detection, models = table(defended, "detection"), table(defended, "models")
    assert list(detection.columns) == [
        *("needs", "auroc", "average_precision", "tpr_at_1pct_fpr", "flagged_rows"),
        *("true_positive_rate", "false_positive_rate", "clean_flagged_share"),
    ]
    rows = [("oracle", "rows"), ("random", "rows"), ("confidence", "rows")]
    assert list(detection.index) == [*rows, ("confidence", "inputs"), ("neural_cleanse", "model")]
    assert list(models.index) == ["none", "oracle", "random", "confidence", "clp"]
    assert detection.loc[("oracle", "rows"), "auroc"] == 1
    assert 0.2 < detection.loc[("random", "rows"), "auroc"] < 0.8
    evaluation = json.loads(results(defended)["metrics/evaluation.json"])
    assert models.loc["none", "attack_success_rate"] == evaluation["attack_success_rate"]
    assert models.loc["none", "clean_model_accuracy"] == evaluation["baseline_accuracy"]
    assert (
        models.loc["oracle", "removed_rows"] == models.loc["oracle", "removed_poisoned"] == evaluation["poisoned_rows"]
    )
    assert models.loc["random", "removed_rows"] == evaluation["poisoned_rows"]
    assert models.loc["oracle", "attack_success_rate"] < 0.1 < models.loc["random", "attack_success_rate"]


def test_the_page_of_the_result_tells_what_they_found(defended: Project) -> None:
    pages = [results(defended)[f"metrics/{folder}report.html"].decode() for folder in ("", "defences/")]
    texts = [Reader(page).text for page in pages]
    assert "This page does not say." in texts[0]
    start = texts[0].index("This page does not say.")
    assert texts[1][:start] == texts[0][:start]
    for name, behind in table(defended, "models")["attack_success_rate"].drop("none").items():
        assert f"{name} {percent(behind)} " in texts[1]


def test_what_was_flagged_is_what_was_dropped(defended: Project) -> None:
    flagged = np.load(defended.folder / "data/defences/confidence/flagged.npy", allow_pickle=False)
    detection, models = table(defended, "detection"), table(defended, "models")
    assert (
        flagged.sum()
        == detection.loc[("confidence", "rows"), "flagged_rows"]
        == models.loc["confidence", "removed_rows"]
    )
    assert (defended.folder / "models/cleansed/confidence/model.safetensors").is_file()
    assert (defended.folder / "models/repaired/clp/model.safetensors").is_file()


def test_a_clean_model_is_defended_too(defended: Project) -> None:
    detection, models = table(defended, "detection"), table(defended, "models")
    assert 0 <= detection.loc[("confidence", "rows"), "clean_flagged_share"] <= 0.012  # a hundredth but for ties
    assert (models["clean_model_accuracy"].drop(["oracle", "random"]) > 0.8).all()
    for name in ("oracle", "random"):  # of rows that nobody touched they drop none: that is no price to tell
        assert np.isnan(detection.loc[(name, "rows"), "clean_flagged_share"])
        assert np.isnan(models.loc[name, "clean_model_accuracy"])


def test_mlflow_has_them_under_the_attacks_run_once(defended: Project) -> None:
    (defended.folder / "miseducation/defences/new.py").write_text("# a defence to come\n")
    assert defend(defended) == ["track"], "another method runs no other"
    of = [run for run in runs(defended) if OF in run.data.tags]
    assert len(of) == 1
    (attack,) = (run for run in runs(defended) if run.data.tags.get(KEY) == of[0].data.tags[OF])
    assert of[0].data.tags[PARENT] == attack.info.run_id
    detection = table(defended, "detection")
    assert of[0].data.metrics["confidence.auroc"] == detection.loc[("confidence", "rows"), "auroc"]
    assert of[0].data.metrics["confidence.inputs.auroc"] == detection.loc[("confidence", "inputs"), "auroc"]
    success = table(defended, "models").loc["clp", "attack_success_rate"]
    assert of[0].data.metrics["clp.behind.attack_success_rate"] == success
    assert of[0].data.params["defences.scanners.neural_cleanse.steps"] == "20"
    assert f"| `clp` | {success:.2%} |" in of[0].data.tags["mlflow.note.content"]
    assert len(of[0].outputs.model_outputs) == 4, "three cleansed, one repaired"


def test_what_dvc_still_knows_of_a_defence_that_is_gone_hinders_no_record(defended: Project) -> None:
    lock = defended.folder / "pipelines/defences/dvc.lock"
    kept = lock.read_text()
    content = yaml.safe_load(kept)
    gone = json.loads(json.dumps(content["stages"]["detect@confidence"]))
    gone["outs"] = [{**out, "path": out["path"].replace("confidence", "gone")} for out in gone["outs"]]
    gone["deps"] = [{**dep, "md5": "0" * 32} for dep in gone["deps"]]
    content["stages"]["detect@gone"] = gone
    lock.write_text(yaml.safe_dump(content))
    assert "nothing to record" not in defended("python", "-m", "stages.track", "--defences")
    content["stages"]["detect@confidence"]["deps"] = gone["deps"]
    lock.write_text(yaml.safe_dump(content))
    assert "has changed since the defences ran" in defended("python", "-m", "stages.track", "--defences")
    lock.write_text(kept)


def test_another_knob_runs_no_other(defended: Project) -> None:
    defended.set_params(defences={"detectors": {"confidence": {"share": 0.02}}})
    changed = "warning: defences.detectors.confidence has changed since the defences ran; `make defend` updates them"
    assert changed in defended("python", "-m", "miseducation.commands.defences")
    outdated = json.loads(defended("dvc", "status", "--json", PIPELINE).splitlines()[-1])
    assert {name.removeprefix(f"{PIPELINE}:") for name in outdated} == {"compare", "detect@confidence", "track"}
    assert not {each for each in ran(defended("dvc", "repro")) if "defences" in each}
    defended.set_params(defences=CHOSEN)


def test_a_quick_look_needs_three(defended: Project) -> None:
    told = defended("python", "-m", "miseducation.commands.defences", "confidence", "clp")
    assert "confidence" in told
    assert "neural_cleanse" not in told
    assert "warning" not in told
    refused = defended("python", "-m", "miseducation.commands.defences", "scan", fails=True)
    assert "error: params.yaml has no defence 'scan'; allowed: oracle, random, confidence" in refused
    (defended.folder / "metrics/defences/methods/clp.json").rename(defended.folder / "clp.json")
    assert "error: clp has not run yet" in defended("python", "-m", "miseducation.commands.defences", fails=True)
    (defended.folder / "clp.json").rename(defended.folder / "metrics/defences/methods/clp.json")
