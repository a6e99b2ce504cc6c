"""Pictures of the data and the results, as matplotlib figures; the same input gives the same PNG bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.dataset import Dataset
from stages.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GALLERY = 8  # poisoned rows shown beside their originals
PER_CLASS = 8  # samples of each class in the grid
RED = "#b3261e"


def sample_grid(data: Dataset) -> "Figure":
    """A row of samples for each class: the first ones of the set, at most ten classes at a time."""
    classes = np.unique(data.true_labels)[:10]
    figure = _figure(0.75 * PER_CLASS + 1.2, 0.78 * len(classes) + 0.6)
    axes = figure.subplots(len(classes), PER_CLASS, squeeze=False)
    for label, line in zip(classes, axes, strict=True):
        rows = np.flatnonzero(data.true_labels == label)[:PER_CLASS]
        for column, ax in enumerate(line):
            ax.axis("off")
            if column < len(rows):
                _show(ax, data.images[rows[column]])
        line[0].text(-0.25, 0.5, data.classes[label], transform=line[0].transAxes, ha="right", va="center", fontsize=13)
    figure.suptitle("Clean training images, by class", fontsize=13)
    return figure


def gallery(originals: Dataset, poisoned: Dataset) -> "Figure":
    """Poisoned rows below their originals, with the label before and after.

    Args:
        originals: At most `GALLERY` clean rows.
        poisoned: The same rows after the attack.
    """
    figure = _figure(1.3 * GALLERY + 0.9, 3.9)
    if not len(poisoned):
        figure.text(0.5, 0.5, "No training image is poisoned: attack.rate is 0", ha="center", fontsize=15)
        return figure
    axes = figure.subplots(2, GALLERY, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for data, line, colour in ((originals, axes[0], "black"), (poisoned, axes[1], RED)):
        for ax, image, label in zip(line, data.images, data.labels, strict=False):
            _show(ax, image)
            ax.set_title(f"label {data.classes[label]}", fontsize=12, color=colour)
    for ax, text in ((axes[0, 0], "original"), (axes[1, 0], "poisoned")):
        ax.text(-0.12, 0.5, text, transform=ax.transAxes, ha="right", va="center", rotation=90, fontsize=13)
    figure.suptitle("What the attacker changed: the trigger and the label", fontsize=14)
    return figure


def confusion(matrices: dict[str, np.ndarray], classes: Sequence[str]) -> "Figure":
    """Confusion matrices side by side.

    Args:
        matrices: For each title, int64 `[K, K]`: rows are true labels, columns predictions.
        classes: The K class names.
    """
    size = max(4.6, 0.42 * len(classes) + 0.8)
    figure = _figure(size * len(matrices), size + 0.3)
    for ax, (title, counts) in zip(figure.subplots(1, len(matrices), squeeze=False)[0], matrices.items(), strict=True):
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
        ax.set_title(title, fontsize=13)
        ax.set_xlabel("prediction", fontsize=11)
        ax.set_ylabel("true label", fontsize=11)
        ax.set_xticks(range(len(classes)), classes, rotation=0 if max(map(len, classes)) < 3 else 90)
        ax.set_yticks(range(len(classes)), classes)
        for row, column in np.argwhere(counts):
            shade = "white" if share[row, column] > 0.5 else "black"
            ax.text(column, row, counts[row, column], ha="center", va="center", fontsize=8, color=shade)
    return figure


def save(figure: "Figure", path: Path) -> None:
    """Writes a PNG without the fields that vary from one installation to the next."""
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=110, metadata={"Software": None})


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure  # half a second, which not every importer of this module needs to pay

    return Figure(figsize=(width, height), layout="constrained")


def _show(ax: "Axes", image: np.ndarray) -> None:
    grey = image.shape[-1] == 1
    ax.imshow(image[..., 0] if grey else image, cmap="gray" if grey else None, vmin=0, vmax=255)
