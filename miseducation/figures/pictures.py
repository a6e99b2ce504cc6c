"""Pictures of the data and the results, as matplotlib figures; the same input gives the same PNG bytes."""

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from miseducation.dataset import Dataset, Images
from miseducation.project.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GALLERY = 8  # poisoned rows shown beside their originals
PER_CLASS = 8  # samples of each class in the grid
LINES, COLUMNS = 10, 5  # classes below and beside each other in the grid
COUNTED = 20  # classes up to which a confusion matrix shows its counts
RED = "#b3261e"
# Okabe and Ito's colours, which the colour-blind tell apart, without the yellow that is hard to see on white.
COLOURS = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"
NO_GLYPH = re.compile(r"Glyph .* missing from font")  # matplotlib's warning, one for each character
FACTORS = 1, 2, 5, 10, 20, 50  # that a difference may be shown by
CLIPPED = 0.01  # share of the levels that differ which may be too bright to show then
MARKERS = "osv^"  # no two of 24 series have both in common


def sample_grid(data: Dataset | Dataset[Images]) -> "Figure":
    """A row of samples for each class, the first ones of the set; more than ten classes stand in several columns."""
    there = np.unique(data.true_labels)
    classes = there[: LINES * COLUMNS]
    columns = -(-len(classes) // LINES)
    lines = -(-len(classes) // columns)
    longest = max(len(data.classes[label]) for label in classes)
    figure = new(columns * (0.75 * PER_CLASS + 0.5 + 0.11 * longest), 0.78 * lines + 0.6)
    blocks = figure.subfigures(1, columns, squeeze=False)[0]
    for block, labels in zip(blocks, np.split(classes, range(lines, len(classes), lines)), strict=True):
        axes = block.subplots(lines, 1, squeeze=False)[:, 0]
        for ax in axes:
            ax.axis("off")
            ax.set_anchor("W")  # what an image does not fill of its place is left on the right, not below its name
        for label, ax in zip(labels, axes, strict=False):
            show(ax, _side_by_side(data.images[np.flatnonzero(data.true_labels == label)[:PER_CLASS]]))
            name = data.classes[label]
            ax.text(-0.02, 0.5, name, transform=ax.transAxes, ha="right", va="center", fontsize=13, parse_math=False)
    left_out = f" (the first {len(classes)} of {len(there)})" if len(classes) < len(there) else ""
    figure.suptitle("\n".join([f"Clean training images, by class{left_out}", *legend(data.images)]), fontsize=13)
    return figure


def gallery(originals: Dataset, poisoned: Dataset) -> "Figure":
    """At most `GALLERY` poisoned rows below their originals, with the label before and after."""
    figure = new(1.3 * GALLERY + 0.9, 3.9)
    if not len(poisoned):
        figure.text(0.5, 0.5, "No training image is poisoned", ha="center", fontsize=15)
        return figure
    axes = figure.subplots(2, GALLERY, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for data, line, colour in ((originals, axes[0], "black"), (poisoned, axes[1], RED)):
        for ax, image, label in zip(line, data.images, data.labels, strict=False):
            show(ax, image)
            name = data.classes[label]
            break_, letters = ("\n", min(12, 160 / len(name))) if len(name) > 8 else (" ", 12)
            ax.set_title(f"label{break_}{name}", fontsize=letters, color=colour, parse_math=False)
    for ax, text in ((axes[0, 0], "original"), (axes[1, 0], "poisoned")):
        ax.text(-0.12, 0.5, text, transform=ax.transAxes, ha="right", va="center", rotation=90, fontsize=13)
    title = "What the attacker changed: the trigger and the label"
    figure.suptitle("\n".join([title, *legend(poisoned.images)]), fontsize=14)
    return figure


def confusion(matrices: dict[str, np.ndarray], classes: Sequence[str]) -> "Figure":
    """Confusion matrices side by side: for each title int64 `[K, K]`, rows true labels, columns predictions."""
    size, longest = max(4.6, min(0.42, 10 / len(classes)) * len(classes) + 0.8), max(map(len, classes))
    figure = new((size + 0.07 * longest) * len(matrices), size + 0.3 + 0.07 * longest)
    letters = min(10.0, 0.6 * 72 * size / len(classes))
    for ax, (title, counts) in zip(figure.subplots(1, len(matrices), squeeze=False)[0], matrices.items(), strict=True):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        ax.set_title(title, fontsize=13)
        ax.set_xlabel("prediction", fontsize=11)
        ax.set_ylabel("true label", fontsize=11)
        # A class may be called $5_$10, which is no formula.
        ax.set_xticks(range(len(classes)), classes, rotation=90 * (longest > 2), fontsize=letters, parse_math=False)
        ax.set_yticks(range(len(classes)), classes, fontsize=letters, parse_math=False)
        for row, column in np.argwhere(counts) if len(classes) <= COUNTED else ():
            shade = "white" if share[row, column] > 0.5 else "black"
            ax.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=shade)
    return figure


def new(width: float, height: float) -> "Figure":
    """An empty figure, of so many inches."""
    from matplotlib.figure import Figure  # half a second, which not every importer of this module needs to pay

    return Figure(figsize=(width, height), layout="constrained")


def look(number: int) -> dict[str, Any]:
    """The colour and the marker of a series."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number // len(COLOURS) % len(MARKERS)]}


def show_shares(ax: "Axes") -> None:
    """Has an axis of shares, 0 to 1, tell them in per cent, and takes away the lines that nothing is read from."""
    from matplotlib.ticker import PercentFormatter

    ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.spines[["top", "right"]].set_visible(False)


def save(figure: "Figure", path: Path) -> None:
    """Writes a PNG without the fields that vary from one installation to the next.

    Warns once of all characters that no font here has, which are drawn as boxes.
    """
    with replacing(path) as partial, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})
    others = [each for each in caught if not NO_GLYPH.match(str(each.message))]
    for each in others:
        warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if len(others) < len(caught):
        warnings.warn(f"{path.name}: matplotlib's fonts lack some characters; they are drawn as boxes", stacklevel=2)


def _side_by_side(images: np.ndarray) -> np.ndarray:
    """Up to `PER_CLASS` images, uint8 `[n, h, w, c]`, in one, white between them: a picture each would take seconds."""
    _, height, width, channels = images.shape
    gap = -(-width // 12)
    strip = np.full((height, PER_CLASS * (width + gap) - gap, channels), 255, np.uint8)
    for i, image in enumerate(images):
        strip[:, i * (width + gap) : i * (width + gap) + width] = image
    return strip


def legend(images: np.ndarray | Images) -> list[str]:
    """What to say of the colours of images, `[n, h, w, c]` or `[h, w, c]`, that are neither grey nor RGB; else none."""
    channels = images.shape[-1]
    if channels in (1, 3):
        return []
    return ["Red and green are the 2 channels" if channels == 2 else f"Colours are the first 3 of {channels} channels"]


def show(ax: "Axes", image: np.ndarray) -> None:
    """Draws an image, uint8 `[h, w, c]`: of more than three channels the first three, as red, green and blue."""
    if image.shape[-1] == 1:
        ax.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
        return
    spare = np.zeros((*image.shape[:2], max(0, 3 - image.shape[-1])), np.uint8)
    ax.imshow(np.concatenate([image[..., :3], spare], axis=-1))


def amplified(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, int]:
    """What differs between two images, uint8 `[h, w, c]`, made so bright that it can be seen.

    Returns:
        The absolute difference times a factor, uint8, and the factor: the largest that hardly cuts anything off.

    >>> amplified(np.full((2, 2, 1), 100, np.uint8), np.full((2, 2, 1), 90, np.uint8))[1]
    20
    """
    levels = np.abs(after.astype(int) - before)
    there = levels[levels > 0]
    fitting = [factor for factor in FACTORS if len(there) and (there * factor > 255).mean() <= CLIPPED]
    factor = max(fitting, default=1)
    return np.minimum(levels * factor, 255).astype(np.uint8), factor
