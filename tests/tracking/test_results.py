"""What is read from a folder: whole results, known by their content, and no pieces of several."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.fs import localfs
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB

from miseducation.tracking import checks, locks, results
from miseducation.tracking.locks import Stage
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.results import IncompleteError, Input, digest
from miseducation.tracking.runs import Store
from miseducation.tracking.study_results import LOCK, read_study, studies
from miseducation.tracking.track import study, track
from tests.tracking.made import (
    DETAILS,
    NAMES,
    RAW,
    SCORES,
    WHY,
    change,
    md5,
    replace,
    rewrite,
    write,
    write_result,
    write_study,
)


def test_a_folders_digest_is_dvcs(tmp_path: Path) -> None:
    # In another order as whole paths than folder by folder.
    names = ("a/b.txt", "a.txt", "a-b/c.txt", "a/b/c.txt", "B.txt", "ü.txt", ".hidden/x")
    write(tmp_path / "files", {name: name for name in names if name != "a/b/c.txt"} | {"a/c/d.txt": "é"})
    for path in (tmp_path / "files", tmp_path / "files/a.txt"):
        *_, built = build(HashFileDB(localfs, str(tmp_path / "cache")), str(path), localfs, "md5")
        assert results.digest(path) == built.hash_info.value


def test_the_leaves_of_nested_knobs_have_dotted_keys() -> None:
    knobs = {"b": {"c": 1, "d": [{"e": 2}], "f": {}}, "g": None}
    assert locks.flatten("a", knobs) == {"a.b.c": 1, "a.b.d": [{"e": 2}], "a.b.f": {}, "a.g": None}
    assert locks.flatten("seed", 1) == {"seed": 1}


def test_two_stages_may_read_the_same_but_nothing_different() -> None:
    stages = {
        "one": Stage(params={"attack": {"rate": 0.1}, "seed": 1}),
        "two": Stage(params={"attack.rate": 0.1, "train": {}}),
        "three": Stage(),
    }
    assert locks.read_params(stages) == {"attack.rate": 0.1, "seed": 1, "train": {}}
    stages["four"] = Stage(params={"attack": {"rate": 0.2}})
    with pytest.raises(
        IncompleteError, match=r"^attack\.rate has changed between two stages; `dvc repro` updates both"
    ):
        locks.read_params(stages)


def test_of_dvcs_record_those_stages_count_that_produce_something(tmp_path: Path) -> None:
    names = ("check", "track", "track@small", "train@clean", "report")
    stages: dict[str, Any] = {name: {"cmd": name} for name in names}
    stages["report"] |= {
        "deps": [{"path": "a", "md5": "x"}, {"path": "https://example.org", "etag": "y"}],
        "outs": [{"path": f"metrics/{name}", "md5": md5(name)} for name in "xy"],
        "params": {"params.yaml": {"seed": 1}, "other.yaml": {"seed": 2}},
    }
    write(tmp_path, {"x/dvc.lock": yaml.safe_dump({"stages": stages})})
    found = locks.read_lock(tmp_path, "x/dvc.lock")
    outs = {"metrics/x": md5("x"), "metrics/y": md5("y")}
    assert found == {"train@clean": Stage(), "report": Stage({"a": "x"}, outs, {"seed": 1})}
    assert locks.read_outputs(found) == outs


def test_mlflow_gets_the_record_and_small_outputs() -> None:
    outputs = ["data/poisoned/manifest.csv", "data/poisoned/images.npy", "data/raw", "metrics/x/y.csv", "models/clean"]
    small = ["data/poisoned/manifest.csv", "metrics/x/y.csv", "models/clean"]
    assert results.copied("dvc.lock", [*outputs, "metrics.csv", "other/metrics"]) == ["dvc.lock", *small]


def test_a_result_of_the_pipeline_is_read(tmp_path: Path) -> None:
    found = read_result(write_result(tmp_path))
    assert (found.folder, found.name, found.experiment) == (tmp_path, "badnets-0.01-seed1", "toy")
    params = {"data.name": "toy", "attack.name": "badnets", "attack.rate": 0.01, "attacks.badnets": {}}
    assert found.params == {"seed": 1, **params}
    bounds = {"interval_low/attack_success_rate": 0.98, "interval_high/attack_success_rate": 0.995}
    seconds = {"clean/seconds": 2.5, "backdoored/seconds": 2.5}
    wanted = SCORES | DETAILS | bounds | seconds
    assert list(found.metrics.items()) == list(wanted.items()), "MLflow opens on the first"
    assert found.timing == (1767323045000, 2.5)
    assert found.history == {
        "backdoored/loss": [(1, 0.5), (2, 0.25)],
        "backdoored/accuracy": [(1, 0.8), (2, 0.9)],
        "clean/loss": [(1, 0.75)],
        "clean/accuracy": [(1, 0.7)],
    }
    assert found.inputs == [
        Input("toy", "data/raw", RAW, "training and evaluation"),
        Input("poison", "data/poisoned/images.npy", md5("images0.01"), "training of the backdoored model"),
        Input("triggered-test-set", "data/poisoned/test_images.npy", md5("test_images0.01"), "evaluation"),
    ]
    assert found.tags == {"train.device": "cpu", "train.threads": "1"}
    assert not found.cells
    assert {"data/raw", "data/poisoned/images.npy", "metrics/intervals.json"} < found.hashes.keys()


def test_results_of_older_versions_do_not_say_what_trained_them(tmp_path: Path) -> None:
    (write_result(tmp_path) / "models/backdoored/training.json").rename(tmp_path / "models/backdoored/other.json")
    assert read_result(tmp_path).tags == {}


def test_there_is_an_end_of_values(tmp_path: Path) -> None:
    found = read_result(write_result(tmp_path))
    found.check()
    history = {"loss": [(epoch, 0.5) for epoch in range(checks.VALUES)]}
    with pytest.raises(IncompleteError, match=r"^it has more than 100000 values$"):
        dataclasses.replace(found, history=history).check()


def test_what_lies_beside_a_result_is_not_taken_along(tmp_path: Path) -> None:
    write_result(tmp_path)
    write(tmp_path, {"metrics/accounts.csv": "of another pipeline", "data/poisoned/images.npy": "large"})
    (tmp_path / "models/clean/folder").mkdir()
    assert [str(path) for path in read_result(tmp_path).files()] == [
        "data/poisoned/manifest.csv",
        "dvc.lock",
        "metrics/backdoored/history.csv",
        "metrics/backdoored/timing.json",
        "metrics/clean/history.csv",
        "metrics/clean/timing.json",
        "metrics/details.json",
        "metrics/evaluation.json",
        "metrics/intervals.json",
        "models/backdoored/training.json",
        "models/clean/network.json",
    ]


def test_code_is_no_part_of_a_result_but_params_and_outputs_are(tmp_path: Path) -> None:
    key = read_result(write_result(tmp_path)).key
    replace(tmp_path / "dvc.lock", md5("code"), md5("other"))
    change(tmp_path / "dvc.lock", lambda lock: lock["stages"].update(download=lock["stages"].pop("download")))
    write(tmp_path, {"models/backdoored/training.json": "{}"})
    assert read_result(tmp_path).key == key
    replace(tmp_path / "dvc.lock", "rate: 0.01", "rate: 0.05")
    assert read_result(tmp_path).key != key
    write_result(tmp_path, scores=SCORES | {"clean_accuracy": 0.97})
    assert read_result(tmp_path).key != key
    write_result(tmp_path, details=DETAILS | {"side_effect_rate": 0.25})
    assert read_result(tmp_path).key != key


def test_a_result_is_the_same_whether_its_scores_are_in_one_file_or_two(tmp_path: Path) -> None:
    """And whatever a page tells of it: it has the commit in it."""
    found = read_result(write_result(tmp_path / "new"))
    first, accuracy, rows = SCORES.items()
    behind, relabelled = DETAILS.items()
    former = dict([first, accuracy, behind, rows, relabelled])  # in the order of the older versions
    before = read_result(write_result(tmp_path / "old", scores=former, details=None))
    assert found.key == before.key
    assert before.metrics.items() <= found.metrics.items()
    assert before.timing is None
    page = {"path": "metrics/report.html", "md5": md5("page")}
    change(tmp_path / "new/dvc.lock", lambda lock: lock["stages"].update(report={"outs": [page]}))
    assert read_result(tmp_path / "new").key == before.key
    # As if the training told more of the machine.
    training = tmp_path / "new/models/backdoored/training.json"
    as_it_was = digest(training.parent)
    training.write_text(json.dumps({**json.loads(training.read_text()), "python": "3.11"}, indent=2) + "\n")
    replace(tmp_path / "new/dvc.lock", as_it_was, digest(training.parent))
    assert read_result(tmp_path / "new").key == before.key


OTHER_SEED = {"params": {"params.yaml": {"seed": 2}}}


SCORE_FILES = ("evaluation", "details", "intervals")


def other_seed(lock: Any) -> None:
    lock["stages"]["evaluate"] |= OTHER_SEED


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "dvc.lock").unlink(), "there is no dvc.lock yet"),
        (lambda root: (root / "dvc.lock").write_text("{schema: '2.0'}"), "the stage evaluate has not run yet"),
        *(
            (lambda root, path=path: (root / path).unlink(), f"{path} is missing")
            for path in (*(f"metrics/{each}.json" for each in SCORE_FILES), "data/poisoned/manifest.csv")
        ),
        *(
            (lambda root, path=path: shutil.rmtree(root / path), f"{path} is missing")
            for path in ("models/clean", "models/backdoored")
        ),
        (lambda root: change(root / "dvc.lock", other_seed), "seed has changed between two stages"),
        (
            lambda root: (root / "metrics/evaluation.json").write_text("{}"),
            "metrics/evaluation.json is not the one in dvc.lock",
        ),
        (
            lambda root: replace(root / "dvc.lock", RAW, f"{md5('s')}.dir"),
            "data/raw has changed since then; `dvc repro` updates the result",
        ),
    ],
)
def test_pieces_of_several_results_are_not_recorded(
    bare: Path, spoil: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(write_result(bare))
    track(Store(bare), bare, {})
    assert capsys.readouterr().out.startswith(f"track: nothing to record from {bare}: {message}")
    assert not (bare / "mlflow.db").exists(), "nobody needed the store"


def test_a_study_is_read(tmp_path: Path) -> None:
    found = read_study(write_study(tmp_path), "small")
    assert (found.folder, found.name, found.experiment) == (tmp_path, "small", "small")
    assert found.params == {
        "attack.channel": "direct",
        "attack.cover": 0,
        "attack.source": None,
        "attack.target": 8,
        "attacks.badnets.pixels": [[3, 3]],
        "attacks.badnets.colour": 255,
        "attacks.label_flip": {},
        "attacks.sticker.side": 0.1,
        "attacks.sticker.colour": [255, 255, 0],
        "datasets.digits.test_rows": 360,
        "datasets.signs.seed": 1,
        "studies.small.datasets": ["digits", "signs"],
        "studies.small.attacks": None,
        "studies.small.rates": [0, 5e-05, 0.2],
        "studies.small.seeds": [1, 2],
        "studies.small.overrides.signs.attack.target": "stop",
        "studies.small.overrides.signs.train.epochs": 5,
        "studies.small.overrides.signs.attacks.sticker.side": 0.3,
        "train.network": "cnn",
        "train.epochs": 2,
    }
    assert found.metrics == {
        "dose_50/digits/badnets/all-to-one": 0.0012,
        "interval_low/dose_50/digits/badnets/all-to-one": 0.001,
        "dose_95/signs/sticker/all-to-one": 0.0012,
        "interval_low/dose_95/signs/sticker/all-to-one": 0.001,
        "interval_high/dose_95/signs/sticker/all-to-one": 0.5,
        "cells": 5,
        "failed_cells": 1,
    }
    assert found.tags == {"dose_95/digits/badnets/all-to-one": "> 0.2"}
    assert found.history == {
        "attack_success_rate/digits/badnets/all-to-one": [(0, 0.02), (200_000, 0.72)],
        "attack_success_rate/signs/sticker/all-to-one": [(200_000, 1.0), (900_000, 1.0)],
        "attack_success_rate/signs/label_flip/random": [(50, 0.125)],
    }
    data, context = ("data/studies/small", f"{md5('small')}.dir"), "training and evaluation"
    assert found.inputs == [Input("digits", *data, context), Input("signs", *data, context)]
    tables = [f"metrics/small/{name}" for name in ("cells.csv", "dose.json", "failed.csv", "summary.csv")]
    assert list(found.hashes) == ["data/studies/small", *tables]
    assert [str(path) for path in found.files()] == sorted([*tables, "metrics/small/timing.csv", LOCK])


def test_a_cell_is_read_as_a_run_of_the_pipeline_would_be(tmp_path: Path) -> None:
    cells = {cell.name: cell for cell in read_study(write_study(tmp_path), "small").cells}
    assert cells.keys() == NAMES
    common = {"attack.channel": "direct", "attack.cover": 0, "attack.source": None, "train.network": "cnn"}
    clean = cells["digits-badnets-all-to-one-0-seed1"]
    assert clean.params == common | {
        "data.name": "digits",
        "datasets.digits.test_rows": 360,
        "seed": 1,
        "train.epochs": 2,
        "attack.name": "badnets",
        "attack.label_map": "all-to-one",
        "attack.rate": 0,
        "attack.target": 8,
        "attacks.badnets.pixels": [[3, 3]],
        "attacks.badnets.colour": 255,
    }
    assert json.dumps(clean.params["attack.rate"]) == "0", "not 0.0, as in the pipeline's runs"
    own = cells["signs-sticker-all-to-one-0.2-seed2"]
    assert own.params == common | {
        "data.name": "signs",
        "datasets.signs.seed": 1,
        "seed": 2,
        "train.epochs": 5,
        "attack.name": "sticker",
        "attack.label_map": "all-to-one",
        "attack.rate": 0.2,
        "attack.target": "stop",
        "attacks.sticker.side": 0.3,
        "attacks.sticker.colour": [255, 255, 0],
    }
    scores = {"poisoned_rows": 40, "clean_accuracy": 0.1, "false_trigger_rate": 0, "psnr": 17.9, "seconds": 1.5}
    assert own.metrics == {"attack_success_rate": 1.0, **scores}
    assert list(own.metrics)[:3] == ["attack_success_rate", "poisoned_rows", "clean_accuracy"], "MLflow opens on it"
    assert own.reason == ""
    silent = cells["signs-label_flip-random-5e-05-seed2"]
    assert silent.params["attacks.label_flip"] == {}
    assert "psnr" not in silent.metrics
    failed = cells["digits-badnets-clean-label-0.2-seed1"]
    assert (failed.metrics, failed.reason) == ({"false_trigger_rate": 0.02}, WHY)


def test_what_a_part_has_no_knobs_for_is_recorded_too(tmp_path: Path) -> None:
    def forget(lock: Any) -> None:
        params = lock["stages"]["study@small"]["params"]["params.yaml"]
        del params["datasets"]["digits"], params["studies.small"]["overrides"]
        params["attacks"] |= {"sticker": None}

    change(write_study(tmp_path) / LOCK, forget)
    cells = {cell.name: cell.params for cell in read_study(tmp_path, "small").cells}
    assert cells["digits-badnets-all-to-one-0-seed1"]["datasets.digits"] is None
    own = cells["signs-sticker-all-to-one-0.2-seed2"]
    assert (own["attacks.sticker"], own["attack.target"], own["train.epochs"]) == ({}, 8, 2)


def test_a_study_of_one_data_set_stands_among_its_runs(tmp_path: Path) -> None:
    found = read_study(write_study(tmp_path, datasets=("digits",)), "small")
    assert (found.experiment, [each.name for each in found.inputs]) == ("digits", ["digits"])
    assert not [key for key in found.params if key.startswith(("datasets.signs", "attacks.sticker"))]


def test_a_study_is_its_parameters_and_outputs_without_the_timings(tmp_path: Path) -> None:
    key = read_study(write_study(tmp_path), "small").key

    def unseen(lock: Any) -> None:
        params = lock["stages"]["study@small"]["params"]["params.yaml"]
        params["studies.small"] |= {"rates": [0, 5e-05, 0.2], "seeds": [1, 2]}
        params["attacks"]["blended"] = {"alpha": 0.9}
        params["datasets"]["mnist"] = {"folder": "mine"}
        lock["stages"]["study@small"]["deps"][1]["md5"] = f"{md5('other')}.dir"
        lock["stages"] |= {"study@gone": {"params": {"params.yaml": {"train.epochs": 9}}, "outs": []}}

    rewrite(tmp_path, "timing.csv", (tmp_path / "metrics/small/timing.csv").read_text().replace("1.5", "1.75"))
    change(tmp_path / LOCK, unseen)
    assert read_study(tmp_path, "small").key == key
    (tmp_path / "metrics/small/empty").mkdir()
    assert read_study(tmp_path, "small").key == key, "DVC does not know of it, nor will a copy"
    lock = (tmp_path / LOCK).read_text()
    for part in ("epochs: 2", "target: 8", "test_rows: 360", "side: 0.3", "colour: 255"):
        replace(tmp_path / LOCK, part, f"{part}1")
        assert read_study(tmp_path, "small").key != key, part
        (tmp_path / LOCK).write_text(lock)
    change(tmp_path / LOCK, lambda lock: lock["stages"]["study@small"]["deps"][0].update(md5=f"{md5('other')}.dir"))
    assert read_study(tmp_path, "small").key != key
    (tmp_path / LOCK).write_text(lock)
    rewrite(tmp_path, "table.md", "another file")
    assert read_study(tmp_path, "small").key != key


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / LOCK).unlink(), f"there is no {LOCK} yet"),
        (lambda root: (root / LOCK).write_text("stages: {study@other: {}}"), "the study small has not run yet"),
        (lambda root: shutil.rmtree(root / "metrics/small"), "metrics/small is missing"),
        (lambda root: (root / "metrics/small/dose.json").unlink(), f"metrics/small is not the one in {LOCK}"),
        (lambda root: (root / "metrics/small/cells.csv").write_text(""), f"metrics/small is not the one in {LOCK}"),
    ],
)
def test_pieces_of_several_studies_are_not_recorded(tmp_path: Path, spoil: Any, message: str) -> None:
    spoil(write_study(tmp_path))
    with pytest.raises(IncompleteError) as error:
        read_study(tmp_path, "small")
    assert str(error.value) == message


def test_the_studies_of_a_folder_are_those_that_ran_and_whose_tables_are_there(tmp_path: Path) -> None:
    assert studies(tmp_path) == []
    write_study(write_study(write_study(tmp_path), "other"), "third")
    assert studies(tmp_path) == ["small", "other", "third"]
    change(tmp_path / LOCK, lambda lock: lock["stages"].pop("study@third"))
    # As beside a study in MLflow: DVC's record is of all of them.
    shutil.rmtree(tmp_path / "metrics/small")
    assert studies(tmp_path) == ["other"]
    assert study("other")(tmp_path).name == "other"
    assert yaml.safe_load((tmp_path / LOCK).read_text())["stages"].keys() > {"fetch@third", "study@small"}
