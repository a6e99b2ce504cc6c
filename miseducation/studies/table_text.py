"""A study's table for people, `table.md`. Pure functions of its cells."""

import numpy as np
import pandas as pd

from miseducation.studies.dose import SERIES
from miseducation.studies.dose_text import percent

USUAL = 0.01  # the rate at which the loss of clean accuracy is told
NONE = "–"
WORDS = "attack", "label map", "detector", "best detector", "verdict"  # columns that are no numbers
HEAD = """# The study {name}

Written by `make study NAME={name}`. All numbers are percentages: means over the seeds {seeds} ± their standard
deviation. A dash means that there is nothing to measure.

- The columns headed by a percentage have the attack success rate if this share of the training rows is poisoned.
- "Clean accuracy lost" is the clean accuracy of the clean model minus that of the backdoored model, at {rate}.
- "False triggers" is the share of the attackable test images with the trigger that the clean model reads as the
  attacker wants.
- "Other triggers" is the share of the attackable test images with a decoy, such as the trigger in another place, that
  the backdoored model reads as the attacker wants, at the highest rate that was tried."""
SEEN = """PSNR (in dB) and SSIM compare test images with and without the trigger; above 40 dB, it is hard to see."""


def markdown(name: str, cells: pd.DataFrame, failed: pd.DataFrame) -> str:
    """The content of `table.md`: a table for each data set, with a row for each attack.

    `cells` are the rows of `cells.csv`, and `failed` those of `failed.csv`: why some have no scores.
    """
    rates = cells.loc[cells["rate"] > 0, "rate"].unique()
    usual = min(rates, key=lambda rate: abs(np.log(rate / USUAL)), default=0.0)
    seeds = ", ".join(map(str, sorted(cells["seed"].unique())))
    blocks = [HEAD.format(name=name, seeds=seeds, rate=percent(usual))]
    if "psnr" in cells:
        blocks.append(SEEN)
    for dataset, rows in cells.groupby("dataset", sort=False):
        lines = [_line(each, usual) for _, each in rows.groupby(SERIES, sort=False)]
        blocks += [f"## {dataset}", table(lines)]
        why = failed[failed["dataset"] == dataset]
        if len(why):
            blocks += ["Runs without scores, and why:", "\n".join(f"- {text}" for text in _reasons(why))]
    return "\n\n".join(blocks) + "\n"


def _line(rows: pd.DataFrame, usual: float) -> dict[str, str]:
    lost = (rows["baseline_accuracy"] - rows["clean_accuracy"])[rows["rate"] == usual]
    line = {"attack": str(rows["attack"].iloc[0]), "label map": str(rows["label_map"].iloc[0])}
    if "psnr" in rows:
        line |= {"PSNR": _number(rows["psnr"].mean(), 1), "SSIM": _number(rows["ssim"].mean(), 3)}
    line["clean accuracy lost"] = _spread(lost)
    for rate in sorted(rows["rate"].unique()):
        line[percent(rate)] = _spread(rows.loc[rows["rate"] == rate, "attack_success_rate"])
    line["false triggers"] = _spread(rows.groupby("seed")["false_trigger_rate"].mean())
    told = rows.dropna(subset="other_trigger_rate")
    return line | {"other triggers": _spread(told.loc[told["rate"] == told["rate"].max(), "other_trigger_rate"])}


def _spread(shares: pd.Series) -> str:
    """Mean and standard deviation in per cent, of those that are there."""
    there = 100 * shares.dropna()
    deviation = f" ± {there.std():.1f}" if len(there) > 1 else ""
    return f"{_number(there.mean(), 1)}{deviation}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return NONE if np.isnan(value) else text.removeprefix("-") if not float(text) else text


def table(lines: list[dict[str, str]]) -> str:
    """In Markdown, of lines with the same columns."""
    head = list(lines[0])
    rows = [head, ["---" if each in WORDS else "---:" for each in head], *(list(line.values()) for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _reasons(failed: pd.DataFrame) -> list[str]:
    """A line for each attack and reason."""
    lines = []
    for (attack, reason), rows in failed.groupby(["attack", "reason"], sort=False):
        lines.append(f"{attack} at {', '.join(map(percent, rows['rate'].unique()))}: {reason}")
    return lines
