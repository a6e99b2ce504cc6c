"""A finished study as it lies in a folder: DVC's record of it, and its tables."""

from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

from miseducation.project.foreign import read_json, read_table
from miseducation.project.messages import shown
from miseducation.tracking import checks, notes, results
from miseducation.tracking.checks import CELLS, FILES, MalformedError, mapping
from miseducation.tracking.locks import Stage, flatten, read_lock, read_params
from miseducation.tracking.results import CellResult, IncompleteError, Input, Result
from miseducation.tracking.studied import of_detectors, only

LOCK = "pipelines/studies/dvc.lock"
TIMING = "timing.csv"  # differs from run to run, and is no part of a result
FIRST = "attack_success_rate"  # MLflow's comparison opens on the metric that was logged first
DATA = "data/"  # begins the paths of data sets
COLUMNS = ("dataset", "attack", "label_map", "rate", "seed")
LONGEST = 5000  # characters of a reason; MLflow takes 8000
PLACE = ("data.name", "attack.name", "attack.label_map", "attack.rate", "seed")

Params: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, str]
Place: TypeAlias = tuple[str, str, str, float, int]  # of a cell in its table


def studies(folder: Path) -> list[str]:
    """The names of the studies in a folder; see `read_lock` for errors."""
    if not (folder / LOCK).is_file():
        return []
    names = [name.partition("@")[2] for name in read_lock(folder, LOCK) if name.startswith("study@")]
    return [name for name in names if checks.is_name(name) and (folder / "metrics" / name).is_dir()]


def read_study(folder: Path, name: str) -> Result:
    """Reads the study of this name in a folder.

    Raises:
        IncompleteError: If it has not run, or files and DVC's record do not belong together.
        MalformedError: If what is read is none of our results.
    """
    stages, tables = read_lock(folder, LOCK), f"metrics/{checks.name(name, 'the name of a study')}"
    if f"study@{name}" not in stages:
        raise IncompleteError(f"the study {name} has not run yet")
    with checks.reading(folder):
        return _read(folder, name, stages[f"study@{name}"], tables)


def _read(folder: Path, name: str, study: Stage, tables: str) -> Result:
    if tables not in study.outs:
        raise MalformedError(f"{LOCK} has no output {tables}")
    results.check_files(folder, LOCK, {tables: study.outs[tables]})
    data = {
        checks.path(path, "the path of a data set"): checks.md5(md5, "the MD5 of a data set")
        for path, md5 in study.deps.items()
        if path.startswith(DATA)
    }
    files = [path for path in results.files(folder / tables) if path.name != TIMING]
    asked = mapping(study.params.get(f"studies.{name}"), f"studies.{name}")
    datasets = [checks.name(each, "a data set") for each in checks.listing(asked.get("datasets"), "its data sets")]
    study = study._replace(params=of_detectors(study.params, asked))
    cells = _read_cells(folder / tables, dict(study.params), asked)
    if not datasets or not cells:
        raise MalformedError(f"the study {name} has no data set or no cell")
    if len(data) * len(datasets) > FILES:
        raise MalformedError(f"the study {name} has more than {FILES} data sets")
    doses, bounds = _read_doses(folder / tables / "dose.json")
    params = only(read_params({name: study}), "datasets", datasets)
    params = only(params, "attacks", {cell.params["attack.name"] for cell in cells})
    for key in ("rates", "seeds"):  # the order in which they are named is no part of a result
        given = checks.listing(asked.get(key), f"its {key}")
        params[f"studies.{name}.{key}"] = sorted(given, key=lambda each: checks.parsed(each, f"one of its {key}"))
    metrics = {**doses, "cells": len(cells), "failed_cells": sum(bool(cell.reason) for cell in cells)}
    return Result(
        folder=folder,
        paths=results.copied(LOCK, [tables]),
        name=name,
        # MLflow shows a run below its parent only if both are in one experiment: the data set's, if there is but one.
        experiment=checks.experiment(datasets[0] if len(datasets) == 1 else name, "the name of its experiment"),
        params=params,
        hashes={**data, **{path.relative_to(folder).as_posix(): results.digest(path) for path in files}},
        metrics=metrics,
        note=notes.of_study(metrics, [path.relative_to(folder).as_posix() for path in files]),
        inputs=[Input(each, path, data[path], "training and evaluation") for path in data for each in datasets],
        history=_read_curves(folder / tables / "summary.csv"),
        tags=bounds,
        cells=cells,
    )


