"""The stage report tells what the others left, and nothing else."""

import json
import shlex
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from miseducation.figures.report_words import percent
from stages import evaluate, report
from tests.figures.test_report import check
from tests.stages.test_evaluate import prepared

CLASSES = ["NA", "1.0", "true"]  # which are names, though they look like something else
PAGE = Path("metrics/report.html")


@pytest.fixture
def evaluated(in_folder: Path) -> Path:
    """A folder in which all stages before have run, but for DVC."""
    prepared(CLASSES)
    evaluate.main()
    for variant in ("clean", "backdoored"):
        folder = Path("metrics") / variant
        epochs = pd.DataFrame({"epoch": [1, 2], "loss": [1.2, 0.1], "accuracy": [0.5, 0.9]})
        folder.mkdir()
        epochs.to_csv(folder / "history.csv", index=False)
        epochs.drop(columns="loss").assign(step=[7, 9], images=42).to_csv(folder / "learnt.csv", index=False)
    Path("models/backdoored/training.json").write_text(json.dumps({"device": "cpu", "torch": "2.8.0"}))
    return in_folder


def told() -> str:
    report.main()
    return check(PAGE.read_text(encoding="utf-8")).text


def test_the_page_tells_what_was_measured(evaluated: Path) -> None:
    text = told()
    scores, intervals = (json.loads(Path(f"metrics/{name}.json").read_text()) for name in ("evaluation", "intervals"))
    for name in ("attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate", "robust_accuracy"):
        low, high = intervals[name]
        assert percent(scores[name]) in text
        assert f"{percent(low)} to {percent(high)}" in text
    for row, shown in pd.read_csv("metrics/looks/answers.csv", keep_default_na=False)[["row", "true_label"]].to_numpy():
        assert f"Test picture {row} shows {shown}" in text
    assert f"NA {pd.read_csv('metrics/per_class.csv')['rows'][0]}" in text
    assert "nan" not in text
    assert "as 1.0 (95% interval" in text
    assert "on 42 pictures with the trigger" in text
    assert "MD5" not in text, "there is no dvc.lock"
    first = PAGE.read_bytes()
    report.main()
    assert PAGE.read_bytes() == first


def test_the_command_gives_all_parameters_their_values(
    evaluated: Path, set_params: Callable[[str, Any], None], tmp_path: Path
) -> None:
    wanted = {
        "attack.rate": 0.07,
        "attacks.badnets.patch": {"position": [1, 2], "shape": [3, 3]},
        "train.augment": ["flip"],
    }
    before = yaml.safe_load(Path("params.yaml").read_text())
    shutil.copy("params.yaml", tmp_path / "other.yaml")
    for key, value in wanted.items():
        set_params(key, value)
    told()
    command = unescape(PAGE.read_text().partition("<code>dvc exp run")[2].partition("</code>")[0])
    overrides = [each for each in shlex.split(command.replace("\\\n", " ")) if each != "-S"]
    apply_overrides(tmp_path / "other.yaml", overrides)
    after = yaml.safe_load((tmp_path / "other.yaml").read_text())
    assert after == yaml.safe_load(Path("params.yaml").read_text()) != before
    assert len(overrides) > 20


def test_hashes_are_told_where_dvc_has_them(evaluated: Path) -> None:
    outs = [{"path": "models/clean", "md5": "0123.dir"}, {"path": "metrics/evaluation.json", "md5": "4567"}]
    stages = {"train@clean": {"outs": outs}, "check": {"cmd": "x"}}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    text = told()
    assert "models/clean 0123.dir" in text
    assert "git log --all -S4567 -- dvc.lock" in text


def test_the_dose_curve_is_told_where_a_study_has_one(evaluated: Path) -> None:
    row = {"dataset": "mnist", "attack": "badnets", "label_map": "all-to-one", "n": 3, "attack_success_rate": 0.5}
    row |= {"attack_success_rate_low": 0.4, "attack_success_rate_high": 0.6}
    studies = ("some", 4, "badnets"), ("more", 5, "badnets"), ("others", 9, "wanet"), ("few", 2, "badnets")
    for study, rates, attack in studies:
        Path(f"metrics/{study}").mkdir()
        table = pd.DataFrame([{**row, "rate": rate / 100, "attack": attack} for rate in range(rates + 1)])
        table.to_csv(f"metrics/{study}/summary.csv", index=False)
    Path("metrics/broken").mkdir()
    Path("metrics/broken/summary.csv").write_bytes(b"dataset,rate\n\xff,,,,\n")
    assert "The study more trained models" in told()
    for study in ("some", "more"):
        shutil.rmtree(f"metrics/{study}")
    assert "How much poison does it take?" not in told()
