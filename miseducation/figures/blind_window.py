"""The blind window: at which rates attacks work, and detectors notice. Same conventions as `pictures`."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from miseducation.figures import pictures
from miseducation.studies.blind import BOTH
from miseducation.studies.dose import SERIES
from miseducation.studies.dose_text import numbers, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORKS, BLIND = "#dbe8f2", "#f4c6c0"
LINE = 0.17  # inches, of a detector
GAP = 1.6  # of a row, above and below the detectors' lines, in such lines
APART = 0.06  # of the axis, the least between two rates that are told
AROUND = 1.5  # times the lowest and the highest rate: the room for what lies beyond


def blind_window(windows: pd.DataFrame, rates: list[float]) -> "Figure":
    """A row for each attack, and in it a line for each detector.

    The row is blue where the attack works, and red as far as no detector notices.

    Args:
        windows: `blind.windows` of one data set.
        rates: Those that were tried, above 0, at least one; rising.
    """
    alone = windows[~windows["detector"].str.contains(BOTH, regex=False)]
    names, arms = list(alone["detector"].unique()), list(alone.groupby(SERIES, sort=False))
    height = len(names) + GAP
    figure = pictures.new(12.7, LINE * height * len(arms) + 1.6)
    ax = figure.subplots()
    for place, (_, rows) in enumerate(arms):
        top = place * height
        _attack(ax, rows, rates, top, height)
        for line, name in enumerate(names):
            (row,) = rows[rows["detector"] == name].to_dict("records")
            _detector(ax, row, rates, top + (GAP + 1) / 2 + line, pictures.look(line))
    for place in range(1, len(arms)):
        ax.axhline(place * height, color="white", lw=4, zorder=2)
    ax.set_yticks(
        [(place + 0.5) * height for place in range(len(arms))],
        ["\n".join(map(str, arm)) for arm, _ in arms],
        fontsize=10,
        parse_math=False,
    )
    _axes(ax, rates, len(arms) * height)
    ax.set_title(
        f"What would have been noticed: {', '.join(windows['dataset'].unique())}", fontsize=13, parse_math=False
    )
    _explain(figure, names)
    return figure


def _attack(ax: "Axes", rows: pd.DataFrame, rates: list[float], top: float, height: float) -> None:
    """The band in which it works, and as far as nobody notices; the interval of its beginning."""
    first, end = rows.iloc[0], rates[-1] * AROUND
    ax.axhspan(top, top + height, color="0.965", lw=0, zorder=-1)
    if pd.isna(first["blind_from"]):
        text = "no data" if not first["attack_bound"] else f"less than half succeeds up to {percent(rates[-1])}"
        above = top + GAP / 2.5  # the detectors' lines
        ax.text(np.sqrt(rates[0] * rates[-1]), above, text, ha="center", va="center", fontsize=9.5, color="0.4")
        return
    begin = rates[0] / AROUND if first["attack_bound"].startswith("<") else float(first["blind_from"])
    ax.fill_betweenx([top, top + height], begin, end, color=BLIND, lw=0, zorder=0)
    for row in rows.to_dict("records"):
        if row["detector_dose"] > 0 or row["detector_bound"][:1] not in ("", ">"):
            low = begin if row["detector_bound"].startswith("<") else max(begin, row["blind_to"])
            high = end if pd.isna(row["lost_at"]) else row["lost_at"]
            ax.fill_betweenx([top, top + height], low, max(low, high), color=WORKS, lw=0, zorder=0)
    if first["attack_dose"] > 0:
        low, high = _ends(first, "attack", rates)
        ax.plot([low, high], [top + 0.5] * 2, color="0.25", lw=4, alpha=0.5, solid_capstyle="butt", zorder=1)
        ax.plot([begin, begin], [top, top + height], color="0.25", lw=2, zorder=1)


def _detector(ax: "Axes", row: dict[str, Any], rates: list[float], y: float, look: dict[str, Any]) -> None:
    """Its sign where it notices, on the interval; hollow where it is known between which rates only; none if never."""
    style = look | {"ms": 6.5, "mew": 1.2, "ls": "", "zorder": 5}
    if row["lost_at"] > 0:
        ax.plot(row["lost_at"], y, "x", color=look["color"], ms=6, mew=1.6, zorder=5)
    if row["detector_dose"] > 0:
        ax.plot(_ends(row, "detector", rates), [y, y], color=look["color"], lw=1.6, zorder=4)
        ax.plot(row["detector_dose"], y, **style, mec="white")
        return
    bound = numbers(row["detector_bound"])
    if len(bound) > 1:
        ax.plot(bound, [y, y], color=look["color"], lw=1.6, ls=":", zorder=4)
        ax.plot(np.sqrt(bound[0] * bound[-1]), y, **style, mfc="white", mec=look["color"])
    elif row["detector_bound"].startswith("<"):
        ax.plot(rates[0] / np.sqrt(AROUND), y, **style, mec="white")
    elif bound:
        ax.plot(rates[-1] * np.sqrt(AROUND), y, marker=">", color=look["color"], mfc="none", ms=5, mew=1.2, zorder=5)


def _ends(row: Any, whose: str, rates: list[float]) -> list[float]:
    """An interval, as far as there is room; without one, the dose itself."""
    low, high = row[f"{whose}_dose_low"], row[f"{whose}_dose_high"]
    if pd.isna(low) and pd.isna(high):
        return [row[f"{whose}_dose"]] * 2
    return [rates[0] / AROUND if pd.isna(low) else low, rates[-1] * AROUND if pd.isna(high) else high]


def _axes(ax: "Axes", rates: list[float], bottom: float) -> None:
    from matplotlib.ticker import NullLocator

    ax.set_xscale("log")
    ax.set_xlim(rates[0] / AROUND, rates[-1] * AROUND)
    ax.set_ylim(bottom, 0)
    told = [rates[-1]]
    for rate in rates[-2::-1]:  # as far as there is room for their names
        if np.log(told[-1] / rate) > APART * np.log(rates[-1] / rates[0]):
            told.append(rate)
    ax.set_xticks(told, [*map(percent, told)])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("poisoning rate: poisoned ÷ all training rows", fontsize=11)
    ax.grid(axis="x", color="0.8", lw=0.8, zorder=1)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _explain(figure: "Figure", names: list[str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grey: dict[str, Any] = {"color": "0.4", "ls": ""}
    signs: list[Any] = [
        Patch(color=BLIND, label="the attack works (half succeeds), no detector notices"),
        Patch(color=WORKS, label="the attack works, some detector notices"),
        Line2D([], [], color="0.25", lw=2, label="where it begins to work, with 95 % interval"),
        Line2D(
            [], [], **grey, marker="o", ms=6, label="where a detector finds half of the poison at 1 % false positives"
        ),
        Line2D(
            [],
            [],
            **grey,
            marker="o",
            mfc="white",
            ms=6,
            label="somewhere between these rates",
        ),
        Line2D([], [], **grey, marker=">", mfc="none", ms=5, label="not up to the highest rate"),
        Line2D([], [], **grey, marker="x", mew=1.6, ms=6, label="where it finds less than half again"),
    ]
    signs += [Line2D([], [], **pictures.look(i), ls="", ms=6.5, label=name) for i, name in enumerate(names)]
    told = figure.legend(handles=signs, loc="outside lower center", ncols=3, fontsize=9.5, frameon=False)
    for each in told.get_texts():
        each.set_parse_math(False)
