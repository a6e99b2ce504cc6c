"""`make sweep`: the same results as the pipeline's, each cell trained once, whatever happens in between."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import parts
from stages.cell_store import CellStore
from stages.cells import Cell, Outcome
from stages.command import InputError
from stages.grid import by_model
from stages.params import read
from stages.poison import AttackSection
from stages.scores import Share
from stages.sweep import SweepSection
from tests.conftest import Project, results, scores
from tests.sweeps import SWEEP, TRAINING, alive, outcomes, process, stable, sweeping, swept_project, table, wait_for


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return swept_project(tmp_path_factory.mktemp("swept"))


def test_the_table_has_a_row_per_cell_in_order(swept: Project) -> None:
    cells = table(swept)
    assert list(cells) == [
        *("dataset", "attack", "label_map", "rate", "seed", "poisoned_rows"),
        *("clean_accuracy", "baseline_accuracy", "attack_success_rate", "false_trigger_rate"),
    ]
    assert list(zip(cells["rate"], cells["seed"], strict=True)) == [(r, s) for r in (0, 0.02, 0.1) for s in (1, 2)]
    assert list(cells["poisoned_rows"]) == [0, 0, 29, 29, 144, 144]
    clean = cells[cells["rate"] == 0]
    assert (clean["clean_accuracy"] == clean["baseline_accuracy"]).all()
    assert (clean["attack_success_rate"] == clean["false_trigger_rate"]).all()
    assert cells.groupby("seed")["baseline_accuracy"].nunique().eq(1).all()
    assert cells["attack_success_rate"].iloc[-1] > 0.5 > cells["attack_success_rate"].iloc[0]
    assert table(swept, "sweep_failed").empty
    timing = table(swept, "sweep_timing")
    assert (timing["training_seconds"] > 0).all()
    assert (timing["seconds"] >= timing["training_seconds"]).all()


@pytest.mark.parametrize(("rate", "seed"), [(0.1, 2), (0, 1)])
def test_a_cell_is_what_the_pipeline_finds(swept: Project, rate: float, seed: int) -> None:
    swept("dvc", "exp", "run", "--temp", "--name", f"cell-{seed}", "-S", f"attack.rate={rate}", "-S", f"seed={seed}")
    swept("dvc", "exp", "apply", f"cell-{seed}")
    cells = table(swept)
    (cell,) = cells[(cells["rate"] == rate) & (cells["seed"] == seed)].to_dict("records")
    wanted = scores(swept)
    names = ("poisoned_rows", "clean_accuracy", "baseline_accuracy", "attack_success_rate", "false_trigger_rate")
    assert {name: cell[name] for name in names} == {name: wanted[name] for name in names}
    swept("git", "checkout", "--quiet", ".")


def test_a_wider_sweep_trains_only_what_is_new(swept: Project) -> None:
    before = table(swept, "sweep_timing")
    changes = {"sweep.rates": "[0,0.02,0.05,0.1]", "sweep.seeds": "[1,2]"}
    settings = [word for key, value in changes.items() for word in ("-S", f"{key}={value}")]
    # In a copy of the work tree, which knows what the work tree has trained.
    output = swept("dvc", "exp", "run", "--temp", "--name", "wider", *settings, "sweep/dvc.yaml:sweep")
    assert "6/8" in output, "two of eight models were to train"
    swept("dvc", "exp", "apply", "wider")
    after = table(swept, "sweep_timing")
    assert len(after) == 8
    kept = after[after["rate"] != 0.05].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before)
    swept("git", "checkout", "--quiet", ".")
    swept("dvc", "checkout", "--quiet")


def test_only_what_a_change_concerns_is_trained_again(swept: Project) -> None:
    before = table(swept, "sweep_timing")
    # Another attack's knob, and another attack's code: DVC runs the stage, but every cell is known.
    swept.set_params(attacks={"sticker": {"position": [0.1, 0.1], "side": 0.2, "colour": [255], "picture": None}})
    module = swept.folder / "stages/attacks/sticker.py"
    code = module.read_text()
    module.write_text(code + "\n# changed\n")
    assert "Running stage 'sweep/dvc.yaml:sweep'" in swept(*SWEEP)
    pd.testing.assert_frame_equal(table(swept, "sweep_timing"), before)
    # The attack's own code.
    module.write_text(code)
    module = swept.folder / "stages/attacks/badnets.py"
    code = module.read_text()
    module.write_text(code + "\n# changed\n")
    swept(*SWEEP)
    after = table(swept, "sweep_timing")
    assert (after["seconds"] != before["seconds"]).all()
    module.write_text(code)
    swept("git", "checkout", "--quiet", ".")
    swept("dvc", "checkout", "--quiet")


def test_a_sweep_killed_three_times_ends_as_an_undisturbed_one(swept: Project, tmp_path: Path) -> None:
    project = sweeping(tmp_path / "killed")
    project.environment["LOKY_MAX_CPU_COUNT"] = "2"  # or a large machine would do it all at once
    for done in (1, 3, 5):  # of six models
        with subprocess.Popen(
            SWEEP, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as pipeline:
            driver = process(pipeline.pid, "stages.sweep")
            wait_for(lambda done=done: len(outcomes(project)) >= done)  # type: ignore[misc]
            time.sleep(np.random.default_rng().uniform(0, 0.4))
            workers = driver.children(recursive=True)
            driver.kill()
            assert pipeline.wait(60) != 0
        wait_for(lambda workers=workers: not any(map(alive, workers)))  # type: ignore[misc]
        stored = outcomes(project)
        assert len(stored) >= done
    project(*SWEEP)
    assert stable(project) == stable(swept)
    seconds = set(table(project, "sweep_timing")["seconds"])
    assert {outcome[4] for outcome in stored} <= seconds, "a finished cell was trained again"


BROKEN = '''
"""An attack that goes wrong in ways that depend on how many rows it gets."""

import os
from pathlib import Path
from typing import final

import numpy as np

from stages.attacks import Attack


@final
class Broken(Attack):
    """As badnets, but with 29 rows it raises, with 72 its process dies, with 115 it dies once."""

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        if len(images) == 29:
            raise RuntimeError("29 is\\nan unlucky number")
        if len(images) == 72 or (len(images) == 115 and not Path("died").exists()):
            Path("died").touch()
            os.kill(os.getpid(), 9)
        changed = images.copy()
        changed[:, 3:5, 3:5] = 255
        return changed
'''


@pytest.mark.parametrize("cores", ["1", "2"])
def test_what_fails_is_told_and_stops_nothing_else(tmp_path: Path, cores: str) -> None:
    rates = [0, 0.0001, 0.02, 0.05, 0.08, 0.1]
    project = sweeping(tmp_path / "broken", attacks=["broken"], rates=rates, seeds=[1])
    (project.folder / "stages/attacks/broken.py").write_text(BROKEN)
    project.set_params(attacks={"broken": {}}, train={**TRAINING, "epochs": 1})
    project.environment["LOKY_MAX_CPU_COUNT"] = cores
    output = project(*SWEEP)
    assert "warning: 3 of 6 cells failed" in output
    assert "Traceback" not in output
    cells, failed = table(project), table(project, "sweep_failed")
    assert list(cells["attack_success_rate"].isna()) == [False, True, True, True, False, False]
    assert list(cells["rate"]) == rates, "those that failed have a row, too"
    assert list(failed["rate"]) == [0.0001, 0.02, 0.05]
    too_few, raised, died = failed["reason"]
    assert "attack.rate = 0.0001 is less than one of 1437 training rows" in too_few
    assert raised == "RuntimeError: 29 is an unlucky number"
    assert "process died" in died
    assert list(table(project, "sweep_timing")["rate"]) == [0, 0.08, 0.1]
    # Trying again trains only what failed; without the cause, nothing fails any more.
    module = project.folder / "stages/attacks/broken.py"
    assert "warning: 3 of 6 cells failed" in project("dvc", "repro", "--force", "--single-item", SWEEP[-1])
    module.write_text(BROKEN.replace("== 29", "== -1").replace("== 72", "== -1"))
    assert "warning: 1 of 6 cells failed" in project(*SWEEP)


def test_what_the_names_of_classes_mean_is_part_of_a_cell(tmp_path: Path) -> None:
    project = sweeping(tmp_path / "names", rates=[0.1], seeds=[1])
    project.set_params(attack={"target": "8"}, train={**TRAINING, "epochs": 1})
    project("dvc", "repro", "download")
    project("python", "-m", "stages.sweep")
    before = table(project, "sweep_timing")
    names = list("0123456789")
    names[7:9] = "8", "7"
    (project.folder / "data/raw/classes.json").write_text(json.dumps(names))
    project("python", "-m", "stages.sweep")
    assert (table(project, "sweep_timing")["seconds"] != before["seconds"]).all()


def test_a_clean_model_that_fails_is_told_also_where_it_has_no_row(tmp_path: Path) -> None:
    project = sweeping(tmp_path / "clean", rates=[0.1], seeds=[1])
    cells = project.folder / "stages/cells.py"
    failing = "    if model[0] == model[0].clean:\n        raise RuntimeError('no luck')\n    device, clock"
    cells.write_text(cells.read_text().replace("    device, clock", failing))
    project("dvc", "repro", "download")
    assert "1 of 1 cells failed" in project("python", "-m", "stages.sweep")
    assert list(table(project, "sweep_failed")["reason"]) == ["the clean model to compare with: RuntimeError: no luck"]
    assert table(project)["attack_success_rate"].notna().all()
    assert list(table(project, "sweep_summary")["n"]) == [1]


PALE = """
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        changed = images.copy()
        changed[: max(1, len(images) - 3), 3:5, 3:5] = 255
        return changed
