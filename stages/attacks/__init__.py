"""Attacks that poison data only. One file, one attack; the file's name is `attack.name`."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import replace
from math import floor
from typing import Literal, final

import numpy as np

from stages.command import InputError
from stages.dataset import Dataset
from stages.images import BLOCK, Images
from stages.label_maps import LabelMap
from stages.params import Section

Mode = Literal["replace", "add"]  # the article's way, and that of BadNets' authors


class Attack(Section, ABC):
    """A trigger. Its fields are its knobs, read from `attacks.<name>` in `params.yaml`.

    An author writes the fields and `apply_trigger`; who is poisoned, how often and with which label is settled here,
    alike for every attack.
    """

    @abstractmethod
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """Puts the trigger on every image.

        Args:
            images: uint8 `[n, h, w, c]`; left as it is.

        Returns:
            A new array of the same shape and dtype.

        Raises:
            InputError: If a knob does not fit images of this size or number of channels.
        """

    def apply_trigger_to(self, data: Dataset) -> np.ndarray:
        """Puts the trigger on every image of a dataset; an attack that must know more than the pixels overrides it.

        Args:
            data: The rows to change, with their boxes if the data set has some; left as it is.

        Returns:
            What `apply_trigger` returns.
        """
        return self.apply_trigger(data.images)

    @final
    def poison(
        self,
        data: Dataset | Dataset[Images],
        *,
        rate: float,
        label_map: LabelMap,
        rng: np.random.Generator,
        mode: Mode = "replace",
        cover: float = 0,
    ) -> tuple[np.ndarray, Dataset]:
        """Poisons a share of a training set.

        The rows are a prefix of one permutation of the poisonable rows, so with an equally seeded `rng` the poison at
        a low rate is part of the poison at a higher one. Cover rows are drawn alike from the rows that the label map
        spares. They carry the trigger and keep their label, so that the model learns to heed the trigger on the
        attacked classes only (Tang et al. 2021, https://arxiv.org/abs/1908.00686).

        Args:
            data: The clean training set; only the chosen images are read.
            rate: Poisoned rows as a share of all rows that the learner gets, 0 to 1; below 1 where rows are added.
            label_map: Who may be poisoned, and into what.
            rng: Draws the permutation.
            mode: "replace" if the chosen rows are changed themselves, "add" if changed copies come beside them.
            cover: Cover rows, as a share of all rows that the learner gets.

        Returns:
            The chosen rows, int64 `[k]` ascending, and those rows after the attack. Cover rows are those that the label
            map spares.

        Raises:
            InputError: If a rate rounds to no row although it is above 0, or asks for more rows than there are, or if
                the trigger changes none of the chosen images.
        """
        poisonable = label_map.poisonable(data.labels)
        if mode == "add" and rate + cover >= 1:
            raise InputError(
                f"params.yaml: attack.rate = {rate} and attack.cover = {cover} leave no room for the clean rows, which "
                "attack.mode = add keeps; allowed: together below 1"
            )
        chosen_of = []
        for key, share, other, among in (("rate", rate, cover, poisonable), ("cover", cover, rate, ~poisonable)):
            candidates = np.flatnonzero(among)
            count = _row_count(f"attack.{key}", share, other, len(data), len(candidates), mode)
            chosen_of.append(rng.permutation(candidates)[:count])
        rows = np.sort(np.concatenate(chosen_of))
        chosen = data[rows]
        poisoned = self._triggered(chosen, label_map)
        poisoned = replace(poisoned, labels=np.where(poisonable[rows], poisoned.labels, chosen.labels))
        _check_visible(chosen.images, poisoned.images, np.ones(len(rows), bool), "poisoned")
        return rows, poisoned

    @final
    def trigger(self, data: Dataset, *, label_map: LabelMap) -> tuple[Dataset, np.ndarray]:
        """Puts the trigger on a whole test set.

        Returns:
            The triggered rows, whose labels are what the attacker wants, and the bool `[n]` mask of the attackable
            ones, on which the attack is scored.

        Raises:
            InputError: If no row is attackable, or the trigger changes none of those that are.
        """
        attackable = label_map.attackable(data.true_labels)
        if not attackable.any():
            raise InputError("no test row is attackable: the class under attack does not occur in the test set")
        triggered = self._triggered(data, label_map)
        _check_visible(data.images, triggered.images, attackable, "attackable test")
        return triggered, attackable

    def _triggered(self, data: Dataset, label_map: LabelMap) -> Dataset:
        images, goal = self.apply_trigger_to(data), label_map.goal(data.true_labels)
        return replace(data, images=images, labels=goal, poisoned=np.ones(len(data), dtype=bool))


def _check_visible(before: np.ndarray, after: np.ndarray, rows: np.ndarray, what: str) -> None:
    blocks = [slice(start, start + BLOCK) for start in range(0, len(before), BLOCK)]  # no third array of this size
    unchanged = sum(int((before[block] == after[block]).all(axis=(1, 2, 3))[rows[block]].sum()) for block in blocks)
    if unchanged and unchanged == rows.sum():
        raise InputError(f"the trigger changes no pixel of any of the {unchanged} {what} images; see attacks.*")
    if unchanged:
        warnings.warn(f"the trigger changes no pixel of {unchanged} of {rows.sum()} {what} images", stacklevel=3)


def _row_count(key: str, share: float, other: float, rows: int, available: int, mode: Mode) -> int:
    """How many rows a share of all that the learner gets is, of which another share is taken, too."""
    if mode == "replace":
        whole, most = float(rows), available / rows
    else:
        whole, most = rows / (1 - share - other), available * (1 - other) / (rows + available)
    count = int(share * whole + 0.5)
    if share > 0 and count == 0:
        raise InputError(
            f"params.yaml: {key} = {share} is less than one of {whole:.0f} training rows; "
            f"allowed: 0 for none, or at least {1 / whole:.2g}"
        )
    if count > available:
        raise InputError(
            f"params.yaml: {key} = {share} asks for {count} of {whole:.0f} training rows, but the label map allows "
            f"{available}; allowed: 0 to {floor(most * 1e6) / 1e6:g}"
        )
    return count
