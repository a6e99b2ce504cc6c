"""What an attacker made of a training set: the rows, their labels, and whether anything of it shows."""

import warnings
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

    def laid_over(self, clean: Dataset | Dataset[Images], mode: Mode) -> Dataset[Images]:
        """The whole training set as the victim gets it; nothing is copied."""
        added = np.full(len(self.rows), mode == "add")
        return overlay(clean, self.rows, self.data.images, self.data.labels, added)


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


def check_relabels(chosen: Dataset, label_map: LabelMap, attack: str) -> None:
    """Refuses, with an `InputError`, an attack on labels alone that changes none."""
    goal = label_map.goal(chosen.labels, np.random.default_rng(0))  # where it is left to chance, all labels change
    if len(chosen) and (goal == chosen.labels).all():
        raise InputError(
            f"params.yaml: attack.name = {attack!r} changes labels alone, and attack.label_map changes none "
            f"of the {len(chosen)} chosen; allowed: another label map than clean-label"
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
