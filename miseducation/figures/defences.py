"""Pictures of what the detectors saw: suspicions, ROC curves, the features, the triggers that were found."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import roc_curve

from miseducation.figures.pictures import COLOURS, RED, look, new, show
from miseducation.scores.detection import Truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS, COLUMNS = 60, 4
LEAST = 1e-4  # false positive rate at which the curves begin
MOST = 1e100  # of a suspicion that is drawn
BLUE = COLOURS[0]
SHOWN = 20  # classes of which the trigger found is shown


def suspicions(found: Mapping[str, np.ndarray], truth: Truth) -> "Figure":
    """For each detector how often which suspicion was, of the poison and of the rest: float64 `[n]` by its name."""
    lines = max(1, -(-len(found) // COLUMNS))
    figure = new(3.4 * COLUMNS, 2.3 * lines + 0.7)
    axes = list(figure.subplots(lines, COLUMNS, squeeze=False).flat)
    for ax, (name, suspicion) in zip(axes, found.items(), strict=False):
        usual = suspicion[truth.rest] if truth.rest.any() else suspicion
        low, high = np.quantile(usual, [0.001, 0.999]).clip(-MOST, MOST)
        high = max(high, np.quantile(suspicion[truth.poison], 0.99).clip(-MOST, MOST) if truth.poison.any() else high)
        edges = np.linspace(low, high if high > low else low + 1, BINS)
        for rows, colour, label in ((truth.rest, BLUE, "untouched rows"), (truth.poison, RED, "poison")):
            ax.hist(
                np.clip(suspicion[rows], edges[0], edges[-1]), edges, color=colour, alpha=0.6, label=label, log=True
            )
        ax.set_title(name, fontsize=11, parse_math=False)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(found) :]:
        ax.axis("off")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle("How suspicious each detector finds the training rows (number of rows, logarithmic)", fontsize=13)
    return figure


def roc(found: Mapping[str, np.ndarray], flagged: Mapping[str, np.ndarray], truth: Truth) -> "Figure":
    """The share of the poison found against the false positives, of each detector; a dot is its own rule.

    Args:
        found: Suspicion of each training row, float64 `[n]`, by detector.
        flagged: What each would take out, bool `[n]`.
        truth: Of these rows.
    """
    figure = new(11, 6.2)
    ax = figure.subplots()
    counted = truth.poison | truth.rest
    for number, (name, suspicion) in enumerate(found.items()):
        if truth.poison.any() and truth.rest.any():
            false, true, _ = roc_curve(truth.poison[counted], suspicion[counted])
            style = look(number)
            ax.plot(np.maximum(false, LEAST), true, color=style["color"], label=name, linestyle=_dash(number))
            at = max(float(flagged[name][truth.rest].mean()), LEAST), float(flagged[name][truth.poison].mean())
            if flagged[name].any():
                ax.plot(*at, color=style["color"], marker=style["marker"], markersize=8, markeredgecolor="white")
    ax.axvline(0.01, color="grey", linewidth=0.8, linestyle=":")
    ax.set_xscale("log")
    ax.set_xlim(LEAST * 0.85, 1)
    ax.set_ylim(-0.02, 1.02)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    ax.set_xlabel("untouched rows flagged (false positives); the dotted line is 1 %")
    ax.set_ylabel("poison found")
    ax.set_title("What each detector of training rows finds; a marker is its own threshold", fontsize=13)
    ax.spines[["top", "right"]].set_visible(False)
    if found and truth.poison.any() and truth.rest.any():
        figure.legend(loc="outside right center", frameon=False, fontsize=10)
    return figure


def projection(places: np.ndarray, truth: Truth, label: str) -> "Figure":
    """Rows of one label along the two principal axes of their features, float64 `[n, 2]`; poison is marked."""
    figure = new(7.5, 6)
    ax = figure.subplots()
    other = ~(truth.poison | truth.rest)
    for rows, colour, text in (
        (truth.rest, BLUE, "untouched"),
        (other, "grey", "triggered, and labelled correctly"),
        (truth.poison, RED, "poison"),
    ):
        if rows.any():
            across, up = places[rows].T
            ax.scatter(across, up, s=6, color=colour, label=f"{text} ({rows.sum()})", alpha=0.6, linewidths=0)
    ax.set_title(f"Training rows labelled {label}, as the backdoored model sees them", fontsize=13, parse_math=False)
    ax.set_xlabel("first principal axis of the features")
    ax.set_ylabel("second")
    ax.legend(markerscale=3, frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def triggers(found: Mapping[str, Sequence[np.ndarray]], real: np.ndarray, classes: Sequence[str]) -> "Figure":
    """What scanners found for each class, the worst first, beside the real trigger.

    Args:
        found: By scanner its masks, float32 `[K, h, w]`, 0 to 1, patterns, float32 `[K, h, w, c]`, 0 to 255, and
            anomalies, float64 `[K]`.
        real: float64 `[h, w]`, by how many grey levels the real trigger changes an image on average.
        classes: The K names.
    """
    columns = min(len(classes), SHOWN) + 1
    figure = new(1.3 * columns + 0.8, 4.6 * max(1, len(found)) + 0.4)
    strength = real / max(real.max(), 1e-9)
    parts = figure.subfigures(max(1, len(found)), 1, squeeze=False)[:, 0]
    for part, (name, arrays) in zip(parts, found.items(), strict=False):
        axes = part.subplots(3, columns, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        axes[0, 0].imshow(strength, cmap="gray", vmin=0, vmax=1)
        axes[0, 0].set_title("the real\ntrigger", fontsize=10)
        masks, patterns, anomalies = arrays
        for column, label in enumerate(np.argsort(-anomalies, kind="stable")[:SHOWN], start=1):
            mask = masks[label]
            axes[0, column].imshow(mask, cmap="gray", vmin=0, vmax=1)
            axes[0, column].set_title(f"{classes[label]}\n{anomalies[label]:.1f}", fontsize=10, parse_math=False)
            show(axes[1, column], np.rint(mask[..., np.newaxis] * patterns[label]).astype(np.uint8))
            axes[2, column].imshow(mask - strength, cmap="coolwarm", vmin=-1, vmax=1)
        for ax, text in zip(axes[:, 1], ("mask", "trigger", "mask − real"), strict=True):
            ax.text(-0.12, 0.5, text, transform=ax.transAxes, ha="right", va="center", rotation=90, fontsize=10)
        title = f"{name}: the smallest trigger for each class, and how anomalous it is (above 2: a backdoor)"
        part.suptitle(title, fontsize=13)
    return figure


def _dash(number: int) -> str:
    return ("-", "--", ":", "-.")[number // len(COLOURS) % 4]
