"""What sweeps and the comparison of attacks have in common once they are finished: a stage's record, and its cells."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from stages.results import CellResult, IncompleteError, check_files, read_lock, read_outputs

Params: TypeAlias = dict[str, Any]
Row: TypeAlias = dict[str, str]
Place: TypeAlias = tuple[str, str, str, float, int]  # of a cell in its table
PLACE = ("data.name", "attack.name", "attack.label_map", "attack.rate", "seed")


def read_stages(folder: Path, lock: str, stage: str) -> tuple[dict[str, Any], dict[str, str]]:
    """The stages in DVC's record, and the MD5 of each output.

    Raises:
        IncompleteError: If the stage has not run, or its files and the record do not belong together.
    """
    stages = read_lock(folder, lock)
    if stage not in stages:
        raise IncompleteError(f"the stage {stage} has not run yet")
    check_files(folder, lock, read_outputs({stage: stages[stage]}))
    return stages, read_outputs(stages)


def read_cells(
    folder: Path, table: str, scores: Iterable[str], params: Callable[[Row], Params], name: str
) -> list[CellResult]:
    """The cells in the tables of a finished stage.

    Args:
        folder: Where the result lies.
        table: The path of the table of scores without `.csv`; beside it lie `…_timing.csv` and `…_failed.csv`.
        scores: Its columns that are scores, in the order in which they are to be recorded.
        params: What else is known of a row than its place.
        name: Of a cell, to be filled with its place.
    """
    cells, timing, failed = (
        {_place(row): row for row in read_table(folder / f"{table}{kind}.csv")} for kind in ("", "_timing", "_failed")
    )
    return [
        CellResult(
            name=name.format(*place),
            params=params(row) | dict(zip(PLACE, place, strict=True)),
            metrics=numbers(row, scores) | numbers(timing.get(place, {}), ["seconds"]),
            reason=failed.get(place, {}).get("reason", ""),
        )
        for place, row in cells.items()
    ]


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(row: Row, names: Iterable[str]) -> dict[str, float]:
    """The numbers in a row, as far as there are any."""
    return {name: float(row[name]) for name in names if row.get(name)}


def only(params: Params, section: str, names: Iterable[str]) -> Params:
    """The parameters without what others than these have in a section: DVC records the knobs of all of them."""
    kept = set(names)
    return {
        key: value
        for key, value in params.items()
        if not key.startswith(f"{section}.") or key.removeprefix(f"{section}.").split(".")[0] in kept
    }


def in_order(params: Params, *keys: str) -> Params:
    """The parameters with these lists sorted: the order in which rates and seeds are named is no part of a result."""
    return params | {key: sorted(params[key], key=float) for key in keys}


def _place(row: Row) -> Place:
    rate = float(row["rate"])
    # 0, not 0.0, as a run of the pipeline has it
    rate = int(rate) if rate.is_integer() else rate
    return row["dataset"], row["attack"], row["label_map"], rate, int(row["seed"])
