"""How much poison it takes: attack success and clean accuracy by rate. Same conventions as `pictures`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from miseducation.figures import pictures
from miseducation.studies.dose import LEVELS, SERIES, key
from miseducation.studies.dose_text import FEW, numbers, percent, words
from miseducation.studies.hill import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_SPAN = 0.02  # of the axis of clean accuracy, lest noise looks like a loss
# What the article reports of a data set: rate, attack success rate (of all test images), clean accuracy.
ARTICLE = {"mnist": ((0.01, 0.95, 0.99), (0.05, 0.99, 0.99))}
STARS = "article (of all test images, the target's too)"


def dose_response(
    cells: pd.DataFrame,
    summary: pd.DataFrame,
    doses: Mapping[str, Any],
    article: Sequence[tuple[float, float, float]] = (),
) -> "Figure":
    """Attack success above, clean accuracy below, both by the logarithm of the rate; rate 0 stands left of a break.

    Args:
        cells: The study's cells of one data set.
        summary: What `dose.summarise` made of them.
        doses: What `dose.doses` did.
        article: Points to compare with: rate, attack success rate and clean accuracy, each 0 to 1.
    """
    tried = summary.loc[(summary["rate"] > 0) & (summary["n"] > 0), "rate"]
    lowest, highest = (tried.min(), tried.max()) if len(tried) else (0.0001, 0.1)
    ends = [lowest, highest, *(rate for rate, *_ in article)]
    left = min(ends) / 2.5  # where rate 0 stands
    few, alone = len(doses) <= FEW, len(doses) == 1
    figure = pictures.new(9, 6.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for i, ((attack, label_map), means) in enumerate(summary.groupby(SERIES, sort=False)):
        name, found = f"{attack}/{label_map}", doses[f"{attack}/{label_map}"]
        look = pictures.look(i)
        seeds = cells[(cells["attack"] == attack) & (cells["label_map"] == label_map)]
        for ax, score in ((upper, "attack_success_rate"), (lower, "clean_accuracy")):
            _means(ax, means, score, left, look)
            if few:
                _seeds(ax, means, seeds, score, left, look["color"])
        if found["curve"]:
            along = np.geomspace(lowest, highest, 400)
            upper.plot(along, Curve(**found["curve"]).at(along), color=look["color"], lw=1, ls=(0, (5, 2)), zorder=3)
        texts = [words(level, found[key(level)], lowest, highest, full=few) for level in LEVELS]
        for level, text in zip(LEVELS, texts, strict=True):
            _dose(upper, level, found[key(level)], (lowest, highest), look["color"], text if alone else "")
        upper.plot([], [], **look, ms=5, label=name if alone else f"{name}: {', '.join(texts)}")

    _explain(upper, doses, few=few)
    lower.axhline(cells["baseline_accuracy"].mean(), color="0.4", lw=1, ls=":")
    for rate, success, accuracy in article:
        for ax, share in ((upper, success), (lower, accuracy)):
            ax.plot(rate, share, "k*", ms=14, mec="white", zorder=6)
    if article:
        upper.plot([], [], "k*", ms=11, mec="white", label=STARS)
    _axes(upper, lower, left if (summary["rate"] == 0).any() else None, min(ends), max(ends))
    upper.set_title(f"How much poison it takes: {', '.join(cells['dataset'].unique())}", fontsize=13, parse_math=False)
    signs, labels = upper.get_legend_handles_labels()
    columns = 2 if max(map(len, labels)) < 60 else 1
    figure.set_figheight(6.2 + 0.2 * -(-len(labels) // columns))
    names = figure.legend(signs, labels, loc="outside lower center", ncols=columns, fontsize=9)
    for each in names.get_texts():
        each.set_parse_math(False)
    return figure


def _means(ax: "Axes", means: pd.DataFrame, score: str, left: float, look: dict[str, Any]) -> None:
    """Joined by a line, but for rate 0, which is no neighbour of the others."""
    for rows in (means[means["rate"] == 0], means[(means["rate"] > 0) & (means["n"] > 0)]):
        ax.plot(rows["rate"].replace(0, left), rows[score], **look, ms=5, mec="white", mew=0.6, lw=1.6, zorder=3)


def _seeds(ax: "Axes", means: pd.DataFrame, seeds: pd.DataFrame, score: str, left: float, colour: str) -> None:
    """The band of the means' intervals, and a dot for each cell."""
    low, high, poisoned = means[f"{score}_low"], means[f"{score}_high"], means["rate"] > 0
    ax.fill_between(means["rate"], low, high, where=poisoned.to_numpy(), color=colour, alpha=0.18, lw=0)
    ax.vlines(means["rate"].replace(0, left), low, high, color=colour, alpha=0.35, lw=1.2)
    ax.plot(seeds["rate"].replace(0, left), seeds[score], ".", color=colour, alpha=0.4, ms=6, mew=0)


