"""A finished comparison of attacks as it lies in a folder: `comparison/dvc.lock`, and the outputs named there."""

from pathlib import Path
from typing import Any

from stages.cell_results import Params, Row, in_order, numbers, only, read_cells, read_stages, read_table
from stages.results import Input, Result, copied, flatten, read_outputs, read_params

COMPARISON_LOCK = "comparison/dvc.lock"
TIMING = "metrics/attacks_timing.csv"  # differs from run to run, and is no part of a result
# In this order: MLflow's comparison opens on the metric that was logged first.
SCORES = (
    *("attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate", "robust_accuracy"),
    *("psnr", "ssim"),
)
# One for all data sets: MLflow shows a run below its parent only if both are in the same one.
EXPERIMENT = "attacks"
NAME = "{}-{}-{}-{}-seed{}"


def read_comparison(folder: Path) -> Result:
    """Reads the comparison in a folder.

    Raises:
        IncompleteError: If it has not run, or files and `comparison/dvc.lock` do not belong together.
    """
    stages, hashes = read_stages(folder, COMPARISON_LOCK, "compare")
    given = stages["compare"]["params"]["params.yaml"]
    names = list(given["comparison"]["datasets"])
    # DVC's record keeps data sets that are compared no more.
    stages = {
        name: stage for name, stage in stages.items() if name in ("compare", *(f"fetch@{each}" for each in names))
    }
    hashes = {path: hashes[path] for path in read_outputs(stages)}
    cells = read_cells(folder, "metrics/attacks", SCORES, lambda row: _params(given, row), NAME)
    params = only(read_params(stages), "datasets", names)
    params = only(params, "attacks", [cell.params["attack.name"] for cell in cells])
    data = {path.rpartition("/")[2]: path for path in hashes if path.startswith("data/")}
    return Result(
        folder=folder,
        paths=copied(COMPARISON_LOCK, hashes),
        name="attacks",
        experiment=EXPERIMENT,
        params=in_order(params, "comparison.rates", "comparison.seeds"),
        hashes={path: md5 for path, md5 in hashes.items() if path != TIMING},
        metrics={"cells": len(cells), "failed_cells": sum(bool(cell.reason) for cell in cells)},
        inputs=[Input(name, path, hashes[path], "training and evaluation") for name, path in data.items()],
        history=_read_curves(folder),
        cells=cells,
    )


def _params(given: dict[str, Any], row: Row) -> Params:
    """What a run of the pipeline for a cell would have."""
    dataset, attack = row["dataset"], row["attack"]
    other = given["comparison"]["datasets"][dataset] or {}
    knobs = given["attacks"].get(attack) or {}
    sections = {
        **{section: content for section, content in given.items() if section != "comparison"},
        **{f"attack.{knob}": value for knob, value in other.get("attack", {}).items()},
        "attacks": {attack: knobs | other.get("attacks", {}).get(attack, {})},
        "datasets": {dataset: given["datasets"].get(dataset)},
        "train": given["train"] | other.get("train", {}),
    }
    return {key: value for section, content in sections.items() for key, value in flatten(section, content).items()}


def _read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The mean attack success rates, as figures of MLflow: a step is one poisoned row in a million."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in read_table(folder / "metrics/attacks_summary.csv"):
        for mean in numbers(row, ["attack_success_rate"]).values():
            figure = "attack_success_rate/{dataset}/{attack}".format(**row)
            curves.setdefault(figure, []).append((round(float(row["rate"]) * 1e6), mean))
    return curves
