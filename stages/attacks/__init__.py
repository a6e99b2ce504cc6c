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
    ) -> tuple[np.ndarray, Dataset]:
        """Poisons a share of a training set.

        The rows are a prefix of one permutation of the poisonable rows, so with an equally seeded `rng` the poison at
        a low rate is part of the poison at a higher one.

        Args:
            data: The clean training set; only the chosen images are read.
            rate: Poisoned rows as a share of all rows that the learner gets, 0 to 1; below 1 where rows are added.
            label_map: Who may be poisoned, and into what.
            rng: Draws the permutation.
            mode: "replace" if the chosen rows are poisoned themselves, "add" if poisoned copies come beside them.

        Returns:
            The chosen rows, int64 `[k]` ascending, and those rows after the attack.

        Raises:
            InputError: If the rate rounds to no row although it is above 0, or asks for more rows than may be
                poisoned, or if the trigger changes none of the chosen images.
        """
        poisonable = np.flatnonzero(label_map.poisonable(data.labels))
        count = _row_count(rate, len(data), len(poisonable), mode)
        rows = np.sort(rng.permutation(poisonable)[:count])
        chosen = data[rows]
        poisoned = self._triggered(chosen, label_map)
        unchanged = _count_equal(chosen.images, poisoned.images)
        if count and unchanged == count:
            raise InputError(f"the trigger changes no pixel of any of the {count} chosen images; see attacks.*")
        if unchanged:
            warnings.warn(f"the trigger changes no pixel of {unchanged} of {count} poisoned images", stacklevel=2)
        return rows, poisoned

    @final
    def trigger(self, data: Dataset, *, label_map: LabelMap) -> tuple[Dataset, np.ndarray]:
        """Puts the trigger on a whole test set.

        Returns:
            The triggered rows, whose labels are what the attacker wants, and the bool `[n]` mask of the attackable
            ones, on which the attack is scored.

        Raises:
            InputError: If no row is attackable.
        """
        attackable = label_map.attackable(data.true_labels)
        if not attackable.any():
            raise InputError("no test row is attackable: the class under attack does not occur in the test set")
        return self._triggered(data, label_map), attackable

    def _triggered(self, data: Dataset, label_map: LabelMap) -> Dataset:
        images, goal = self.apply_trigger_to(data), label_map.goal(data.true_labels)
        return replace(data, images=images, labels=goal, poisoned=np.ones(len(data), dtype=bool))


def _count_equal(some: np.ndarray, others: np.ndarray) -> int:
    blocks = [slice(start, start + BLOCK) for start in range(0, len(some), BLOCK)]  # no third array of this size
    return sum(int((some[block] == others[block]).all(axis=(1, 2, 3)).sum()) for block in blocks)


def _row_count(rate: float, rows: int, poisonable: int, mode: Mode) -> int:
    if mode == "add" and rate == 1:
        raise InputError("params.yaml: attack.rate = 1 is not possible where attack.mode is add; allowed: below 1")
    count = int((rate * rows if mode == "replace" else rate * rows / (1 - rate)) + 0.5)
    if rate > 0 and count == 0:
        raise InputError(
            f"params.yaml: attack.rate = {rate} is less than one of {rows} training rows; "
            f"allowed: 0 for no poison, or at least {1 / rows:.2g}"
        )
    if count > poisonable:
        most = poisonable / (rows if mode == "replace" else rows + poisonable)
        raise InputError(
            f"params.yaml: attack.rate = {rate} asks for {count} of {rows} training rows, but the label map allows "
            f"{poisonable}; allowed: 0 to {floor(most * 1e6) / 1e6:g}"
        )
    return count
