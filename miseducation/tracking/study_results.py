"""A finished study as it lies in a folder: DVC's record of it, and its tables."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from miseducation.tracking import results
from miseducation.tracking.results import CellResult, IncompleteError, Input, Result, flatten

LOCK = "pipelines/studies/dvc.lock"
TIMING = "timing.csv"  # differs from run to run, and is no part of a result
FIRST = "attack_success_rate"  # MLflow's comparison opens on the metric that was logged first
PLACE = ("data.name", "attack.name", "attack.label_map", "attack.rate", "seed")

Params: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, str]
Place: TypeAlias = tuple[str, str, str, float, int]  # of a cell in its table


def studies(folder: Path) -> list[str]:
    """The names of the studies in a folder."""
    if not (folder / LOCK).is_file():
        return []
    names = [name.partition("@")[2] for name in results.read_lock(folder, LOCK) if name.startswith("study@")]
    return [name for name in names if (folder / "metrics" / name).is_dir()]


def read_study(folder: Path, name: str) -> Result:
    """Reads the study of this name in a folder.

    Raises:
        IncompleteError: If it has not run, or files and DVC's record do not belong together.
    """
    stages, tables = results.read_lock(folder, LOCK), f"metrics/{name}"
    if f"study@{name}" not in stages:
        raise IncompleteError(f"the study {name} has not run yet")
    study = stages[f"study@{name}"]
    results.check_files(folder, LOCK, results.read_outputs({name: study}))
    data = {dep["path"]: dep["md5"] for dep in study["deps"] if dep["path"].startswith("data/")}
    files = sorted(path for path in (folder / tables).rglob("*") if path.is_file() and path.name != TIMING)
    given = study["params"]["params.yaml"]
    datasets = given[f"studies.{name}"]["datasets"]
    cells = [_cell(given, name, rows) for rows in _rows(folder / tables)]
    doses, bounds = _read_doses(folder / tables / "dose.json")
    params = _only(results.read_params({name: study}), "datasets", datasets)
    params = _only(params, "attacks", {cell.params["attack.name"] for cell in cells})
    in_order = {key: sorted(params[key], key=float) for key in (f"studies.{name}.rates", f"studies.{name}.seeds")}
    return Result(
        folder=folder,
        paths=results.copied(LOCK, [tables]),
        name=name,
        # MLflow shows a run below its parent only if both are in one experiment: the data set's, if there is but one.
        experiment=datasets[0] if len(datasets) == 1 else name,
        params=params | in_order,  # the order in which rates and seeds are named is no part of a result
        hashes={**data, **{path.relative_to(folder).as_posix(): results.digest(path) for path in files}},
        metrics={**doses, "cells": len(cells), "failed_cells": sum(bool(cell.reason) for cell in cells)},
        inputs=[Input(each, path, data[path], "training and evaluation") for path in data for each in datasets],
        history=_read_curves(folder / tables / "summary.csv"),
        tags=bounds,
        cells=cells,
    )


def _rows(folder: Path) -> list[tuple[Row, Row, str]]:
    """For each cell its scores, its times, and why it failed, if it did."""
    tables = [_read_table(folder / f"{name}.csv") for name in ("cells", "timing", "failed")]
    cells, timing, failed = ({_place(row): row for row in table} for table in tables)
    return [(row, timing.get(place, {}), failed.get(place, {}).get("reason", "")) for place, row in cells.items()]


def _cell(given: Params, study: str, rows: tuple[Row, Row, str]) -> CellResult:
    row, times, reason = rows
    place = _place(row)
    scores = [name for name in row if name not in ("dataset", "attack", "label_map", "rate", "seed")]
    return CellResult(
        name="{}-{}-{}-{}-seed{}".format(*place),
        params=_params(given, study, row) | dict(zip(PLACE, place, strict=True)),
        metrics=_numbers(row, [FIRST, *scores]) | _numbers(times, ["seconds"]),
        reason=reason,
    )


def _params(given: Params, study: str, row: Row) -> Params:
    """What a run of the pipeline for a cell would have."""
    dataset, attack = row["dataset"], row["attack"]
    other = (given[f"studies.{study}"].get("overrides") or {}).get(dataset) or {}
    knobs = given["attacks"].get(attack) or {}
    sections = {
        **{section: content for section, content in given.items() if not section.startswith("studies.")},
        **{f"attack.{knob}": value for knob, value in other.get("attack", {}).items()},
        "attacks": {attack: knobs | other.get("attacks", {}).get(attack, {})},
        "datasets": {dataset: given["datasets"].get(dataset)},
        "train": given["train"] | other.get("train", {}),
    }
    return {key: value for section, content in sections.items() for key, value in flatten(section, content).items()}


def _read_doses(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The doses and the ends of their intervals as far as there are any, and the bounds of those out of range."""
    doses: dict[str, float] = {}
    bounds: dict[str, str] = {}
    for dataset, series in json.loads(path.read_bytes()).items():
        for arm, found in series.items():
            for score, dose in found.items():
                if score.startswith("attack_success_rate_"):
                    name = f"dose_{score.rpartition('_')[2]}/{dataset}/{arm}"
                    low, high = dose["interval"] or (None, None)
                    told = {name: dose["rate"], f"interval_low/{name}": low, f"interval_high/{name}": high}
                    doses |= {each: value for each, value in told.items() if value is not None}
                    bounds |= {name: dose["bound"]} if dose["bound"] is not None else {}
    return doses, bounds


def _read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The mean attack success rates, as figures of MLflow: a step is one poisoned row in a million."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in _read_table(path):
        for mean in _numbers(row, [FIRST]).values():
            figure = "attack_success_rate/{dataset}/{attack}/{label_map}".format(**row)
            curves.setdefault(figure, []).append((round(float(row["rate"]) * 1e6), mean))
    return curves


def _read_table(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _numbers(row: Row, names: Iterable[str]) -> dict[str, float]:
    """The numbers in a row, as far as there are any."""
    return {name: float(row[name]) for name in names if row.get(name)}


def _only(params: Params, section: str, names: Iterable[str]) -> Params:
    """The parameters without what others than these have in a section: DVC records the knobs of all of them."""
    kept = set(names)
    return {
        key: value
        for key, value in params.items()
        if not key.startswith(f"{section}.") or key.removeprefix(f"{section}.").split(".")[0] in kept
    }


def _place(row: Row) -> Place:
    rate = float(row["rate"])
    rate = int(rate) if rate.is_integer() else rate  # 0, not 0.0, as a run of the pipeline has it
    return row["dataset"], row["attack"], row["label_map"], rate, int(row["seed"])
