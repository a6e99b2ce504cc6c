"""The blind window: the poison that works and that nobody sees. Pure functions of a study's cells, as in `dose`.

An attack works from the rate at which half of it succeeds. A detector notices from the rate at which it finds half of
the poison, at 1 % false positives: a threshold that nobody could set without the truth, so it is what a detector could
do at best. Both rates come by one fit, with one kind of interval, see `dose.doses`. What lies between them is blind.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from miseducation.studies import dose
from miseducation.studies.dose import SERIES, Response
from miseducation.studies.dose_text import numbers

HALF = 0.5  # of the attack, and of the poison
MOST = 0.9  # of either
CHANCE = 0.01  # what a detector that knows nothing finds at 1 % false positives
FOUND = ".tpr_at_1pct_fpr"  # ends the name of a detector's column
FLAGGED = ".flagged_share"
NOTICED = "rate", "attack_success_rate", "detector", "tpr_at_1pct_fpr"  # of each attack
BOTH = " + "  # between the names of two detectors


def detectors(cells: pd.DataFrame) -> list[str]:
    """Those that were tried, as their columns come."""
    return [name.removesuffix(FOUND) for name in map(str, cells) if name.endswith(FOUND)]


def windows(cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What a study found of its attacks and its detectors: the content of `blind_window.csv` and of its `.json`.

    The table has a row for each data set, attack and detector, and one for the pair that covers most, see `headline`.
    The pair has what the better of the two finds, and up to 2 % of false positives, of the one or the other.

    - `attack_dose`, its `…_low` and `…_high`, `attack_bound`: the rate at which half of the attack succeeds, its
      interval, and a bound, else "", where there is no such rate among those tried. Likewise `detector_…`.
    - `lost_at`: the lowest rate at which a detector finds less than half again, having found half at a lower one: more
      poison may look more normal. Then no curve is fitted; the bound tells between which rates it first comes to half.
    - `blind_from`, `blind_to`: a stretch of the rates tried in which the attack works and the detector does not notice.
      Where a bound stands, it is what is blind at least. `blind_factor` is their ratio, 1 where nothing is blind. All
      are missing where the attack does not come to half.
    """
    rows, told = [], {}
    for dataset, of_set in cells.groupby("dataset", sort=False):
        told[str(dataset)] = found = headline(of_set)
        pair = BOTH.join(found["pair"])
        both = of_set[[f"{name}{FOUND}" for name in found["pair"]]].max(axis=1)
        names = [*detectors(of_set), *([pair] if len(found["pair"]) > 1 else [])]
        for names_of_arm, series in of_set.assign(**{f"{pair}{FOUND}": both}).groupby(SERIES, sort=False):
            arm = dict(zip(["dataset", *SERIES], (dataset, *names_of_arm), strict=True))
            rows += [arm | row for row in _rows(series, names)]
    return pd.DataFrame(rows), told


def headline(cells: pd.DataFrame) -> dict[str, Any]:
    """A data set's part of `blind_window.json`: who finds most of the poison where an attack begins to succeed in most.

    That is the lowest of the rates above 0 at which the mean attack success rate is `MOST` or more. For each
    "attack/label_map", `attacks` has it, the mean success, the detector that finds most there, and what that finds and
    what the pair does; all are null for an attack that never comes so far. `successful` attacks do; of `found` of them
    some detector finds `MOST` of the poison. `pair` are the two detectors of which one or the other does so for most
    attacks, `pair_found` of them. They were chosen with the truth in sight. `clean_flagged_share` has the mean and the
    worst over the seeds of what each detector flags by its own rule where nothing is poisoned.
    """
    names = detectors(cells)
    attacks: dict[str, dict[str, Any]] = {}
    there: dict[str, np.ndarray] = {}  # what each detector finds, of the attacks that come so far
    for (attack, label_map), series in cells.groupby(SERIES, sort=False):
        means = _means(series, ["attack_success_rate", *(f"{name}{FOUND}" for name in names)])
        enough = means[means["attack_success_rate"] >= MOST].head(1)
        arm, rates = f"{attack}/{label_map}", enough.index.to_numpy(float)
        attacks[arm] = dict.fromkeys(NOTICED)
        for rate, (success, *shares) in zip(rates, enough.fillna(0).to_numpy(float), strict=True):
            there[arm] = np.array(shares)
            best = int(there[arm].argmax())
            attacks[arm] = dict(
                zip(NOTICED, (float(rate), float(success), names[best], float(shares[best])), strict=True)
            )
    found = np.array([*there.values()]).reshape(-1, len(names))
    pair = _pair(found)
    for arm in attacks:
        attacks[arm]["pair_tpr_at_1pct_fpr"] = float(there[arm][pair].max()) if arm in there else None
    return {
        "attacks": attacks,
        "successful": len(found),
        "found": int((found.max(axis=1) >= MOST).sum()),
        "pair": [names[each] for each in pair],
        "pair_found": int((found[:, pair].max(axis=1) >= MOST).sum()),
        "clean_flagged_share": {name: flagged for name in names if (flagged := _alarms(cells, f"{name}{FLAGGED}"))},
    }


