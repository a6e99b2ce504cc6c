"""The programs that measure: what they count and how they tell it, without measuring any time."""

import doctest
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import counting, machine, peaks, report, roofline, scenarios, tables, training
from miseducation.dataset import clean
from miseducation.project.params import read
from miseducation.training.learning import TrainSection
from tests.conftest import PROJECT


@pytest.mark.parametrize("module", [counting, report, tables, training])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    # Not collected like those of the stages: that would import every contestant, and what only `bench` installs.
    results = doctest.testmod(module)
    assert results.attempted
    assert not results.failed


def row(contestant: str, model: str, seed: int, cpu: float, **changes: Any) -> dict[str, Any]:
    measured = {"epochs": 3, "limit": 3, "reached": True, "clean_accuracy": 0.9932, "attack_success_rate": 0.9988}
    times = {"train_cpu_s": cpu, "train_wall_s": cpu, "process_cpu_s": cpu + 3, "peak_rss_mb": 900.0}
    return {
        "mode": "full",
        "jobs": 1,
        "contestant": contestant,
        "model": model,
        "seed": seed,
        **measured,
        **times,
        **changes,
    }


def cells(table: str, *start: str) -> list[str]:
    """The cells of the line that starts with these."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    (found,) = [line for line in lines if line[: len(start)] == list(start)]
    return found


RESULTS = [
    *(row("ours", model, seed, cpu) for model in training.MODELS for seed, cpu in ((1, 9.0), (2, 10.0), (3, 14.0))),
    row("tutorial", "clean", 1, 400.0, limit=14),
    row("tutorial", "backdoored", 1, 650.0, limit=14),
    row("tutorial", "clean", 2, 500.0, limit=14),
    row("tutorial", "backdoored", 2, 670.0, limit=14, epochs=14, reached=False, clean_accuracy=0.9892),
]


def test_the_training_table_has_medians_spreads_and_ratios() -> None:
    table = training.table(pd.DataFrame(RESULTS))
    assert cells(table, "clean", "ours")[2:5] == ["1.0", "-", "10 (9 - 14)"]
    assert cells(table, "both", "ours")[2:5] == ["1.0", "-", "20 (18 - 28)"]
    assert cells(table, "clean", "tutorial")[2:5] == ["45.0", "-", "450 (400 - 500)"]
    assert cells(table, "both", "tutorial")[2:5] == ["> 55.5", "-", "1,110 (1,050 - 1,170)"]
    assert "1 of 2" in cells(table, "backdoored", "tutorial")
    assert "99.12 (98.92 - 99.32)" in cells(table, "backdoored", "tutorial")


def test_a_model_that_was_stopped_early_is_marked() -> None:
    rows = [row("art", model, 1, 70.0, mode="short", epochs=1, limit=10, reached=False) for model in training.MODELS]
    table = training.table(pd.DataFrame(rows))
    for model in (*training.MODELS, "both"):
        assert "1 epoch, not to target" in cells(table, model, "art")
        assert cells(table, model, "art")[2] == "-"


def test_an_interrupted_run_measures_only_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unfinished, ran = tmp_path / "training.full.csv.partial", []

    def run(task: training.Task, mode: str, jobs: int) -> dict[str, Any]:
        ran.append(task)
        if len(ran) == 3:
            raise KeyboardInterrupt
        return row(*task, 9.0, mode=mode)

    monkeypatch.setattr(training, "run", run)
    tasks = training.plan({"ours": 1, "art": 1})
    with pytest.raises(KeyboardInterrupt):
        training.measure(tasks, "full", 1, unfinished)
    results = training.measure(tasks, "full", 1, unfinished)
    assert ran == [*tasks[:3], *tasks[2:]]
    assert len(results) == len(pd.read_csv(unfinished)) == len(tasks)
    fewer = training.plan({"ours": 1})
    assert set(training.measure(fewer, "full", 1, unfinished)["contestant"]) == {"ours"}, "others would count twice"


@pytest.mark.parametrize(("key", "value"), [("attack.rate", 0.05), ("data.name", "digits"), ("attack.target", 7)])
def test_another_task_than_the_readmes_is_not_measured(
    key: str, value: Any, in_folder: Path, set_params: Callable[[str, Any], None]
) -> None:
    set_params(key, value)
    with pytest.raises(SystemExit, match=f"the task has {key}"):
        training.check_task()


def test_the_report_replaces_only_what_is_between_the_markers(tmp_path: Path) -> None:
    text = (
        "Before.\n<!-- begin profile -->\nold\n<!-- end profile -->\nAfter.\n<!-- begin machine --><!-- end machine -->"
    )
    (tmp_path / "README.md").write_text(text)
    pd.DataFrame({"rows": [60000], "seconds": [1.5]}).to_csv(tmp_path / "profile.csv", index=False)
    assert report.write(tmp_path) == ["profile"]
    once = (tmp_path / "README.md").read_text()
    before, _, after = text.partition("\nold\n")
    assert once.startswith(before)
    assert once.endswith(after)
    assert "| 60,000 | 1.50 |" in once
    report.write(tmp_path)
    assert (tmp_path / "README.md").read_text() == once


@pytest.mark.parametrize(
    "text", ["", "<!-- end x --><!-- begin x -->", "<!-- begin x --><!-- begin x --><!-- end x -->"]
)
def test_a_section_without_its_markers_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="begin x"):
        report.replace(text, "x", "new")


def test_the_readme_has_every_section() -> None:
    text = (PROJECT / "benchmarks/README.md").read_text()
    for section in report.SECTIONS:
        report.replace(text, section, "")


def test_operations_and_bytes_of_a_linear_layer() -> None:
    layer, batch = nn.Linear(20, 30, bias=False), torch.ones(10, 20)
    with FlopCounterMode(display=False) as operations, counting.Bytes() as touched:
        output = layer(batch)
    assert operations.get_total_flops() == 2 * 10 * 20 * 30
    assert touched.total == 4 * (10 * 20 + 20 * 30 + 10 * 30)  # the transposed weights are a view
    with FlopCounterMode(display=False) as operations:
        output.backward(torch.ones(10, 30))
    assert operations.get_total_flops() == 2 * 10 * 20 * 30  # the batch needs no gradient


def test_picking_rows_counts_the_rows_not_the_set() -> None:
    images = torch.ones(1000, 4)
    with counting.Bytes() as touched:
        images[torch.tensor([1, 2])]
    assert touched.total == 2 * (2 * 4 * 4)


def test_a_step_is_counted_in_the_training_loop_itself() -> None:
    images = np.random.default_rng(1).integers(0, 256, (64, 28, 28, 1), dtype=np.uint8)
    shipped = read(TrainSection, "train", PROJECT / "params.yaml")
    section = shipped.model_copy(update={"epochs": 2, "batch_size": 16})
    measured = roofline.step(
        section, clean(images, np.arange(64) % 10, [str(digit) for digit in range(10)]), torch.float32, 1
    )
    assert measured["rows"] == 16
    assert measured["operations"] > 0 < measured["bytes"]


def test_the_roofline_compares_a_step_with_the_peaks() -> None:
    peak = {"fp32": 100e9, "bf16": 400e9, "memory": 10e9, "cache": 40e9}
    frame = roofline.table(peak, {"rows": 128, "operations": 1e9, "bytes": 50e6, "seconds": 0.02})
    values = dict(zip(frame["quantity"], frame["value"], strict=True))
    assert values["share of the fp32 peak"] == pytest.approx(50)
    assert values["share of the memory's peak"] == pytest.approx(25)
    assert values["floor: the operations at the bf16 peak"] == pytest.approx(2.5)
    assert "8 times as long as the operations at the bf16 peak, 4 times as long as the bytes" in report.roofline(frame)


def test_the_fastest_measurement_counts() -> None:
    assert peaks.best_rate(1.0, lambda: None, repeats=2, shortest=1e-4) > 0


def test_the_tutorial_sees_the_images_as_its_transforms_give_them() -> None:
    from benchmarks.contestants import tutorial  # torchvision takes seconds, which no other process needs to wait

    pixels = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1)
    values = [image.item() for image, _ in tutorial.Pictures(pixels, np.array([3, 4]))]  # type: ignore[attr-defined]
    assert values == pytest.approx([(0 - 0.1307) / 0.3081, (1 - 0.1307) / 0.3081], abs=1e-5)


def test_the_machine_is_described_without_its_name() -> None:
    description = machine.describe()
    assert description["torch"] == torch.__version__.partition("+")[0] or description["torch"] == torch.__version__
    assert not any("/" in value for value in description.values())
    assert (
        tables.markdown(pd.DataFrame(description.items(), columns=["what", "value"])).count("\n")
        == len(description) + 1
    )


def test_only_the_rows_that_were_measured_again_are_renewed(tmp_path: Path) -> None:
    path = tmp_path / "measured.csv"
    tables.renew(path, pd.DataFrame({"of": ["a", "b", "b"], "score": [0.1, 0.30000000000000004, 0.2]}), "of")
    tables.renew(path, pd.DataFrame({"of": ["a"], "score": [0.5], "more": [1]}), "of")
    assert path.read_text() == "of,score,more\na,0.5,1.0\nb,0.30000000000000004,\nb,0.2,\n"


def test_the_scenarios_table_has_means_and_spreads() -> None:
    rows = pd.DataFrame(0.5, index=range(2), columns=list(scenarios.SCORES))
    rows = rows.assign(scenario="signs", attack_success_rate=[0.5, 0.6], clean_accuracy=[0.9, 1.0])
    rows = pd.concat([rows, rows.assign(scenario="all", side_effect_rate=float("nan"))])
    head, _, signs, others = scenarios.table(rows).splitlines()
    assert head.startswith("| scenario | attack success rate | clean accuracy |")
    assert signs.startswith("| `signs` | 55.00 ± 7.07 % | 95.00 ± 7.07 % |")
    assert signs.endswith("| 50.00 ± 0.00 % |")
    assert others.endswith("| - |")
