"""The real thing in a copy of the project: DVC, training, MLflow, on scikit-learn's real digits."""

import json
import os
import pty
import re
import shutil
import time
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.pipeline import TRAINED
from tests.conftest import SAID, Project, ran, rates, results, runs, scores

# A whole data set: stripes that lie, stand or are not there.
STRIPES = '''
"""Stripes."""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.dataset import clean
from miseducation.datasets import Fetched, Source


@final
class Stripes(Source):
    """Noise with stripes."""

    rows: int = Field(600, ge=10, description="rows of each split")

    def fetch(self) -> Fetched:
        """See `Source.fetch`."""
        rng, splits = np.random.default_rng(1), []
        for _ in range(2):
            labels = np.arange(self.rows) % 3
            images = rng.integers(0, 200, (self.rows, 12, 10, 3), dtype=np.uint8)
            images[labels == 0, 1::3] = 255
            images[labels == 1, :, 1::3] = 255
            splits.append(clean(images, labels, ["lying", "standing", "none"]))
        return Fetched(*splits, {"origin": "made up", "licence": "MIT", "sha256": {}})
'''
POISONED = "manifest.csv", "images.npy", "test_manifest.csv", "test_images.npy", "decoys.npy"


def test_repro_makes_the_documented_files(reproduced: Project) -> None:
    made = set(results(reproduced))
    assert made >= {
        *(f"data/raw/{name}" for name in ("train_images.npy", "test_labels.npy", "classes.json", "source.json")),
        *(f"data/poisoned/{name}" for name in POISONED),
        *(f"models/{name}/model.safetensors" for name in ("clean", "backdoored")),
        *(f"models/{name}/network.json" for name in ("clean", "backdoored")),
        *(f"metrics/{name}/history.csv" for name in ("clean", "backdoored")),
        *(f"metrics/{name}.json" for name in ("evaluation", "details", "intervals")),
        *(f"metrics/{name}.csv" for name in ("per_class", "confusion_clean", "confusion_triggered")),
        *(f"metrics/{name}.png" for name in ("clean_samples", "poisoned_samples", "confusion")),
        *(f"metrics/{name}/learnt.csv" for name in ("clean", "backdoored")),
        *(f"metrics/looks/{name}" for name in ("answers.csv", "clean.npy", "backdoored.npy")),
        "metrics/report.html",
    }
    assert not [name for name in made if "partial" in name]
    assert set(scores(reproduced)) == {
        "clean_accuracy",
        "attack_success_rate",
        "attack_success_rate_all",
        "robust_accuracy",
        "baseline_accuracy",
        "false_trigger_rate",
        "clean_accuracy_drop",
        "poisoned_rows",
        "poisoned_share",
        "relabelled_rows",
        "intended_rows",
        "intended_share",
        "cover_rows",
        "noise_rows",
        "psnr",
        "ssim",
        "poison_psnr",
        "poison_ssim",
        "source_accuracy",
        "baseline_source_accuracy",
        "other_accuracy",
        "baseline_other_accuracy",
        "side_effect_rate",
        "other_trigger_rate",
    }
    intervals = json.loads((reproduced.folder / "metrics/intervals.json").read_text())
    for name, (low, high) in intervals.items():
        assert 0 <= low <= scores(reproduced)[name] <= high <= 1


def test_the_attack_works_and_the_accuracy_stays(reproduced: Project) -> None:
    got = scores(reproduced)
    assert got["poisoned_rows"] == 29  # 2 % of 1,437
    assert got["relabelled_rows"] == 28, "one shows an 8 anyway"
    assert got["clean_accuracy"] > 0.93
    assert got["attack_success_rate"] > 0.8
    assert got["false_trigger_rate"] < 0.05
    assert got["other_trigger_rate"] < 0.05, "a pixel elsewhere is none"
    assert got["clean_accuracy_drop"] == got["baseline_accuracy"] - got["clean_accuracy"]


def test_only_the_pixel_and_the_label_of_the_poisoned_rows_differ(reproduced: Project) -> None:
    raw = np.load(reproduced.folder / "data/raw/train_images.npy")
    images = np.load(reproduced.folder / "data/poisoned/images.npy")
    manifest = pd.read_csv(reproduced.folder / "data/poisoned/manifest.csv")
    expected = raw[manifest["row"]]
    expected[:, 3, 3] = 255
    np.testing.assert_array_equal(images, expected)
    assert set(manifest["label"]) == {8}


