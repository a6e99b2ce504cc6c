"""The plots of a result's page, in its ink; see `pages.plot`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from miseducation.figures import pages, pictures
from miseducation.scores.looking import cell_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.4, 3.0  # inches
LOOK = {"clean": (pictures.COLOURS[0], "o"), "backdoored": (pictures.RED, "s")}
LEARNT = {
    "clean": "clean model: untouched pictures, read correctly",
    "backdoored": "backdoored model: triggered pictures, read as wanted",
}
FAINT = 0.1  # fall of a probability that is shown as much: smaller ones are not blown up to anything


def history(epochs: Mapping[str, pd.DataFrame], name: str, title: str) -> str:
    """A column of the models' histories, "loss" or "accuracy", by epoch: HTML."""
    with pages.inked():
        figure, ax = _axes(title)
        for model, table in epochs.items():
            _line(ax, table["epoch"], table[name], model, f"{model} model")
        ax.set_xlabel("epoch")
        if name == "accuracy":
            pictures.show_shares(ax)
        _whole_epochs(ax, max(table["epoch"].max() for table in epochs.values()))
        ax.legend(fontsize=9)
    last = ", ".join(f"{model} {table[name].iloc[-1]:.4g}" for model, table in epochs.items())
    return pages.plot(figure, f"{title}, by epoch. After the last: {last}")


def learnt(moments: Mapping[str, pd.DataFrame]) -> str:
    """What each model reads in test images while it is trained: HTML."""
    with pages.inked():
        figure, ax = _axes("What the models have learnt during training")
        for model, table in moments.items():
            _line(ax, table["epoch"], table["accuracy"], model, LEARNT[model])
        ax.set_xlabel("epochs of training")
        ax.set_ylim(-0.03, 1.03)
        pictures.show_shares(ax)
        figure.legend(fontsize=9, loc="outside lower center")
    ours = moments["backdoored"]
    half = ours.loc[ours["accuracy"] >= 0.5, "epoch"]
    when = f"it passes half after {round(half.iloc[0], 2):g} epochs" if len(half) else "it never reaches half"
    return pages.plot(figure, f"Attack success along the backdoored model's training: {when}")


def dose(rates: pd.DataFrame, here: tuple[float, float]) -> str:
    """Success by rate, of one attack in a study, and where a result stands, its rate and success: HTML."""
    with pages.inked():
        figure, ax = _axes("Attack success by share of poison")
        x, y = rates["rate"].to_numpy(), rates["attack_success_rate"].to_numpy()
        ends = np.abs(rates[["attack_success_rate_low", "attack_success_rate_high"]].to_numpy().T - y)
        ax.errorbar(
            x, y, ends, color=pictures.COLOURS[0], marker="o", ms=4, lw=1.6, capsize=2, label="the study's means"
        )
        if here[0] > 0:
            ax.plot(*here, "D", color=pictures.RED, ms=8, label="this result")
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
        ax.set_xlabel("poisoned ÷ all training pictures")
        ax.set_ylim(-0.03, 1.03)
        pictures.show_shares(ax)
        ax.legend(fontsize=9)
    steps = ", ".join(f"{100 * rate:g} %: {share:.0%}" for rate, share in zip(x, y, strict=True))
    return pages.plot(figure, f"Attack success by share of poison. {steps}")


def heated(image: np.ndarray, found: np.ndarray) -> np.ndarray:
    """An image, uint8 `[h, w, c]`, in grey, and red where covering it costs certainty: uint8 `[h, w, 3]`.

    `found` is what `scores.looking.occlusion` made of it.
    """
    cell = np.ones((cell_of(image), cell_of(image)))
    heat = np.kron(np.maximum(np.nan_to_num(found), 0), cell)[: image.shape[0], : image.shape[1], np.newaxis]
    share = 0.85 * heat / max(FAINT, float(heat.max(initial=0)))
    grey = image.mean(axis=-1, keepdims=True)
    red = np.array([int(pictures.RED[place : place + 2], 16) for place in (1, 3, 5)])
    return np.rint((1 - share) * grey + share * red).astype(np.uint8)


def _axes(title: str) -> "tuple[Figure, Axes]":
    figure = pictures.new(WIDTH, HEIGHT)
    ax = figure.subplots()
    ax.patch.set_visible(False)
    ax.set_title(title, fontsize=11)
    ax.grid(axis="y", color=pages.LINE, lw=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    return figure, ax


def _line(ax: "Axes", x: pd.Series, y: pd.Series, model: str, label: str) -> None:
    colour, marker = LOOK[model]
    ax.plot(x, y, color=colour, marker=marker, ms=4, lw=1.6, label=label)


def _whole_epochs(ax: "Axes", last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(min(10, last), integer=True))
