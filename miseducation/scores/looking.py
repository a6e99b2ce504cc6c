"""A look at single images: what models answer to them with and without the trigger, and where they look for it.

Pure functions of arrays, and of a function that answers.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd

from miseducation.dataset import Dataset

# Takes images, uint8 `[n, h, w, c]`, and gives the probability of each class, float32 `[n, K]`.
Answers: TypeAlias = Callable[[np.ndarray], np.ndarray]
SHOWN, LOOKED_INTO = 6, 4  # images whose answers are told, and those in which it is told where the models look
CELLS = 14  # in which an image is looked through, down and across


def look(
    test: Dataset, triggered: Dataset, attackable: np.ndarray, models: Mapping[str, Answers]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """A few rows of the test set, see `answers`, and for each model its `occlusion` in the first of them, triggered.

    Args:
        test: The untouched test set.
        triggered: The same with the trigger; `labels` are what the attacker wants.
        attackable: bool `[n]`, the rows that may be taken.
        models: What answers, by its name.
    """
    rows = examples(test.true_labels, attackable, SHOWN)
    before, after = test[rows], triggered[rows]
    maps = {
        name: np.array([occlusion(probabilities, image) for image in after.images[:LOOKED_INTO]], np.float32)
        for name, probabilities in models.items()
    }
    return answers(before, after, rows, models), maps


def examples(labels: np.ndarray, attackable: np.ndarray, count: int) -> np.ndarray:
    """Rows to show, int64, ascending, at most so many: of classes from the first to the last the first attackable one.

    Where there are fewer such classes, other attackable rows stand beside them.

    >>> examples(np.array([2, 0, 0, 1]), np.array([True, False, True, True]), 2)
    array([0, 2])
    >>> examples(np.array([2, 0, 0, 1, 0, 0]), np.array([False, True, True, False, True, True]), 3)
    array([1, 2, 4])

    Args:
        labels: int64 `[n]`, what the images show.
        attackable: bool `[n]`.
        count: One or more.
    """
    rows = np.flatnonzero(attackable)
    first = rows[np.unique(labels[rows], return_index=True)[1]]
    chosen = first[np.linspace(0, len(first) - 1, min(count, len(first))).round().astype(np.int64)]
    others = np.setdiff1d(rows, chosen)[: count - len(chosen)]
    return np.sort(np.concatenate([chosen, others]))


def answers(untouched: Dataset, triggered: Dataset, rows: np.ndarray, models: Mapping[str, Answers]) -> pd.DataFrame:
    """A line for each row, image and model: what it reads in it, and how probable it finds that, and other classes.

    Args:
        untouched: k rows of the test set.
        triggered: The same with the trigger; `labels` are what the attacker wants.
        rows: int64 `[k]`, where they stand in the test set.
        models: What answers, by its name.
    """
    names, each = np.array(untouched.classes, dtype=object), np.arange(len(rows))
    tables = []
    for image, data in (("untouched", untouched), ("triggered", triggered)):
        for model, probabilities in models.items():
            found = probabilities(data.images)
            read = found.argmax(axis=1)
            table = {"row": rows, "image": image, "model": model, "true_label": names[data.true_labels]}
            table |= {"wanted": names[triggered.labels], "read_as": names[read], "probability": found[each, read]}
            table |= {"of_true_label": found[each, data.true_labels], "of_wanted": found[each, triggered.labels]}
            tables.append(pd.DataFrame(table))
    return pd.concat(tables).sort_values("row", kind="stable")


def occlusion(probabilities: Answers, image: np.ndarray) -> np.ndarray:
    """How much of its certainty each place of an image gives a model: float32 `[down, across]`, about `CELLS` a side.

    That is by how much the probability of the class that it reads falls when a square around the place is covered
    (Zeiler and Fergus 2014, arXiv:1311.2901), with the image's median colour.

    Captum has it, too, but takes a second to import.

    Args:
        probabilities: The model's.
        image: uint8 `[h, w, c]`.
    """
    (height, width), cell = image.shape[:2], cell_of(image)
    tops, lefts = np.arange(0, height, cell), np.arange(0, width, cell)
    cover, rim = np.median(image, axis=(0, 1)).astype(np.uint8), -(-cell // 2)
    whole = probabilities(image[np.newaxis])[0]
    found = np.empty((len(tops), len(lefts)), np.float32)
    for place, top in enumerate(tops):
        covered = np.repeat(image[np.newaxis], len(lefts), axis=0)
        for each, left in zip(covered, lefts, strict=True):
            each[max(0, top - rim) : top + cell + rim, max(0, left - rim) : left + cell + rim] = cover
        found[place] = whole.max() - probabilities(covered)[:, whole.argmax()]
    return found


def cell_of(image: np.ndarray) -> int:
    """The pixels of a side of a cell in which an image, `[h, w, c]`, is looked through."""
    return -(-max(image.shape[:2]) // CELLS)