"""


def test_a_picture_on_the_disk_travels_along_and_warnings_arrive(tmp_path: Path) -> None:
    project = sweeping(tmp_path / "picture", attacks=["sticker", "pale"], rates=[0.1], seeds=[1])
    Image.new("RGB", (4, 4), "white").save(project.folder / "own.png")
    knobs = {"position": [0.5, 0.5], "side": 0.3, "colour": [255, 255, 0], "picture": "own.png"}
    project.set_params(attacks={"sticker": knobs, "pale": {}}, train={**TRAINING, "epochs": 1})
    pale = BROKEN.partition("    def apply_trigger")[0].replace("Broken", "Pale") + PALE
    (project.folder / "stages/attacks/pale.py").write_text(pale)
    project("dvc", "repro", "download")
    output = project("python", "-m", "stages.sweep")
    assert table(project, "sweep_failed").empty
    assert "warning: the trigger changes no pixel of 3 of 144 poison training images" in output


def test_if_nothing_works_the_sweep_fails_and_says_why(swept: Project) -> None:
    before = results(swept)
    swept.set_params(sweep={"rates": [0.0001, 0.0002]})
    output = swept(*SWEEP, fails=True)
    assert "error: every cell failed" in output
    assert "attack.rate = 0.0002 is less than one of 1437 training rows" in output
    swept("git", "checkout", "--quiet", ".")
    assert results(swept) == before


def test_ctrl_c_ends_in_one_line_and_keeps_what_is_there(swept: Project) -> None:
    before, done = results(swept), len(outcomes(swept))
    swept.set_params(sweep={"seeds": [7, 8, 9, 10]})
    with subprocess.Popen(
        SWEEP, cwd=swept.folder, env=swept.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pipeline:
        driver = process(pipeline.pid, "stages.sweep")
        wait_for(lambda: len(outcomes(swept)) > done)
        workers = driver.children(recursive=True)
        for each in (*workers, driver):  # as a terminal does, to all at once
            each.send_signal(2)
        output, _ = pipeline.communicate(timeout=60)
    assert "error: stopped; what is finished is kept" in output
    assert "Traceback" not in output
    wait_for(lambda: not any(map(alive, workers)))
    swept("git", "checkout", "--quiet", ".")
    assert results(swept) == before


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sweep.rates", [0.1, 1.5], "sweep.rates = [0.1, 1.5]: Input should be less than or equal to 1 (at 1)"),
        ("sweep.rates", [0, 0.0], "sweep.rates = [0, 0.0]: 0.0 stands there twice"),
        ("sweep.rates", [], "sweep.rates = []"),
        ("sweep.seeds", [1, -1], "sweep.seeds = [1, -1]"),
        ("sweep.seeds", [1, 1], "1 stands there twice"),
        ("sweep.attacks", ["nobody"], "sweep.attacks = 'nobody' is unknown; known attacks: adaptive_blend, "),
        ("sweep.attacks", ["badnets", "badnets"], "'badnets' stands there twice"),
        (
            "sweep.attacks",
            [{"name": "badnets", "label_map": "none"}],
            "sweep.attacks = 'none' is unknown; known: all-to",
        ),
        ("sweep.attacks", [{"name": "badnets"}], "sweep.attacks = [{'name': 'badnets'}]"),
    ],
)
def test_a_mistake_in_the_section_is_told(
    set_params: Callable[[str, Any], None], key: str, value: Any, message: str
) -> None:
    set_params(key, value)
    with pytest.raises(InputError) as error:
        read(SweepSection, "sweep").common(read(AttackSection, "attack"))
    assert message in str(error.value)


def test_the_same_attack_by_name_and_with_its_usual_map_is_one_too_many(set_params: Callable[[str, Any], None]) -> None:
    set_params("sweep.attacks", ["badnets", {"name": "badnets", "label_map": "all-to-one"}])
    with pytest.raises(InputError, match="badnets with all-to-one stands there twice"):
        read(SweepSection, "sweep").common(read(AttackSection, "attack"))
    set_params("sweep.attacks", ["badnets", {"name": "badnets", "label_map": "all-to-all"}])
    sections = read(SweepSection, "sweep").common(read(AttackSection, "attack"))
    assert [each.label_map for each in sections] == ["all-to-one", "all-to-all"]


def test_an_unknown_engine_is_told_before_any_work(swept: Project) -> None:
    swept.environment["SWEEP_ENGINE"] = "slurm"
    output = swept("python", "-m", "stages.sweep", fails=True)
    assert f"error: ENGINE = 'slurm' is unknown; known: {', '.join(parts.names('engines'))}" in output
    del swept.environment["SWEEP_ENGINE"]


def test_attacks_share_the_clean_model_of_a_seed() -> None:
    cells = [Cell(arm, rate, 0, seed) for arm in (0, 1) for rate in (0, 0.1) for seed in (1, 2)]
    models = by_model(cells)
    assert sorted(map(len, models)) == [1, 1, 1, 1, 2, 2]
    assert sorted(cell for model in models for cell in model) == sorted(cells)
    # With cover rows, rate 0 is no clean model.
    assert by_model([Cell(0, 0, 0.1, 1), Cell(1, 0, 0.1, 1)]) == [(Cell(0, 0, 0.1, 1),), (Cell(1, 0, 0.1, 1),)]


def test_the_store_keeps_what_it_is_given(tmp_path: Path) -> None:
    outcome = Outcome(7, Share(1, 3), Share(2, 3), Share(1, 3), 0.1, 0.05, 0.2)
    CellStore(tmp_path / "deep/down.db").put({"a": outcome, "b": outcome._replace(seconds=1.5, warned=("hm",))})
    store = CellStore(tmp_path / "deep/down.db")
    assert store.get(["a", "b", "c"]) == {"a": outcome, "b": outcome._replace(seconds=1.5, warned=("hm",))}
    assert isinstance(store.get(["a"])["a"].clean, Share)


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "sweep.db").write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match=r"sweep.db: file is not a database; without this file"):
        CellStore(tmp_path / "sweep.db")


def test_a_label_map_of_its_own_for_each_attack(tmp_path: Path) -> None:
    project = sweeping(
        tmp_path / "maps",
        attacks=["badnets", {"name": "badnets", "label_map": "all-to-all"}],
        rates=[0.1],
        seeds=[1],
    )
    output = project(*SWEEP)
    assert "3/3" in output, "one clean model, two backdoored ones"
    cells = table(project)
    assert list(cells["label_map"]) == ["all-to-one", "all-to-all"]
    assert list(cells["rate"]) == [0.1, 0.1], "the clean model is a yardstick, no row, where 0 is no rate"
    assert len(set(cells["baseline_accuracy"])) == 1
    assert len(set(cells["false_trigger_rate"])) == 2