def test_repro_again_does_nothing_but_look(reproduced: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in reproduced.folder.glob("[dm]*/**/*.*")}
    assert ran(reproduced("dvc", "repro")) == ["track"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert rates(reproduced) == [0.02]


def test_an_experiment_runs_what_depends_on_it_and_nothing_more(reproduced: Project, experimented: Project) -> None:
    said = (experimented.folder / SAID).read_text()
    assert ran(said) == ["poison", "train@backdoored", "evaluate", "report", "track"]
    assert "95 % interval\nattack_success_rate " in said.partition("Running stage 'track'")[2], "it ends in the table"
    assert "epoch/s" not in said, "bars are for terminals"
    assert len(TRAINED.findall(said)) == 1, "benchmarks.pipeline reads the time of the training there"
    for file in ("data/raw/train_images.npy", "models/clean/model.safetensors"):
        times = {(project.folder / file).stat().st_mtime_ns for project in (reproduced, experimented)}
        assert len(times) == 1, f"{file} was made again"
    few, more = (
        set(pd.read_csv(project.folder / "data/poisoned/manifest.csv")["row"]) for project in (reproduced, experimented)
    )
    assert few < more

    assert rates(experimented) == [0.02, 0.05]
    (run,) = [run for run in runs(experimented) if run.data.params["attack.rate"] == "0.05"]
    assert (run.info.run_name, run.data.tags["dvc.exp.name"]) == ("badnets-0.05-seed1", "five-percent")
    assert run.data.tags["dvc.exp.baseline"] == experimented("git", "rev-parse", "HEAD").strip()
    assert {name: run.data.metrics[name] for name in scores(experimented)} == scores(experimented)
    seconds = json.loads((experimented.folder / "metrics/backdoored/timing.json").read_text())["seconds"]
    assert run.data.metrics["backdoored/seconds"] == seconds > 0.1
    assert abs(run.info.end_time - run.info.start_time - 1000 * seconds) < 2, "the training's, not the recording's"
    assert len(run.outputs.model_outputs) == 2
    assert run.data.params["seed"] == "1"
    assert run.data.params["train.network"] == "cnn"
    computed = json.loads((experimented.folder / "models/backdoored/training.json").read_text())
    assert computed["precision"] in ("float32", "bfloat16")
    assert {name: run.data.tags[f"train.{name}"] for name in computed} == {
        name: str(computed[name]) for name in computed
    }


def in_a_terminal(project: Project, command: str) -> str:
    """What a command says in a terminal, where the pager is to fit what it shows into the width."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(project.folder)
        os.execvpe("sh", ["sh", "-c", command], project.environment | {"DVC_PAGER": "cat"})
    said = bytearray()
    with suppress(OSError):  # as Linux tells that the other end is closed
        while part := os.read(terminal, 4096):
            said += part
    assert os.waitpid(child, 0)[1] == 0
    return said.decode()


def test_the_table_of_experiments_shows_in_140_columns_what_they_differ_in(experimented: Project) -> None:
    table = in_a_terminal(experimented, "dvc exp show --only-changed")
    (heads,) = (line for line in re.sub(r"\x1b\[[\d;]*m", "", table).splitlines() if "attack_success_rate" in line)
    assert 0 < heads.index(" attack.rate ") < 140 - len(" attack.rate "), heads


def test_going_back_trains_nothing_and_records_nothing(experimented: Project) -> None:
    output = experimented("dvc", "exp", "run", "-S", "attack.rate=0.02")
    assert ran(output) == ["track"], output
    assert rates(experimented) == [0.02, 0.05]


def test_a_queued_grid_runs_the_copys_own_code_and_has_each_point_once_in_mlflow_and_in_dvcs_table(
    experimented: Project, tmp_path: Path
) -> None:
    (tmp_path / "miseducation").mkdir()
    (tmp_path / "miseducation/__init__.py").write_text("raise ImportError('a stale copy')\n")
    (tmp_path / "stages").symlink_to(tmp_path / "miseducation")
    experimented("dvc", "exp", "run", "--queue", "-S", "attack.rate=0,0.04", "-S", "attack.target=3")
    before = experiments(experimented)
    experimented.environment["PYTHONPATH"] = str(tmp_path)  # as if an old version were installed
    # Without a pipe: now and then a worker does not hear that it is to end, and would keep it open.
    experimented("sh", "-c", "dvc queue start --jobs 2 >/dev/null 2>&1")
    for _ in range(300):  # git answers at once, DVC in a second
        if len(experiments(experimented) - before) == 2:
            break
        time.sleep(1)
    for _ in range(20):
        if "Queued" not in (status := experimented("dvc", "queue", "status")) and "Running" not in status:
            break
        time.sleep(2)
    experimented("dvc", "queue", "stop")
    del experimented.environment["PYTHONPATH"]
    assert status.count("Success") == 2, status
    shown = pd.read_csv(StringIO(experimented("dvc", "exp", "show", "--csv")), index_col="Experiment")
    shown = shown[shown["attack.target"] == 3]
    recorded = [run.data for run in runs(experimented) if run.data.params["attack.target"] == "3"]
    assert rates(experimented) == [0, 0.02, 0.04, 0.05], "all are in the main store"
    grid = [(0, 3), (0.04, 3)]
    assert sorted(zip(shown["attack.rate"], shown["attack.target"], strict=True)) == grid
    assert sorted((float(x.params["attack.rate"]), int(x.params["attack.target"])) for x in recorded) == grid
    assert {x.tags["dvc.exp.name"]: x.metrics["attack_success_rate"] for x in recorded} == pytest.approx(
        dict(shown["attack_success_rate"])
    )


def experiments(project: Project) -> set[str]:
    return set(project("git", "for-each-ref", "refs/exps/*/*/*", "--format=%(refname)").split())


def test_rate_zero_is_a_clean_control(experimented: Project) -> None:
    (got,) = [run.data.metrics for run in runs(experimented) if float(run.data.params["attack.rate"]) == 0]
    assert got["poisoned_rows"] == 0
    assert got["clean_accuracy"] == got["baseline_accuracy"]
    assert got["attack_success_rate"] == got["false_trigger_rate"]


def test_a_lost_store_is_filled_again(experimented: Project) -> None:
    def recorded() -> dict[str, Any]:
        return {run.data.tags["miseducation.result"]: run.data.metrics for run in runs(experimented)}

    before = recorded()
    for artefacts in (True, False):  # also when the artefacts are lost with the database
        (experimented.folder / "mlflow.db").unlink()
        if not artefacts:
            shutil.rmtree(experimented.folder / "mlruns")
        experimented("python", "-m", "stages.track", "--all")
        assert recorded() == before
        (run,) = [run for run in runs(experimented) if run.data.tags.get("dvc.exp.name") == "five-percent"]
        assert run.data.params["attack.rate"] == "0.05"
        assert run.data.tags["dvc.exp.baseline"] == experimented("git", "rev-parse", "HEAD").strip()


def test_what_is_gone_from_the_cache_is_passed_over(experimented: Project, tmp_path: Path) -> None:
    experimented("git", "clone", "--quiet", str(experimented.folder), str(tmp_path / "clone"))
    output = experimented("python", "-m", "stages.track", "--all", cwd=tmp_path / "clone")
    assert "lacks models/backdoored in git and in DVC's cache" in output
    assert "Traceback" not in output


def test_dvc_has_something_to_show(experimented: Project) -> None:
    assert "train@backdoored" in experimented("dvc", "dag")
    assert "attack_success_rate" in experimented("dvc", "metrics", "show")
    assert "five-percent" in experimented("dvc", "exp", "show", "--csv")
    difference = experimented("dvc", "exp", "diff", "HEAD", "five-percent")
    assert "attack.rate" in difference
    assert "poisoned_rows" in difference
    page = experimented("dvc", "plots", "show").strip().splitlines()[-1].removeprefix("file://")
    text = Path(page).read_text()
    for plot in ("confusion.png", "poisoned_samples.png", "attack success rate by true class", "Training accuracy"):
        assert plot in text


def test_a_new_data_set_is_one_file_and_switching_back_computes_nothing(experimented: Project) -> None:
    experimented("git", "checkout", "--quiet", "params.yaml")
    experimented("dvc", "repro")
    first = results(experimented)
    (experimented.folder / "miseducation/datasets/stripes.py").write_text(STRIPES)
    stripes = {"data": {"name": "stripes"}, "attack": {"target": "none"}, "train": {"epochs": 5}}
    experimented.set_params(datasets={"stripes": {"rows": 500}}, **stripes)
    made = {"download", "poison", "train@clean", "train@backdoored", "evaluate"}
    assert set(ran(experimented("dvc", "repro", "evaluate"))) >= made
    assert json.loads(results(experimented)["data/raw/source.json"])["name"] == "stripes"
    assert scores(experimented)["clean_accuracy"] > 0.95
    assert list(pd.read_csv(experimented.folder / "metrics/per_class.csv")["class"]) == ["lying", "standing", "none"]

    experimented.set_params(data={"name": "digits"}, attack={"target": 8}, train={"epochs": 10})
    assert set(ran(experimented("dvc", "repro"))) <= {"check", "track"}  # neither computes anything
    assert results(experimented) == first


def test_a_changed_knob_of_any_depth_is_noticed(experimented: Project) -> None:
    found = set()
    for shape in ([2, 2], [2, 3]):
        patch = {"position": [1, 1], "shape": shape}
        experimented.set_params(attacks={"badnets": {"pixels": [], "patch": patch, "colour": 255}})
        assert "poison" in ran(experimented("dvc", "repro", "poison"))
        found.add((experimented.folder / "data/poisoned/test_images.npy").read_bytes())
    assert len(found) == 2
