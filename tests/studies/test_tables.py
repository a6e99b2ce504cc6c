"""The tables of a study from made-up outcomes: what is there, what is missing, and what people read."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.figures import pictures
from miseducation.figures.dose_response import dose_response
from miseducation.figures.success_by_rate import success_by_rate
from miseducation.studies import dose, engines, study, table_text, tables
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.cells import Outcome, Outcomes
from miseducation.studies.engines import Failure
from miseducation.studies.section import StudySection
from tests.studies.study_projects import Here, made_bench

ATTACK = BadNets(pixels=[(3, 3)])
CLEAN, POISONED = Cell(0, 0, 0, 1), Cell(0, 0.1, 0, 1)
GIVEN: dict[str, Any] = {"datasets": ["one", "two"], "attacks": ["badnets"], "rates": [0.1], "seeds": [1]}
COLUMNS = [
    *("dataset", "attack", "label_map", "rate", "seed", "poisoned_rows"),
    *("clean_accuracy", "baseline_accuracy", "attack_success_rate", "false_trigger_rate", "other_trigger_rate"),
    *("robust_accuracy", "psnr", "ssim"),
]


@pytest.fixture
def bench(tmp_path: Path, digits: Fetched) -> Bench:
    made = made_bench(tmp_path / "data", digits, ATTACK, (ATTACK, "all-to-all"))
    return replace(made, measured=("scores", "visibility"))


def outcome(success: float, *, warned: tuple[str, ...] = (), **other: float) -> Outcomes:
    found = {"poisoned_rows": 40, "clean_accuracy": 0.9, "attack_success_rate": success, "robust_accuracy": 0.1}
    return {"scores": Outcome(found | other, 2.0, 1.5, 1.75, warned)}


def made(attacks: int = 2, datasets: int = 1) -> pd.DataFrame:
    """The cells of a study that nobody made: the first attack cannot be at the highest rate."""
    rng, rows = np.random.default_rng(0), []
    for dataset in [f"data set {number}" for number in range(datasets)]:
        for attack in range(attacks):
            for rate in (0.001, 0.005, 0.01, 0.05, 0.1):
                for seed in (1, 2, 3):
                    values = rng.random(9) if attack or rate < 0.1 else np.full(9, np.nan)
                    rows.append((dataset, f"some_attack_{attack}", "clean-label", rate, seed, *values))
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_row_has_what_was_measured_of_the_cell_its_trigger_and_its_clean_model(bench: Bench) -> None:
    other = Cell(1, 0.1, 0, 1)
    results = {
        CLEAN: outcome(0.05, clean_accuracy=0.95),
        POISONED: outcome(0.8, warned=("hm", "oh")),
        other.clean: outcome(0.06),
        other: outcome(0.7, warned=("hm",)),
    }
    found = tables.tables("digits", bench, [CLEAN, POISONED, other], results)
    assert list(found.cells) == COLUMNS
    clean, poisoned, last = found.cells.to_dict("records")
    assert [poisoned[name] for name in tables.CELL] == ["digits", "badnets", "all-to-one", 0.1, 1]
    assert (poisoned["clean_accuracy"], poisoned["baseline_accuracy"]) == (0.9, 0.95)
    assert (poisoned["attack_success_rate"], poisoned["false_trigger_rate"]) == (0.8, 0.05)
    assert (clean["clean_accuracy"], clean["attack_success_rate"]) == (0.95, 0.05)
    assert (last["label_map"], last["false_trigger_rate"]) == ("all-to-all", 0.06)
    assert 20 < poisoned["psnr"] < 40
    assert poisoned["psnr"] == clean["psnr"] != last["psnr"], "of other images"
    assert str(found.cells["poisoned_rows"].dtype) == "Int64"
    assert found.timing.to_dict("list") == found.cells[tables.CELL].to_dict("list") | {
        "seconds": [2.0] * 3,
        "training_seconds": [1.5] * 3,
        "cpu_seconds": [1.75] * 3,
    }
    assert found.failed.empty
    assert list(found.failed) == [*tables.CELL, "reason"]
    assert found.warned == ["digits: hm", "digits: oh"]


def test_a_failed_cell_has_a_reason_and_its_baselines(bench: Bench) -> None:
    found = tables.tables("digits", bench, [POISONED], {CLEAN: outcome(0.05), POISONED: Failure("no luck")})
    (row,) = found.cells.to_dict("records")
    assert (row["baseline_accuracy"], row["false_trigger_rate"]) == (0.9, 0.05)
    own = [name for name in COLUMNS[5:] if name not in ("baseline_accuracy", "false_trigger_rate")]
    assert found.cells[own].isna().all(axis=None)
    assert list(found.failed["reason"]) == ["no luck"]
    assert found.timing.empty


def test_a_clean_model_that_failed_is_told_also_where_it_has_no_row(bench: Bench) -> None:
    found = tables.tables("digits", bench, [POISONED], {CLEAN: Failure("no luck"), POISONED: outcome(0.8)})
    assert list(found.failed["reason"]) == ["the clean model to compare with: no luck"]
    assert found.cells["attack_success_rate"].notna().all()
    assert found.cells[["baseline_accuracy", "false_trigger_rate"]].isna().all(axis=None)
    assert len(found.timing) == 1
    summary = dose.summarise(found.cells, tables.means(bench.measured))
    assert list(summary["n"]) == [1]
    assert summary[["false_trigger_rate", "false_trigger_rate_low"]].isna().all(axis=None)
    assert list(summary.filter(regex="_low$")) == [f"{name}_low" for name in tables.means(["scores"])]
    assert dose.doses(found.cells)["badnets/all-to-one"]["curve"] is None
    both = tables.tables("digits", bench, [CLEAN, POISONED], dict.fromkeys((CLEAN, POISONED), Failure("no luck")))
    assert list(both.failed["reason"]) == ["no luck", "no luck"]


def test_the_tables_of_all_data_sets_stand_below_each_other(bench: Bench) -> None:
    one = tables.tables("one", bench, [POISONED], {CLEAN: outcome(0.1), POISONED: outcome(0.8, warned=("hm",))})
    two = tables.tables("two", bench, [POISONED], {CLEAN: outcome(0.1), POISONED: Failure("no luck")})
    for order in ([one, two], [two, one]):
        found = tables.joined(order)
        assert list(found.cells["dataset"]) == [each.cells["dataset"].iloc[0] for each in order]
        assert list(found.timing["dataset"]) == ["one"]
        assert list(found.failed["dataset"]) == ["two"]
        assert found.warned == ["one: hm"]
        assert dict(found.cells.dtypes) == dict(one.cells.dtypes)
    nothing = tables.joined([one, one])
    assert nothing.failed.empty
    assert list(nothing.failed) == [*tables.CELL, "reason"]


def test_the_table_for_people() -> None:
    cells = made()
    failed = cells[cells["ssim"].isna()].assign(reason="too few rows")
    text = table_text.markdown("mine", cells, failed)
    assert text.startswith("# The study mine\n\nWritten by `make study NAME=mine`.")
    assert "over the seeds 1, 2, 3 ±" in text
    assert "that of the backdoored model, at 1 %." in text.replace("\n", " ")
    assert "PSNR (in dB) and SSIM" in text
    assert "## data set 0" in text
    head, _, first, second = [line for line in text.splitlines() if line.startswith("|")]
    assert head.count("|") == first.count("|") == second.count("|")
    assert (
        "| PSNR | SSIM | clean accuracy lost | 0.1 % | 0.5 % | 1 % | 5 % | 10 % | false triggers | other triggers |"
        in head
    )
    assert first.split(" | ")[-3] == "–"
    told = cells.query("attack == 'some_attack_0' and rate == 0.05")["other_trigger_rate"]
    assert first.endswith(f"| {100 * told.mean():.1f} ± {100 * told.std():.1f} |"), "at the highest rate that there is"
    assert "Runs without scores, and why:\n\n- some_attack_0 at 10 %: too few rows\n" in text
    shares = cells.loc[(cells["attack"] == "some_attack_1") & (cells["rate"] == 0.05), "attack_success_rate"]
    assert f"| {100 * shares.mean():.1f} ± {100 * shares.std():.1f} |" in second


def test_the_table_for_people_tells_only_what_was_measured() -> None:
    cells = made(datasets=2).query("rate < 0.1 and seed == 1").drop(columns=["psnr", "ssim"])
    cells["clean_accuracy"] = cells["baseline_accuracy"] + 0.0001
    text = table_text.markdown("mine", cells, cells[:0])
    assert "PSNR" not in text
    assert "Runs without scores" not in text
    assert text.count("| attack | label map | clean accuracy lost | 0.1 % |") == 2
    assert "±" not in text.partition("## ")[2], "of one seed"
    assert text.count("| clean-label | 0.0 |") == 4, "and not -0.0"


def run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, engine: Here, rates: Sequence[float] = (0.1,), **section: Any
) -> study.Found:
    monkeypatch.setattr(engines, "chosen", lambda: engine)
    monkeypatch.chdir(bench.folder)
    given = GIVEN | {"rates": rates, **section}
    return study.run("mine", StudySection.model_validate(given), dict.fromkeys(given["datasets"], bench))


def test_a_study_tells_what_it_found_and_what_it_did_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = Here(lambda model: model[0].arm == 1)
    found = run(bench, monkeypatch, engine, measured=["scores", "visibility"])
    assert len(engine.asked) == 4, "a model serves both data sets, as they are the same; but what failed is tried again"
    found = found._replace(tables=found.tables._replace(warned=["one: hm"]))
    found.write("mine", tmp_path / "metrics")
    with pytest.warns(UserWarning, match="one: hm"):
        found.tell("mine", tmp_path / "metrics")
    output, warning = capsys.readouterr()
    assert "one:\n    badnets/all-to-one: 50 %: " in output
    assert "two:\n    badnets/all-to-one: " in output
    assert warning.endswith(f"warning: 2 of 4 cells have no scores; {tmp_path}/metrics/failed.csv says why\n")
    written = {name: pd.read_csv(tmp_path / f"metrics/{name}.csv") for name in ("cells", "timing", "failed", "summary")}
    assert {name: len(rows) for name, rows in written.items()} == {"cells": 4, "timing": 2, "failed": 2, "summary": 4}
    assert {"robust_accuracy", "false_trigger_rate_low"} <= set(written["summary"])
    assert list(json.loads((tmp_path / "metrics/dose.json").read_bytes())) == ["one", "two"]
    assert "## two" in (tmp_path / "metrics/table.md").read_text()

    few = run(bench, monkeypatch, engine, datasets=["one"])
    few.tell("mine", tmp_path)
    assert "badnets/all-to-one: the attack success rate reaches\n" in capsys.readouterr().out


def test_clean_models_alone_are_a_study_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run(bench, monkeypatch, Here(), [0], datasets=["one"])
    found.write("mine", tmp_path)
    found.tell("mine", tmp_path)
    assert "badnets/all-to-one: the attack success rate reaches\n    50 %: no data\n" in capsys.readouterr().out
    assert found.doses["one"]["badnets/all-to-one"]["curve"] is None
    for name, figure in (
        ("dose", dose_response(found.tables.cells, found.summary, found.doses["one"])),
        ("success", success_by_rate(found.tables.cells, found.summary)),
    ):
        pictures.save(figure, tmp_path / f"{name}.png")


def test_if_nothing_works_the_study_fails_and_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"every cell failed:\n.*attack.rate = 0.0001 is less than one of 400"):
        run(bench, monkeypatch, Here(), [0.0001, 0.0002])


def test_an_unknown_engine_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDY_ENGINE", "slurm")
    with pytest.raises(InputError, match="ENGINE = 'slurm' is unknown; known: joblib, ray"):
        study.run("mine", StudySection.model_validate(GIVEN), {})
