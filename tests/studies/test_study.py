"""A study through DVC: the same results as the pipeline's, each cell trained once, whatever happens in between."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from miseducation.project import code
from miseducation.studies.dose import SERIES
from miseducation.studies.engines.joblib import Joblib
from miseducation.studies.tables import CELL
from stages import fetch, study
from tests.conftest import Prepare, Project, results
from tests.studies.study_projects import (
    ARMS,
    PALE,
    RATES,
    SEEDS,
    STABLE,
    STUDY,
    TARGET,
    add,
    alive,
    forget,
    process,
    replace_studies,
    stable,
    stale_package,
    stored,
    studied_project,
    table,
    times,
    wait_for,
)

SCORES = [
    *("clean_accuracy", "baseline_accuracy"),
    *("attack_success_rate", "false_trigger_rate", "other_trigger_rate", "robust_accuracy"),
]
# What the stages of the pipeline find for each of some settings, without an interpreter for each of them.
STAGES = """
import json
import sys
from pathlib import Path

import yaml
from stages import download, evaluate, poison, train

params, found = yaml.safe_load(Path("params.yaml").read_text()), []
download.main()
for settings in json.loads(sys.argv[1]):
    attack = {**params["attack"], **settings["attack"]}
    Path("params.yaml").write_text(yaml.safe_dump({**params, **settings, "attack": attack}))
    for each in (["train", "clean"], ["poison"], ["train", "backdoored"], ["evaluate"]):
        sys.argv = each
        globals()[each[0]].main()
    files = (Path(f"metrics/{name}.json").read_text() for name in ("evaluation", "details"))
    found.append({name: score for text in files for name, score in json.loads(text).items()})