def _dose(ax: "Axes", level: float, dose: dict[str, Any], tried: tuple[float, float], colour: str, text: str) -> None:
    """A diamond on the interval, whose ends are arrows where it leaves the rates tried; a text where no curve is."""
    bound = numbers(dose["bound"] or "") or tried
    low, high = bound[0], bound[-1]
    if dose["rate"]:
        ends = dose["interval"] or [dose["rate"], dose["rate"]]
        low, high = ends[0] or tried[0], ends[1] or tried[1]
        ax.plot([low, high], [level, level], color=colour, lw=2.6, solid_capstyle="butt", zorder=4)
        for x, end, arrow in ((low, ends[0], "<"), (high, ends[1], ">")):
            ax.plot(x, level, "|" if end else arrow, color=colour, ms=8, mew=1.6, zorder=4)
        ax.plot(dose["rate"], level, "D", color=colour, mec="white", ms=8, zorder=5)
    to_left = low * high > tried[0] * tried[1]  # where there is room above a rising curve; right of it, below
    x, offset, side, edge = (low, (-9, 3), "right", "bottom") if to_left else (high, (9, -8), "left", "top")
    ax.annotate(text, (x, level), offset, textcoords="offset points", fontsize=10, ha=side, va=edge, zorder=7)


def _explain(ax: "Axes", doses: Mapping[str, Any], *, few: bool) -> None:
    """What the signs mean, in the legend."""
    if few:
        ax.plot([], [], ".", color="0.4", alpha=0.6, ms=6, label="single seeds; the band is the mean's 95 % interval")
    if any(found["curve"] for found in doses.values()):
        ax.plot([], [], color="0.4", lw=1, ls=(0, (5, 2)), label="fitted log-logistic curve")
        ax.plot([], [], "D", color="0.4", ms=6, label="rate at which 50 % and 95 % succeed, with 95 % interval")
    ax.plot([], [], color="0.4", lw=1, ls=":", label="clean model's accuracy")


def _axes(upper: "Axes", lower: "Axes", left: float | None, lowest: float, highest: float) -> None:
    from matplotlib.ticker import MaxNLocator, NullLocator

    upper.set_xscale("log")
    close = 1.5 if left else 4  # highest ÷ lowest up to which all round rates have room
    steps = (1,) if highest / lowest > 30 else (1, 2, 5) if highest / lowest > close else range(1, 10)
    round_rates = [step * 10.0**power for power in range(-9, 1) for step in steps]
    ticks = [number for number in round_rates if 0.999 * lowest < number < 1.5 * highest] or [lowest]
    zero = [left] if left else []
    lower.set_xticks(zero + ticks, ["0"] * len(zero) + [*map(percent, ticks)])
    lower.xaxis.set_minor_locator(NullLocator())
    upper.set_xlim((left or lowest) / 1.5, highest * 1.5)
    upper.set_ylim(-0.03, 1.05)
    upper.set_yticks([0, 0.25, 0.5, 0.75, 0.95])
    bottom, top = lower.dataLim.intervaly if np.isfinite(lower.dataLim.intervaly).all() else (0.0, 1.0)
    spare = max(0.0, LEAST_SPAN - (top - bottom)) / 2 + 0.08 * max(LEAST_SPAN, top - bottom)
    bottom, top = bottom - spare, min(top + spare, 1 + spare / 10)
    lower.set_ylim(bottom, top)
    lower.set_yticks([tick for tick in MaxNLocator(5).tick_values(bottom, top) if bottom <= tick <= top])
    for level in LEVELS:
        upper.axhline(level, color="0.85", lw=0.8, zorder=0)
    for ax, label in ((upper, "attack success rate"), (lower, "clean accuracy")):
        ax.set_ylabel(label, fontsize=11)
        pictures.show_shares(ax)
        for x in zero:  # two strokes across the axis where it breaks
            stroke: dict[str, Any] = {"marker": [(-0.5, -1), (0.5, 1)], "ms": 9, "mec": "black", "ls": "", "zorder": 9}
            between = np.sqrt(lowest * x) * np.array([0.96, 1.04])
            ax.plot(between, [0, 0], **stroke, clip_on=False, transform=ax.get_xaxis_transform())
    lower.set_xlabel("poisoning rate: poisoned ÷ all training rows", fontsize=11)
