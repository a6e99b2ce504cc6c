"""The tables of a sweep: a row per cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from stages.cells import Arm, Cell, Outcome
from stages.engines import Failure

CELL = ["dataset", "attack", "label_map", "rate", "seed"]
SCORES = ["poisoned_rows", "clean_accuracy", "baseline_accuracy", "attack_success_rate", "false_trigger_rate"]
TIMES = ["seconds", "training_seconds", "cpu_seconds"]


def tables(
    dataset: str,
    arms: Sequence[Arm],
    cells: Sequence[Cell],
    results: Mapping[Cell, Outcome | Failure],
    columns: Sequence[str] = SCORES,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What a sweep found.

    Args:
        dataset: Its name.
        arms: The attacks.
        cells: The rows wanted, in this order.
        results: What each cell, and the clean one that it is compared with, came to.
        columns: The scores wanted: those of `SCORES`, and `robust_accuracy`.

    Returns:
        The scores (`CELL` and `columns`; those of a failed cell, or of its clean model, are missing), the times
        (`CELL` and `TIMES`, in seconds), and why cells, or the clean models that they are compared with, failed (`CELL`
        and `reason`).
    """
    names = [_name(dataset, arms[cell.arm], cell) for cell in cells]
    scores, timing, failed = [], [], []
    for name, cell in zip(names, cells, strict=True):
        outcome, clean = results[cell], results[cell.clean]
        scores.append(name | _scores(outcome, clean))
        if isinstance(outcome, Failure):
            failed.append({**name, "reason": outcome.reason})
        elif isinstance(clean, Failure):
            failed.append({**name, "reason": f"the clean model to compare with: {clean.reason}"})
        if isinstance(outcome, Outcome):
            timing.append(name | {time: getattr(outcome, time) for time in TIMES})
    counts = {name: "Int64" for name in columns if name.endswith("_rows")}
    return (
        pd.DataFrame(scores, columns=[*CELL, *columns]).astype(
            counts | {name: float for name in columns if name not in counts}
        ),
        pd.DataFrame(timing, columns=[*CELL, *TIMES]),
        pd.DataFrame(failed, columns=[*CELL, "reason"]),
    )


def _name(dataset: str, arm: Arm, cell: Cell) -> dict[str, Any]:
    return dict(zip(CELL, (dataset, arm.section.name, arm.section.label_map, cell.rate, cell.seed), strict=True))


def _scores(outcome: Outcome | Failure, clean: Outcome | Failure) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    if isinstance(outcome, Outcome):
        scores["poisoned_rows"] = outcome.poisoned_rows
        scores["clean_accuracy"] = outcome.clean.value
        scores["attack_success_rate"] = outcome.success.value
        scores["robust_accuracy"] = outcome.robust.value
    if isinstance(clean, Outcome):
        scores["baseline_accuracy"] = clean.clean.value
        scores["false_trigger_rate"] = clean.success.value
    return scores


def warned(cells: Sequence[Cell], results: Mapping[Cell, Outcome | Failure]) -> list[str]:
    """What was to be warned of in any of the cells, each text once."""
    outcomes = [results[cell] for cell in cells]
    return list(dict.fromkeys(text for each in outcomes if isinstance(each, Outcome) for text in each.warned))
