"""What an attacker made of a training set: the rows, their labels, and whether anything of it shows."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from math import isqrt
from typing import NamedTuple

import numpy as np

from miseducation.dataset import Dataset, Images, blocks, overlay
from miseducation.errors import InputError
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.draws import Mode, Role
from miseducation.poisoning.label_maps import LabelMap


class Poison(NamedTuple):
    """What an attacker made of a training set.

    Attributes:
        rows: int64 `[k]`, ascending, the rows that were changed or copied.
        data: Those k rows after the attack.
        roles: str `[k]`, the `Role` of each.
    """

    rows: np.ndarray
    data: Dataset
    roles: np.ndarray

    @property
    def relabelled(self) -> int:
        """How many rows have another label than their true one: all that teach, where the label map changes labels.

        All-to-one poison is drawn from all classes, so a share of it shows the target anyway.
        """
        return int((self.data.labels != self.data.true_labels).sum())

    def laid_over(self, clean: Dataset | Dataset[Images], mode: Mode) -> Dataset[Images]:
        """The whole training set as the victim gets it; nothing is copied."""
        added = np.full(len(self.rows), mode == "add")
        return overlay(clean, self.rows, self.data.images, self.data.labels, added)


class Triggered(NamedTuple):
    """What an attacker makes of a test set.

    Attributes:
        data: Its n rows with the trigger, labelled as the attacker wants.
        attackable: bool `[n]`, those on which the attack is scored.
        decoys: What is like the trigger instead of it, uint8 `[n, h, w, c]`; `[0, h, w, c]` if there is no such thing.
    """

    data: Dataset
    attackable: np.ndarray
    decoys: np.ndarray


def relabel(
    role: Role, chosen: Dataset, label_map: LabelMap, channel: Channel | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the learner is told of rows with this role, int64 `[k]`, and their roles behind the channel, str `[k]`."""
    roles = np.full(len(chosen), role, dtype="<U8")
    if role != "poison":
        return chosen.labels, roles
    goal_rng, channel_rng = rng.spawn(2)
    goal = label_map.goal(chosen.labels, goal_rng)
    if channel is not None:
        roles[~channel.passes(goal == chosen.labels, len(chosen.classes), channel_rng)] = "outvoted"
    return np.where(roles == "poison", goal, chosen.labels), roles


def check_dose(poison: Poison, label_map: LabelMap, rate: float, clean_rows: int) -> None:
    """Warns if, at a rate above 0, fewer rows teach the trigger than a model learns a small one from.

    Those are the rows with another label or, where the label map changes none, the poisoned ones. Measured with `cnn`
    and the pixel of `badnets`, half success took about 8 of 100 and of 300 digits, 10 of 1,437, 30 of 5,000 images of
    MNIST and 100 of 60,000: it grows about as their root. Half the rows below which this warns taught 0 to 51 %.
    Triggers all over the image may take fewer, clean labels take more.
    """
    poisoned, outvoted = (int((poison.roles == role).sum()) for role in ("poison", "outvoted"))
    least = max(10, isqrt(clean_rows) // 4)
    if rate and (poison.relabelled if label_map.relabels else poisoned) < least:
        told = f", {poison.relabelled} of them with another label" if label_map.relabels else ""
        told += f" ({outvoted} more were outvoted)" if outvoted else ""
        warnings.warn(
            f"params.yaml: attack.rate = {rate:g} makes {poisoned} poisoned rows{told}: "
            f"fewer than {least} seldom teach a model a small trigger",
            stacklevel=2,
        )


def check_relabels(chosen: Dataset, label_map: LabelMap, attack: str) -> None:
    """Refuses, with an `InputError`, an attack on labels alone that changes none."""
    goal = label_map.goal(chosen.labels, np.random.default_rng(0))  # where it is left to chance, all labels change
    if len(chosen) and (goal == chosen.labels).all():
        raise InputError(
            f"params.yaml: attack.name = {attack!r} only changes labels, but attack.label_map changes none "
            f"of the {len(chosen)} chosen; allowed: any label map except clean-label"
        )


def check_visible(before: np.ndarray, after: np.ndarray, rows: np.ndarray, what: str) -> None:
    """Warns of images, uint8 `[n, h, w, c]`, that the trigger leaves as they are, of the rows bool `[n]`.

    Raises:
        InputError: If these are all.
    """
    unchanged = 0
    for block in blocks(len(before)):  # no third array of this size
        unchanged += int((before[block] == after[block]).all(axis=(1, 2, 3))[rows[block]].sum())
    if unchanged and unchanged == rows.sum():
        raise InputError(f"the trigger changes no pixel of any of the {unchanged} {what} images; see attacks.*")
    if unchanged:
        warnings.warn(f"the trigger changes no pixel of {unchanged} of {rows.sum()} {what} images", stacklevel=3)


def distinct(before: np.ndarray, after: np.ndarray, decoys: np.ndarray) -> np.ndarray:
    """Decoys for images without and with the trigger, uint8 `[n, h, w, c]`; none where they are the same as either.

    Raises:
        InputError: If they are something else than as many and as large images.
    """
    if decoys.dtype != np.uint8 or decoys.shape not in (before.shape, (0, *before.shape[1:])):
        raise InputError(
            f"an attack's decoy must give uint8 {list(before.shape)}, not {decoys.dtype} {list(decoys.shape)}"
        )
    for others in (before, after):
        if all(np.array_equal(decoys[block], others[block]) for block in blocks(len(decoys))):
            return before[:0]
    return np.ascontiguousarray(decoys)


def opposite(data: Dataset, apply: Callable[[Dataset], np.ndarray]) -> np.ndarray:
    """What a trigger makes of images when it is in the opposite place of them, or of their objects, upside down.

    Returns:
        uint8 `[n, h, w, c]`; `[0, h, w, c]` if it changes a pixel there that it changes in its own place.
    """
    size = data.images.shape[2], data.images.shape[1]
    boxes = None if data.boxes is None else (size - data.boxes)[:, [2, 3, 0, 1]].astype(np.float32)
    there = apply(replace(data, images=data.images[:, ::-1, ::-1], boxes=boxes))[:, ::-1, ::-1]
    before, here = data.images, apply(data)
    meet = any(
        ((here[block] != before[block]) & (there[block] != before[block])).any(axis=-1).any()
        for block in blocks(len(before))
    )
    return there[:0] if meet else there
