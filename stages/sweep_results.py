"""A finished sweep as it lies in a folder: `sweep/dvc.lock`, and the outputs named there."""

import json
from pathlib import Path

from stages.cell_results import in_order, only, read_cells, read_stages
from stages.results import Input, Result, copied, read_params

SWEEP_LOCK = "sweep/dvc.lock"
TIMING = "metrics/sweep_timing.csv"  # differs from run to run, and is no part of a result
# In this order: MLflow's comparison opens on the metric that was logged first.
SCORES = ("attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate", "poisoned_rows")
NAME = "{1}-{2}-{3}-seed{4}"


def read_sweep(folder: Path) -> Result:
    """Reads the sweep in a folder.

    Raises:
        IncompleteError: If it has not run, or files and `sweep/dvc.lock` do not belong together.
    """
    stages, hashes = read_stages(folder, SWEEP_LOCK, "sweep")
    params = read_params(stages)
    names = list(dict.fromkeys(_name(entry) for entry in params["sweep.attacks"]))
    params = in_order(only(params, "attacks", names), "sweep.rates", "sweep.seeds")
    common = {key: value for key, value in params.items() if not key.startswith("sweep.")}
    cells = read_cells(folder, "metrics/sweep", SCORES, lambda row: only(common, "attacks", [row["attack"]]), NAME)
    doses, bounds = _read_doses(folder / "metrics/dose.json")
    (raw,) = (dep["md5"] for dep in stages["sweep"]["deps"] if dep["path"] == "data/raw")
    return Result(
        folder=folder,
        paths=copied(SWEEP_LOCK, hashes),
        name=f"sweep-{'-'.join(names)}",
        experiment=str(params["data.name"]),
        params=params,
        hashes={path: md5 for path, md5 in hashes.items() if path != TIMING},
        metrics={**doses, "cells": len(cells), "failed_cells": sum(bool(cell.reason) for cell in cells)},
        inputs=[Input(str(params["data.name"]), "data/raw", raw, "training and evaluation")],
        tags=bounds,
        cells=cells,
    )


def _name(entry: str | dict[str, str]) -> str:
    return entry if isinstance(entry, str) else entry["name"]


def _read_doses(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The doses and the ends of their intervals as far as there are any, and the bounds of those out of range."""
    doses: dict[str, float | None] = {}
    bounds: dict[str, str | None] = {}
    for arm, found in json.loads(path.read_bytes()).items():
        for score, dose in found.items():
            if score.startswith("attack_success_rate_"):
                name = f"dose_{score.rpartition('_')[2]}/{arm}"
                low, high = dose["interval"] or (None, None)
                doses |= {name: dose["rate"], f"interval_low/{name}": low, f"interval_high/{name}": high}
                bounds[name] = dose["bound"]
    return (
        {name: value for name, value in doses.items() if value is not None},
        {name: text for name, text in bounds.items() if text is not None},
    )
