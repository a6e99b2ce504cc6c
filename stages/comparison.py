"""The tables of the comparison of attacks. Pure functions of what the cells came to.

A cell is a row of `metrics/attacks.csv` (`COLUMNS`): scores are shares, 0 to 1, PSNR is in dB; all are missing where
there is no such run, and PSNR where there is no trigger, since it would be infinite.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from stages import sweep_tables, visibility
from stages.cells import Arm, Bench, Cell, Outcome
from stages.dataset import Dataset
from stages.dose import MEANS as FINISHED
from stages.dose import SERIES
from stages.dose_text import percent
from stages.engines import Failure

SCORES = ["clean_accuracy", "baseline_accuracy", "attack_success_rate", "false_trigger_rate", "robust_accuracy"]
VISIBILITY = ["psnr", "ssim"]
COLUMNS = [*sweep_tables.CELL, *SCORES, *VISIBILITY]
MEANS = [*FINISHED, "false_trigger_rate", "robust_accuracy"]  # in the summary
USUAL = 0.01  # the rate at which the loss of clean accuracy is told
NONE = "–"
HEAD = """# Attacks compared

Written by `make attacks`. All numbers but PSNR (in dB) and SSIM are percentages: means over the seeds {seeds} ± their
standard deviation. The attack success rate stands below the rate, the share of the training rows that are poisoned.
Clean accuracy lost is the clean model's less the backdoored one's at {rate}; false triggers are attackable test images
with the trigger that the clean model reads as the attacker wants. PSNR and SSIM compare these images with and without
the trigger; above 40 dB it is hard to see."""


def tables(
    dataset: str, bench: Bench, cells: Sequence[Cell], results: Mapping[Cell, Outcome | Failure]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What was found on one data set: `COLUMNS`, and the other tables of `sweep_tables.tables`."""
    scores, timing, failed = sweep_tables.tables(dataset, bench.arms, cells, results, SCORES)
    seen = [_visibility(bench.test, arm) for arm in bench.arms]
    scores[VISIBILITY] = np.array([seen[cell.arm] for cell in cells], float).reshape(-1, len(VISIBILITY))
    scores.loc[scores["attack_success_rate"].isna(), VISIBILITY] = np.nan
    return scores[COLUMNS], timing, failed


def _visibility(test: Dataset, arm: Arm) -> tuple[float, float]:
    before, after = test.images[arm.attackable], arm.triggered.images[arm.attackable]
    ratio = visibility.psnr(before, after)
    return ratio if np.isfinite(ratio) else np.nan, visibility.ssim(before, after)


def joined(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The tables of all data sets below each other."""
    parts = list(parts)
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def markdown(cells: pd.DataFrame, failed: pd.DataFrame) -> str:
    """The content of `metrics/attacks.md`: a table for each data set, with a row for each attack.

    Args:
        cells: `COLUMNS`.
        failed: Why some have no scores: `CELL` and `reason`.
    """
    rates = cells.loc[cells["rate"] > 0, "rate"].unique()
    usual = min(rates, key=lambda rate: abs(np.log(rate / USUAL)), default=0.0)
    seeds = ", ".join(map(str, sorted(cells["seed"].unique())))
    blocks = [HEAD.format(seeds=seeds, rate=percent(usual))]
    for dataset, rows in cells.groupby("dataset", sort=False):
        lines = [_line(each, usual) for _, each in rows.groupby(SERIES, sort=False)]
        blocks += [f"## {dataset}", _table(lines)]
        why = failed[failed["dataset"] == dataset]
        if len(why):
            blocks += [f"{NONE}: no such run.", "\n".join(f"- {text}" for text in _reasons(why))]
    return "\n\n".join(blocks) + "\n"


def _line(rows: pd.DataFrame, usual: float) -> dict[str, str]:
    lost = (rows["baseline_accuracy"] - rows["clean_accuracy"])[rows["rate"] == usual]
    line = {
        "attack": str(rows["attack"].iloc[0]),
        "label map": str(rows["label_map"].iloc[0]),
        "PSNR": _number(rows["psnr"].mean(), 1),
        "SSIM": _number(rows["ssim"].mean(), 3),
        "clean accuracy lost": _spread(lost),
    }
    for rate in sorted(rows["rate"].unique()):
        line[percent(rate)] = _spread(rows.loc[rows["rate"] == rate, "attack_success_rate"])
    return line | {"false triggers": _spread(rows.groupby("seed")["false_trigger_rate"].mean())}


def _spread(shares: pd.Series) -> str:
    """Mean and standard deviation in per cent, of those that are there."""
    there = 100 * shares.dropna()
    deviation = f" ± {there.std():.1f}" if len(there) > 1 else ""
    return f"{_number(there.mean(), 1)}{deviation}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return NONE if np.isnan(value) else text.removeprefix("-") if not float(text) else text


def _table(lines: list[dict[str, str]]) -> str:
    head = list(lines[0])
    rows = [head, ["---", "---", *["---:"] * (len(head) - 2)], *(list(line.values()) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _reasons(failed: pd.DataFrame) -> list[str]:
    """A line for each attack and reason."""
    lines = []
    for (attack, reason), rows in failed.groupby(["attack", "reason"], sort=False):
        lines.append(f"{attack} at {', '.join(map(percent, rows['rate'].unique()))}: {reason}")
    return lines
