"""Each attack's success by poisoning rate, a panel for each. Same conventions as `pictures`."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from miseducation.figures import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 4  # beside each other


def success_by_rate(cells: pd.DataFrame, summary: pd.DataFrame) -> "Figure":
    """A panel for each attack and label map of a study, a colour for each data set; all have the same axes."""
    series = sorted(set(zip(cells["attack"], cells["label_map"], strict=True)))
    datasets, columns = list(cells["dataset"].unique()), min(PANELS, len(series))
    lines = -(-len(series) // columns)
    figure = pictures.new(max(2.9 * columns, 5.8) + 0.6, 2.4 * lines + 1.1)
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, (attack, label_map) in zip(panels, series, strict=False):
        rows, means = (
            table[(table["attack"] == attack) & (table["label_map"] == label_map)] for table in (cells, summary)
        )
        for i, dataset in enumerate(datasets):
            _curve(ax, rows[rows["dataset"] == dataset], means[means["dataset"] == dataset], pictures.look(i))
        ax.set_title(attack, fontsize=11, loc="left", parse_math=False)
        ax.set_title(label_map, fontsize=8.5, loc="right", color="0.4", parse_math=False)
    _axes(panels[0], sorted(rate for rate in cells["rate"].unique() if rate > 0))
    for place, ax in enumerate(panels):
        ax.set_visible(place < len(series))
        ax.tick_params(labelbottom=place + columns >= len(series))
        pictures.show_shares(ax)
        ax.grid(axis="y", color="0.92", lw=0.8)
        ax.set_axisbelow(True)
    figure.supxlabel("poisoning rate: poisoned ÷ all training rows, in %", fontsize=10)
    figure.supylabel("attack success rate", fontsize=10)
    _explain(figure, datasets, 5 if columns == PANELS else 2)
    return figure


def _curve(ax: "Axes", cells: pd.DataFrame, means: pd.DataFrame, look: dict[str, Any]) -> None:
    colour, style = look["color"], look | {"ms": 4.5, "mec": "white", "mew": 0.6, "lw": 1.6}
    cells, means = cells[cells["rate"] > 0], means[means["rate"] > 0]
    finished = means[means["n"] > 0]
    ax.plot(finished["rate"], finished["clean_accuracy"], color=colour, lw=1, ls=":", zorder=2)
    low, high = (finished[f"attack_success_rate_{end}"] for end in ("low", "high"))
    ax.fill_between(finished["rate"], low, high, color=colour, alpha=0.18, lw=0)
    ax.plot(cells["rate"], cells["attack_success_rate"], ".", color=colour, alpha=0.4, ms=5, mew=0)
    ax.plot(finished["rate"], finished["attack_success_rate"], **style, zorder=3)
    missing = means.loc[means["n"] == 0, "rate"]
    ax.plot(missing, [0] * len(missing), "x", color=colour, ms=5, mew=1.2)


def _axes(ax: "Axes", rates: list[float]) -> None:
    """Of all panels, as they share them."""
    from matplotlib.ticker import NullLocator

    if rates:  # else there are clean models only
        ax.set_xscale("log")
        ax.set_xlim(rates[0] / 1.5, rates[-1] * 1.5)
    ax.set_xticks(rates, [f"{100 * rate:.3g}" for rate in rates])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(-0.03, 1.05)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _explain(figure: "Figure", datasets: list[str], columns: int) -> None:
    from matplotlib.lines import Line2D

    signs = [
        Line2D([], [], **pictures.look(i), ms=5, mec="white", lw=1.6, label=dataset)
        for i, dataset in enumerate(datasets)
    ]
    signs += [
        Line2D([], [], color="0.4", marker=".", ls="", alpha=0.6, label="single seeds; the band is the 95 % interval"),
        Line2D([], [], color="0.4", lw=1, ls=":", label="clean accuracy"),
        Line2D([], [], color="0.4", marker="x", ls="", ms=5, label="no such run"),
    ]
    names = figure.legend(handles=signs, loc="outside upper center", ncols=columns, fontsize=9, frameon=False)
    for each in names.get_texts():
        each.set_parse_math(False)
