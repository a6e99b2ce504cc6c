"""The picture of how many accounts the attacker needs: effective rates by accounts. Same conventions as `pictures`."""

from typing import TYPE_CHECKING

import pandas as pd

from miseducation.figures import pictures
from miseducation.poisoning.accounts import in_votes, in_words, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3  # panels beside each other


def accounts(table: pd.DataFrame, wanted: float) -> "Figure":
    """A panel for each intended rate, in which a line for each number of votes crosses the effective rate wanted.

    `table` is what `accounts.effective` found, of at most as many numbers of votes as there are colours.
    """
    panels = list(table.groupby("rate", sort=False))
    columns = min(COLUMNS, len(panels))
    lines, workers = -(-len(panels) // columns), table["workers"].iloc[0]
    figure = pictures.new(max(7.0, 4 * columns), 4 * lines + 0.9)
    for place, (_, found) in enumerate(panels):
        ax = figure.add_subplot(lines, columns, place + 1)
        ax.set_title(f"{percent(found['rate'].iloc[0])} intended", fontsize=12)
        _panel(ax, found, wanted)
        _axes(ax, workers, max(found["rate"].iloc[0], wanted))
        if place % columns == 0:
            ax.set_ylabel("effective rate: poisoned ÷ all rows", fontsize=11)
    title = f"How many of {workers:,} accounts does the attacker need for an effective {percent(wanted)}?"
    figure.suptitle(title if columns > 1 else title.replace(" accounts ", " accounts\n"), fontsize=12)
    signs, labels = ax.get_legend_handles_labels()
    figure.legend(signs[-3:], labels[-3:], loc="outside lower center", ncols=3, fontsize=10)
    return figure


def _panel(ax: "Axes", found: pd.DataFrame, wanted: float) -> None:
    """The lines of one intended rate; the legend in the corner tells where they cross."""
    ax.axhline(wanted, color="0.4", lw=1, ls=":", zorder=2)
    answers = []
    for colour, (_, line) in zip(pictures.COLOURS, found.groupby("votes", sort=False), strict=False):
        needed, votes = line["needed"].iloc[0], int(line["votes"].iloc[0])
        label = f"{in_votes(votes)}: {in_words(needed)}"
        answers += ax.plot(line["attackers"], line["expected"], color=colour, lw=1.6, label=label, zorder=3)
        bars = 2 * line["standard_error"]
        ax.errorbar(line["attackers"], line["simulated"], bars, fmt=".", color=colour, ms=5, lw=1, zorder=4)
        if not pd.isna(needed):
            ax.plot(needed, wanted, "D", color=colour, mec="white", ms=7, zorder=5)
    ax.legend(handles=answers, title=f"accounts for {percent(wanted)}", loc="upper left", fontsize=9)
    ax.plot([], [], color="0.4", lw=1.6, label="closed form")
    ax.errorbar([], [], [], fmt=".", color="0.4", ms=5, lw=1, label="simulation ± 2 standard errors")
    ax.plot([], [], "D", color="0.4", ms=7, label="least number of accounts")


def _axes(ax: "Axes", workers: int, highest: float) -> None:
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    ax.set_xlim(0, workers)
    ax.set_ylim(0, 1.06 * highest)
    ax.set_xlabel("the attacker's accounts", fontsize=11)
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ticks = MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(0, highest)
    ax.set_yticks([tick for tick in ticks if tick <= 1.06 * highest])
    pictures.show_shares(ax)
