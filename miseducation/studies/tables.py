"""The tables of a study: a row per cell. Pure functions of what the cells came to.

A cell is a row of `cells.csv`: `CELL`, and the columns of what was measured. All of these are missing where there is no
such run; scores are shares, 0 to 1, PSNR is in dB, and missing where there is no trigger, since it would be infinite.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from miseducation.studies import measurements
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.studies.cells import Outcomes
from miseducation.studies.engines import Failure
from miseducation.studies.grid import Results
from miseducation.studies.measurements import Measurement, OfTriggers

CELL = ["dataset", "attack", "label_map", "rate", "seed"]
TIMES = ["seconds", "training_seconds", "cpu_seconds"]


class Tables(NamedTuple):
    """What a study found.

    Attributes:
        cells: `CELL` and what was measured.
        timing: `CELL` and `TIMES`, in seconds, of the cells that are finished.
        failed: `CELL` and `reason`: why cells, or the clean models that they are compared with, failed.
        warned: What was to be warned of, each text once.
    """

    cells: pd.DataFrame
    timing: pd.DataFrame
    failed: pd.DataFrame
    warned: list[str]


def tables(dataset: str, bench: Bench, cells: Sequence[Cell], results: Results) -> Tables:
    """The rows wanted on one data set, in this order, from what they and their clean cells came to."""
    measured = {name: measurements.find(name) for name in bench.measured}
    of_arms = [_of_trigger(measured, bench, arm) for arm in bench.arms]
    found, timing, failed, warned = [], [], [], []
    for cell in cells:
        section = bench.arms[cell.arm].section
        place = dict(zip(CELL, (dataset, section.name, section.label_map, cell.rate, cell.seed), strict=True))
        outcome, clean = results[cell], results[cell.clean]
        values = {} if isinstance(clean, Failure) else _of_clean(measured, clean)
        if isinstance(outcome, Failure):
            failed.append({**place, "reason": outcome.reason})
        else:
            values |= of_arms[cell.arm] | {key: value for each in outcome.values() for key, value in each.found.items()}
            timing.append(place | {time: sum(getattr(each, time) for each in outcome.values()) for time in TIMES})
            warned += [f"{dataset}: {text}" for each in outcome.values() for text in each.warned]
            if isinstance(clean, Failure):
                failed.append({**place, "reason": f"the clean model to compare with: {clean.reason}"})
        found.append(place | values)
    columns = [column for each in measured.values() for column in each.columns]
    types = {name: "Int64" if name.endswith("_rows") else "float" for name in columns}
    return Tables(
        pd.DataFrame(found, columns=[*CELL, *columns]).astype(types),
        pd.DataFrame(timing, columns=[*CELL, *TIMES]),
        pd.DataFrame(failed, columns=[*CELL, "reason"]),
        list(dict.fromkeys(warned)),
    )


def joined(parts: Iterable[Tables]) -> Tables:
    """The tables of all data sets below each other."""
    cells, timing, failed, warned = zip(*parts, strict=True)

    def below(frames: tuple[pd.DataFrame, ...]) -> pd.DataFrame:
        return pd.concat([part for part in frames if len(part)] or frames[:1], ignore_index=True)

    return Tables(below(cells), below(timing), below(failed), [text for texts in warned for text in texts])


def means(measured: Iterable[str]) -> list[str]:
    """The columns of which the summary tells the mean."""
    return [column for name in measured for column in measurements.find(name).means]


def _of_clean(measured: Mapping[str, Measurement], clean: Outcomes) -> dict[str, float]:
    """What the baselines of each measurement are."""
    pairs = [(found.found, measured[name].baselines) for name, found in clean.items()]
    return {column: found[value] for found, baselines in pairs for column, value in baselines.items()}


def _of_trigger(measured: Mapping[str, Measurement], bench: Bench, arm: Arm) -> dict[str, float]:
    found = [each.measure(bench.test, arm) for each in measured.values() if isinstance(each, OfTriggers)]
    return {column: value for values in found for column, value in values.items()}