def _rows(folder: Path) -> list[tuple[Place, Row, Row, str]]:
    """For each cell its place, its scores, its times, and why it failed, if it did."""
    tables = [read_table(folder / f"{name}.csv") for name in ("cells", "timing", "failed")]
    cells, timing, failed = ({_place(row): row for row in table} for table in tables)
    return [
        (place, row, timing.get(place, {}), failed.get(place, {}).get("reason", "")) for place, row in cells.items()
    ]


def _read_cells(folder: Path, given: Params, asked: Params) -> list[CellResult]:
    cells, params, room = [], cache(partial(_params, given, asked)), CELLS
    rows = _rows(folder)
    columns = rows[0][1] if rows else {}
    scores = [FIRST, *(checks.key(name, "the cells") for name in columns if name not in COLUMNS)]
    for place, row, times, reason in rows:
        common = params(*place[:2])
        room -= len(common) + len(scores)
        if room < 0:  # before each cell gets a copy
            raise MalformedError(f"its cells have more than {CELLS:,} values")
        cell = CellResult(
            name="{}-{}-{}-{}-seed{}".format(*place),
            params=common | dict(zip(PLACE, place, strict=True)),
            metrics=_numbers(row, scores) | _numbers(times, ["seconds"]),
            reason=reason[:LONGEST],
        )
        cells.append(cell)
    return cells


def _params(given: Params, asked: Params, dataset: str, attack: str) -> Params:
    """What a run of the pipeline for a cell would have, but for where it stands in its table."""

    def at(content: Any, *keys: str) -> dict[str, Any]:
        for key in keys:
            content = mapping(content, f"what holds {key}").get(key)
        return mapping(content, ".".join(keys))

    other = at(asked, "overrides", dataset)
    sections = {
        **{section: content for section, content in given.items() if not section.startswith("studies.")},
        **{f"attack.{knob}": value for knob, value in at(other, "attack").items()},
        "attacks": {attack: at(given, "attacks", attack) | at(other, "attacks", attack)},
        "datasets": {dataset: at(given, "datasets").get(dataset)},
        "train": at(given, "train") | at(other, "train"),
    }
    return {key: value for section, content in sections.items() for key, value in flatten(section, content).items()}


def _read_doses(path: Path) -> tuple[dict[str, float], dict[str, str]]:
    """The doses and the ends of their intervals as far as there are any, and the bounds of those out of range."""
    doses: dict[str, float] = {}
    bounds: dict[str, str] = {}
    for dataset, series in mapping(read_json(path), path.name).items():
        for arm, found in mapping(series, f"{path.name}: {shown(dataset)}").items():
            for score, given in mapping(found, f"{path.name}: {shown(arm)}").items():
                if score.startswith("attack_success_rate_"):
                    name = checks.key(f"dose_{score.rpartition('_')[2]}/{dataset}/{arm}", path.name)
                    dose = mapping(given, name)
                    ends = checks.listing(dose.get("interval"), name) or [None, None]
                    if len(ends) != 2:
                        raise MalformedError(f"{path.name}: the interval of {name} does not have two ends")
                    keys = (name, f"interval_low/{name}", f"interval_high/{name}")
                    told = zip(keys, [dose.get("rate"), *ends], strict=True)
                    doses |= {key: checks.number(value, key) for key, value in told if value is not None}
                    if dose.get("bound") is not None:
                        bounds[name] = checks.text(str(dose["bound"]), f"{path.name}: a bound")
    return doses, bounds


def _read_curves(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The mean attack success rates, as figures of MLflow: a step is one poisoned row in a million."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for row in read_table(path):
        for mean in _numbers(row, [FIRST]).values():
            dataset, attack, label_map, rate, _ = _place({**row, "seed": "0"})
            curves.setdefault(f"{FIRST}/{dataset}/{attack}/{label_map}", []).append((round(rate * 1e6), mean))
    return curves


def _numbers(row: Row, names: Iterable[str]) -> dict[str, float]:
    """The numbers in a row, as far as there are any."""
    return {name: checks.parsed(row[name], name) for name in names if row.get(name)}


def _place(row: Row) -> Place:
    dataset, attack, label_map = (checks.name(row.get(part), f"the {part} of a cell") for part in COLUMNS[:3])
    rate = checks.parsed(row.get("rate"), "the rate of a cell")
    if not 0 <= rate <= 1:
        raise MalformedError(f"the rate of a cell is {rate}, not 0 to 1")
    rate = int(rate) if rate.is_integer() else rate  # 0, not 0.0, as a run of the pipeline has it
    return dataset, attack, label_map, rate, checks.whole(row.get("seed"), "the seed of a cell")