Path("found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def studied(prepare: Prepare) -> Project:
    """The project in which the small study has run; nobody changes it."""
    return prepare("studied", studied_project)


@pytest.fixture
def own(studied: Project, tmp_path: Path) -> Project:
    """A copy of it to change."""
    return studied.copy(tmp_path / "own")


def test_the_tables_have_a_row_per_cell_in_order(studied: Project) -> None:
    cells = table(studied)
    assert list(cells) == [
        *("dataset", "attack", "label_map", "rate", "seed", "poisoned_rows", *SCORES),
        *("psnr", "ssim", "learnt_rows", "certainty", "baseline_certainty"),
    ]
    assert [tuple(row) for row in cells[CELL].to_numpy()] == [
        (*arm, rate, seed) for arm in ARMS for rate in RATES for seed in SEEDS
    ]
    badnets = cells[cells["attack"] == "badnets"]
    assert list(badnets["poisoned_rows"]) == [0, 0, 29, 29, 287, 287]
    assert badnets["attack_success_rate"].iloc[-1] > 0.5 > badnets["attack_success_rate"].iloc[0]
    learnt = cells.dropna(subset="learnt_rows")
    assert set(zip(learnt["dataset"], learnt["learnt_rows"], strict=True)) == {("digits", 1437), ("signs", 200)}
    clean = cells[cells["rate"] == 0]
    for value, baseline in (
        ("clean_accuracy", "baseline_accuracy"),
        ("attack_success_rate", "false_trigger_rate"),
        ("certainty", "baseline_certainty"),
    ):
        assert (clean[value] == clean[baseline]).all()
    assert cells.groupby(["dataset", "seed"])["baseline_accuracy"].nunique().eq(1).all(), "all share the clean model"

    timing = table(studied, "timing")
    assert list(timing) == [*CELL, "seconds", "training_seconds", "cpu_seconds"]
    assert (timing["seconds"] >= timing["training_seconds"]).all()
    trained = timing[(timing["rate"] > 0) | (timing["attack"] == "badnets") | (timing["dataset"] == "signs")]
    assert (trained["training_seconds"] > 0).all()
    assert (timing["training_seconds"] > 0).sum() == len(trained), "a clean model counts once"

    summary = table(studied, "summary")
    assert len(summary) == len(ARMS) * len(RATES)
    assert {"n", "attack_success_rate", "attack_success_rate_low", "robust_accuracy_high", "certainty"} <= set(summary)
    doses = json.loads((studied.folder / "metrics/small/dose.json").read_bytes())
    assert [(dataset, *name.split("/")) for dataset, found in doses.items() for name in found] == ARMS
    assert {path.name for path in (studied.folder / "metrics/small").iterdir()} == {*STABLE, "timing.csv"}
    source = json.loads((studied.folder / "data/studies/small/digits/source.json").read_bytes())
    assert source["name"] == "digits"
    assert not (studied.folder / "data/studies/dose").exists()


def test_cells_that_cannot_be_are_told_and_stop_nothing(studied: Project) -> None:
    cells, failed = table(studied), table(studied, "failed")
    without = cells[cells["attack_success_rate"].isna()]
    assert without[CELL].to_numpy().tolist() == failed[CELL].to_numpy().tolist()
    assert {(each.attack, each.rate) for each in failed.itertuples()} == {("leaning", 0.2), ("silent", 0.2)}
    assert failed["reason"].str.contains("but the label map allows").all()
    baselines = ["baseline_accuracy", "false_trigger_rate", "baseline_certainty"]
    assert without[baselines].notna().all(axis=None)
    assert without.drop(columns=[*CELL, *baselines]).isna().all(axis=None)
    finished = cells[cells["attack_success_rate"].notna()]
    assert finished.drop(columns=["psnr", "other_trigger_rate"]).notna().all(axis=None)
    assert table(studied, "summary").groupby(SERIES)["n"].min().eq(0).sum() == 2
    text = (studied.folder / "metrics/small/table.md").read_text()
    assert "- silent at 20 %: params.yaml: attack.rate = 0.2 asks for 287 of 1437 training rows" in text


def test_without_a_trigger_there_is_no_ratio(studied: Project) -> None:
    cells = table(studied)
    silent = cells[(cells["attack"] == "silent") & (cells["rate"] == 0.02)]
    assert silent["psnr"].isna().all()
    assert (silent["ssim"] == 1).all()
    (ratio,) = cells.loc[cells["attack"] == "badnets", "psnr"].unique()
    assert 20 < ratio < 40
    assert "| silent | one-to-one | – | 1.000 |" in (studied.folder / "metrics/small/table.md").read_text()


def test_a_cell_is_what_the_pipeline_finds(own: Project) -> None:
    settings: list[dict[str, Any]] = [
        {"seed": 1, "attack": {"name": "badnets", "rate": 0}},
        {"seed": 2, "attack": {"name": "badnets", "rate": 0.2}},
        {"seed": 1, "attack": {"name": "silent", "rate": 0.02, "label_map": "one-to-one", "source": 7}},
        {"seed": 2, "attack": {"name": "leaning", "rate": 0.02, "label_map": "clean-label", "surrogate": "clean"}},
    ]
    own("python", "-c", STAGES, json.dumps(settings))
    cells = {(row["dataset"], row["attack"], row["rate"], row["seed"]): row for row in table(own).to_dict("records")}
    for given, wanted in zip(settings, json.loads((own.folder / "found.json").read_bytes()), strict=True):
        attack = given["attack"]
        cell = cells["digits", attack["name"], attack["rate"], given["seed"]]
        names = ["poisoned_rows", *SCORES, *(["psnr", "ssim"] if attack["name"] != "silent" else [])]
        told = [name for name in names if not pd.isna(cell[name])]
        assert {name: cell[name] for name in told} == {name: wanted[name] for name in names if name in wanted}
        assert ("other_trigger_rate" in told) == (attack["name"] == "badnets"), "the others have no decoy"


def test_only_what_a_change_concerns_is_trained(own: Project) -> None:
    assert "up to date" in own("dvc", "status", TARGET)
    before = times(own)
    add(own, "pale", PALE)
    for file in ("attacks/sticker", "poisoning/accounts", "tracking/track"):
        path = own.folder / f"miseducation/{file}.py"
        path.write_text(path.read_text() + "\n# changed\n")
    own.set_params(attacks={"sig": {"delta": 7}})
    own.commit()
    own.environment["LOKY_MAX_CPU_COUNT"] = "1"  # which is soon there
    # In a copy of the work tree, which knows what the work tree has trained.
    changes = [word for name in ("rates=[0,0.02,0.1]", "seeds=[1]") for word in ("-S", f"studies.small.{name}")]
    output = own("dvc", "exp", "run", "--temp", "--name", "wider", *changes, TARGET)
    assert "warning: digits: the trigger changes no pixel of 3 of 29 poison training images" in output
    commit = own("git", "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/wider").strip()
    timing = pd.read_csv(io.StringIO(own("git", "show", f"{commit}:metrics/small/timing.csv")))
    after = {tuple(row[: len(CELL)]): tuple(row[len(CELL) :]) for row in timing.to_numpy()}
    assert after.keys() - before.keys() == {
        *(("digits", "pale", "all-to-one", rate, 1) for rate in (0, 0.02, 0.1)),
        *((*arm, 0.1, 1) for arm in ARMS if arm[1] in ("badnets", "sticker")),
    }
    both = before.keys() & after.keys()
    assert both == {(*arm, rate, 1) for arm in ARMS for rate in (0, 0.02)}
    assert {cell[1] for cell in both if before[cell] != after[cell]} == {"sticker"}
    assert {cell[1] for cell in both if before[cell] == after[cell]} == {"badnets", "leaning", "silent"}
    assert "| pale | all-to-one |" in own("git", "show", f"{commit}:metrics/small/table.md")


def test_a_study_has_the_cells_that_another_one_trained(own: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = {"datasets": ["digits"], "attacks": ["badnets"], "rates": [0.2, 0.02], "seeds": [2]}
    replace_studies(own, mine=mine)
    monkeypatch.chdir(own.folder)
    monkeypatch.setattr(code, "ROOT", own.folder)
    monkeypatch.setattr(sys, "argv", ["", "mine"])
    monkeypatch.setattr(Joblib, "run", None)
    (own.folder / "metrics/mine").mkdir()
    (own.folder / "metrics/mine/dose-signs.png").touch()  # of a data set that was in the study once
    (own.folder / "data/studies/mine/signs").mkdir(parents=True)
    fetch.main()
    assert [path.name for path in (own.folder / "data/studies/mine").iterdir()] == ["digits"]
    study.main()
    assert {path.name for path in (own.folder / "metrics/mine").glob("*.png")} == {
        *("dose-digits.png", "gallery.png", "success.png")
    }
    training = {cell: seconds[1] for cell, seconds in times(own, "mine").items()}
    assert training == {cell: seconds[1] for cell, seconds in times(own).items() if cell in training}
    cells, others = table(own, study="mine"), table(own)
    assert list(cells["rate"]) == [0.02, 0.2], "the clean model is a yardstick, no row, where 0 is no rate"
    wanted = others[(others["attack"] == "badnets") & (others["seed"] == 2) & (others["rate"] > 0)]
    pd.testing.assert_frame_equal(cells, wanted[list(cells)].reset_index(drop=True), check_dtype=False)


def test_a_study_that_is_stopped_and_killed_ends_as_an_undisturbed_one(own: Project, tmp_path: Path) -> None:
    wanted, before = stable(own), results(own)
    forget(own)
    own.environment["LOKY_MAX_CPU_COUNT"] = "2"  # or a large machine would do it all at once
    command = ("dvc", "repro", "--force", "--single-item", TARGET)
    with subprocess.Popen(
        command, cwd=own.folder, env=own.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pipeline:
        driver = process(pipeline.pid, "stages.study")
        wait_for(lambda: len(stored(own)) > 0)
        workers = driver.children(recursive=True)
        for each in (*workers, driver):  # as a terminal does, to all at once
            each.send_signal(2)
        output, _ = pipeline.communicate(timeout=60)
    assert "finished models are kept" in output
    assert "\ninterrupted; no earlier output of pipelines/studies/dvc.yaml:study@small is lost\n" in output
    assert "Traceback" not in output
    wait_for(lambda: not any(map(alive, workers)))
    assert results(own) == before

    finished = stored(own)
    own.environment |= {"LOKY_MAX_CPU_COUNT": "1"}  # one process, where there were two
    with subprocess.Popen(
        STUDY, cwd=own.folder, env=own.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as killed:
        wait_for(lambda: len(stored(own)) > len(finished) + 4)
        workers = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
    wait_for(lambda: not any(map(alive, workers)))
    assert results(own) == before

    finished |= stored(own)
    own.environment |= stale_package(tmp_path)
    own(*STUDY)
    assert stable(own) == wanted
    assert finished.items() <= stored(own).items(), "a finished cell was trained again"
