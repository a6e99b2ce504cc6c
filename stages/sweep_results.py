"""A finished sweep as it lies in a folder: `sweep/dvc.lock`, and the outputs named there."""

import csv
import json
from pathlib import Path
from typing import Any, TypeAlias

from stages.results import (
    CellResult,
    IncompleteError,
    Input,
    Result,
    check_files,
    copied,
    read_lock,
    read_outputs,
    read_params,
)

SWEEP_LOCK = "sweep/dvc.lock"
TIMING = "metrics/sweep_timing.csv"  # differs from run to run, and is no part of a result
# In this order: MLflow's comparison opens on the metric that was logged first.
SCORES = ("attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate", "poisoned_rows")
Row: TypeAlias = dict[str, str]
Place: TypeAlias = tuple[str, str, float, int]  # of a cell in the sweep
PLACE = ("attack.name", "attack.label_map", "attack.rate", "seed")


def read_sweep(folder: Path) -> Result:
    """Reads the sweep in a folder.

    Raises:
        IncompleteError: If it has not run, or files and `sweep/dvc.lock` do not belong together.
    """
    stages = read_lock(folder, SWEEP_LOCK)
    if "sweep" not in stages:
        raise IncompleteError("the stage sweep has not run yet")
    hashes = read_outputs(stages)
    check_files(folder, SWEEP_LOCK, hashes)
    params = read_params(stages)
    names = list(dict.fromkeys(_name(entry) for entry in params["sweep.attacks"]))
    # The order in which rates and seeds are named is no part of a result.
    params = _of(names, params) | {key: sorted(params[key], key=float) for key in ("sweep.rates", "sweep.seeds")}
    cells = _read_cells(folder, params)
    doses, bounds = _read_doses(folder / "metrics/dose.json")
    (raw,) = (dep["md5"] for dep in stages["sweep"]["deps"] if dep["path"] == "data/raw")
    return Result(
        folder=folder,
        paths=copied(SWEEP_LOCK, hashes),
        name=f"sweep-{'-'.join(names)}",
        params=params,
        hashes={path: md5 for path, md5 in hashes.items() if path != TIMING},
        metrics={**doses, "cells": len(cells), "failed_cells": sum(bool(cell.reason) for cell in cells)},
        inputs=[Input(str(params["data.name"]), "data/raw", raw, "training and evaluation")],
        tags=bounds,
        cells=cells,
    )


def _name(entry: str | dict[str, str]) -> str:
    return entry if isinstance(entry, str) else entry["name"]


def _of(attacks: list[str], params: dict[str, Any]) -> dict[str, Any]:
    """The parameters without the knobs of other attacks, which DVC records, too."""
    return {
        key: value for key, value in params.items() if not key.startswith("attacks.") or key.split(".")[1] in attacks
    }


def _read_cells(folder: Path, params: dict[str, Any]) -> list[CellResult]:
    cells, timing, failed = (
        {_place(row): row for row in _read_table(folder / f"metrics/sweep{table}.csv")}
        for table in ("", "_timing", "_failed")
    )
    common = {key: value for key, value in params.items() if not key.startswith("sweep.")}
    return [
        CellResult(
            name="{}-{}-{}-seed{}".format(*place),
            params=_of([row["attack"]], common) | dict(zip(PLACE, place, strict=True)),
            metrics=_numbers(row, SCORES) | _numbers(timing.get(place, {}), ["seconds"]),
            reason=failed.get(place, {}).get("reason", ""),
        )
        for place, row in cells.items()
    ]


def _read_table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _place(row: Row) -> Place:
    rate = float(row["rate"])
    # 0, not 0.0, as a run of the pipeline has it
    return row["attack"], row["label_map"], int(rate) if rate.is_integer() else rate, int(row["seed"])


def _numbers(row: Row, names: tuple[str, ...] | list[str]) -> dict[str, float]:
    return {name: float(row[name]) for name in names if row.get(name)}


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
