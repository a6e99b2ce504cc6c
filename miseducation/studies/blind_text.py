"""The blind window for people, `blind_window.md`. Pure functions of what `blind` found."""

from typing import Any

import pandas as pd

from miseducation.studies.blind import BOTH
from miseducation.studies.dose import SERIES
from miseducation.studies.dose_text import percent, within
from miseducation.studies.table_text import NONE, table

HEAD = """# The blind window of the study {name}

Written by `make study NAME={name}`. All rates are shares of the training rows.

- An attack works from the rate at which it succeeds in half of the cases. A detector notices it from the rate at which
  the detector finds half of the poison, at 1 % false positives. Between these two rates, the attack works and the
  detector does not notice it.
- A single rate is interpolated between the rates that were tried. "a to b" means somewhere between these two; "below"
  and "above" mean below the lowest and above the highest rate that was tried.
- "Lost at" means that at this rate, the detector finds less than half of the poison again, although it found half of it
  at a lower rate.
- "Both" are the two detectors that together cover the most attacks."""
INTERVALS = (
    """In brackets are 95 % intervals over the seeds; a dash stands for an end beyond the rates that were tried."""
)
SECOND = """The lowest rate tried at which an attack succeeds in at least 90 % of the cases, and what is found there at
1 % false positives:"""
THIRD = """What each detector flags by its own rule if nothing is poisoned, over the seeds:"""


def markdown(name: str, windows: pd.DataFrame, noticed: dict[str, Any]) -> str:
    """The content of `blind_window.md`, of both results of `blind.windows`: three tables for each data set.

    Of one where nothing is poisoned there is no window to tell of, only what is flagged all the same.
    """
    blocks = [HEAD.format(name=name)]
    for dataset, rows in windows.groupby("dataset", sort=False):
        found = noticed[str(dataset)]
        starts = [_starts(each) for _, each in rows.groupby(SERIES, sort=False)]
        begins = [_begins(arm, of_arm) for arm, of_arm in found["attacks"].items()]
        alarms = [_alarm(*each) for each in found["clean_flagged_share"].items()]
        blocks.append(f"## {dataset}")
        if rows["attack_dose"].notna().any() or rows["attack_bound"].ne("").any():
            blocks += [f"{sentence(found)}.", table(starts), SECOND, table(begins)]
        blocks += [THIRD, table(alarms)] if alarms else []
    if any("(" in block for block in blocks[1:]):
        blocks.insert(1, INTERVALS)
    return "\n\n".join(blocks) + "\n"


def sentence(found: dict[str, Any]) -> str:
    r"""A data set's part of `blind_window.json` in words.

    >>> found = {"attacks": {"a": {}, "b": {}}, "successful": 2, "found": 2}
    >>> print(*sentence(found | {"pair": ["scan", "strip"], "pair_found": 1}).split(". "), sep="\n")
    2 of 2 attacks reach 90 % success
    At the lowest rate at which they do, some detector finds 90 % of the poison for 2 of them, and scan or strip for 1
    """
    text = f"{found['successful']} of {len(found['attacks'])} attacks reach 90 % success"
    pair = f"{' or '.join(found['pair'])} for {found['pair_found']}"
    some = f"some detector finds 90 % of the poison for {found['found']} of them, and {pair}"
    where = f". At the lowest rate at which they do, {some}"
    return text + where if found["successful"] else text


def _starts(rows: pd.DataFrame) -> dict[str, str]:
    first = rows.iloc[0]
    line = {"attack": str(first["attack"]), "label map": str(first["label_map"]), "works from": _dose(first, "attack")}
    for _, row in rows.iterrows():
        lost = "" if pd.isna(row["lost_at"]) else f", lost at {percent(row['lost_at'])}"
        name = "both" if BOTH in row["detector"] else row["detector"]
        line[name] = _dose(row, "detector") + lost
    return line


def _begins(arm: str, found: dict[str, Any]) -> dict[str, str]:
    attack, _, label_map = arm.partition("/")
    there = found["rate"] is not None
    return {
        "attack": attack,
        "label map": label_map,
        "rate": percent(found["rate"]) if there else NONE,
        "succeeds": percent(found["attack_success_rate"]) if there else NONE,
        "best detector": found["detector"] if there else NONE,
        "finds": percent(found["tpr_at_1pct_fpr"]) if there else NONE,
        "both find": percent(found["pair_tpr_at_1pct_fpr"]) if there else NONE,
    }


def _alarm(name: str, flagged: dict[str, float]) -> dict[str, str]:
    return {"detector": name} | {each: percent(share) for each, share in flagged.items()}


def _dose(row: pd.Series, whose: str) -> str:
    """A dose with its interval, which may go beyond the rates tried, or its bound."""
    rate, low, high = (row[f"{whose}_dose{end}"] for end in ("", "_low", "_high"))
    if pd.isna(rate):
        return within(row[f"{whose}_bound"])
    if pd.isna(low) and pd.isna(high):
        return percent(rate)
    ends = [NONE if pd.isna(end) else percent(end).removesuffix(" %") for end in (low, high)]
    return f"{percent(rate)} ({' to '.join(ends)})"