def _alarms(cells: pd.DataFrame, column: str) -> dict[str, float]:
    """Of the clean models, which all attacks share; empty where there is none."""
    clean = cells[cells["rate"] == 0].drop_duplicates("seed")
    shares = clean[column].dropna() if column in clean else pd.Series(dtype=float)
    return {"mean": float(shares.mean()), "worst": float(shares.max())} if len(shares) else {}


def _pair(found: np.ndarray) -> list[int]:
    """The two columns of `[attacks, detectors]` that cover most; of several, those that find more."""

    def covers(pair: Iterable[int]) -> tuple[float, float, float]:
        shares = found[:, list(pair)]
        better = shares.max(axis=1)
        return float((better >= MOST).sum()), float(better.sum()), float(shares.sum())

    return list(max(combinations(range(found.shape[1]), min(2, found.shape[1])), key=covers))


def _rows(series: pd.DataFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Of one attack, a row for each detector."""
    attack = dose.of_series(series)[dose.key(HALF)]
    rows = []
    for name in names:
        noticed, lost = noticing(series, name)
        begin, end = _end(attack, -1), _end(noticed, 0)
        if np.isnan(begin) or str(attack["bound"]).startswith(">"):
            begin = end = np.nan
        rows.append(
            {"detector": name, **_told("attack", attack), **_told("detector", noticed), "lost_at": lost}
            | {"blind_from": begin, "blind_to": np.maximum(begin, end), "blind_factor": np.maximum(1, end / begin)}
        )
    return rows


def noticing(series: pd.DataFrame, detector: str) -> tuple[dict[str, Any], float]:
    """From which rate a detector finds half of an attack's poison, as `dose.doses` has it; its `lost_at`, or NaN."""
    response = Response(f"{detector}{FOUND}", CHANCE, (HALF,))
    means = _means(series, [response.score])[response.score].dropna()
    rates, half = means.index.to_numpy(float), means.to_numpy() >= HALF
    lost = np.flatnonzero(np.diff(half.astype(int)) < 0)
    if len(lost):
        bound = dose.place(HALF, rates, means.to_numpy())
        return {"rate": None, "interval": None, "bound": bound}, float(rates[lost[0] + 1])
    return dose.of_series(series, response)[response.key(HALF)], np.nan


def _means(series: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Over the seeds, by rates above 0, which rise."""
    return series[series["rate"] > 0].groupby("rate")[columns].mean()


def _end(found: dict[str, Any], end: int) -> float:
    """The dose, or one end of its bound: 0, the lower one, or -1, the upper one; NaN without either."""
    return found["rate"] or (numbers(found["bound"] or "") or [np.nan])[end]


def _told(whose: str, found: dict[str, Any]) -> dict[str, Any]:
    low, high = found["interval"] or (None, None)
    values = {"dose": found["rate"], "dose_low": low, "dose_high": high}
    shares = {f"{whose}_{name}": np.nan if value is None else value for name, value in values.items()}
    return shares | {f"{whose}_bound": found["bound"] or ""}
