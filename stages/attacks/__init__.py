"""Attacks that poison data only. One file, one attack; the file's name is `attack.name`."""

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final

import numpy as np

from stages.channels import Channel
from stages.command import InputError
from stages.dataset import Dataset
from stages.draws import Companions, Draw, Mode, Role, draw
from stages.images import BLOCK, Images
from stages.label_maps import LabelMap
from stages.params import Section

if TYPE_CHECKING:
    from stages.surrogate import Surrogate


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


class Attack(Section, ABC):
    """A trigger. Its fields are its knobs, read from `attacks.<name>` in `params.yaml`.

    An author writes the fields and `apply_trigger`; who is poisoned, how often and with which label is settled here,
    alike for every attack. What a paper wants beyond that, its attack says by overriding one of the others.

    Attributes:
        label_map: The paper's label map, with which `make attacks` compares the attack.
        has_trigger: Whether there is anything to see; False for a control that changes labels only.
        needs_surrogate: Whether `poison_images` needs a clean model like the victim's.
    """

    label_map: ClassVar[str] = "all-to-one"
    has_trigger: ClassVar[bool] = True
    needs_surrogate: ClassVar[bool] = False

    @abstractmethod
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """Puts the trigger on every image, as the attacker does it with a model in use.

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

    def poison_images(
        self, data: Dataset, *, role: Role, rng: np.random.Generator, surrogate: "Surrogate | None"
    ) -> np.ndarray:
        """What training rows show: the trigger, unless the paper wants something else in training than in use.

        Args:
            data: The rows to change, in the order in which they were drawn; left as it is.
            role: What they are for: "poison", "cover" or "noise".
            rng: For randomness. Draw row by row: then the poison at a low rate is part of that at a higher one.
            surrogate: A clean model like the victim's; there if `needs_surrogate`.

        Returns:
            uint8 `[n, h, w, c]`, a new array.
        """
        return self.apply_trigger_to(data)

    def companions(self) -> Companions | None:
        """The rows that the attack wants beside the poisoned ones, if it wants any."""
        return None

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
        channel: Channel | None = None,
        surrogate: "Surrogate | None" = None,
    ) -> Poison:
        """Poisons a share of a training set.

        The rows are a prefix of one permutation of the poisonable rows, so with an equally seeded `rng` the poison at
        a low rate is part of the poison at a higher one. Cover rows are drawn alike from the rows that the label map
        spares. They carry the trigger and keep their label, so that the model learns to heed the trigger on the
        attacked classes only (Tang et al. 2021, https://arxiv.org/abs/1908.00686).

        Args:
            data: The clean training set; only the chosen images are read.
            rate: Poisoned rows as a share of all rows that the learner gets, 0 to 1; below 1 where rows are added.
            label_map: Who may be poisoned, and into what.
            rng: Draws the rows, and all else that is random.
            mode: "replace" if the chosen rows are changed themselves, "add" if changed copies come beside them.
            cover: Cover rows, as a share of all rows that the learner gets.
            channel: What the data come through, which may give some of the rows their true label back; None: nothing.
            surrogate: A clean model, if the attack needs one.

        Raises:
            InputError: If a rate rounds to no row although it is above 0, or asks for more rows than there are, if
                the trigger changes none of the chosen images, or if the surrogate is missing.
        """
        draws = draw(
            data.labels,
            label_map,
            rate=rate,
            cover=cover,
            companions=self.companions(),
            mode=mode,
            rng=rng,
            attack=f"attacks.{self.name()}",
        )
        if len(draws[0].rows):
            self.check_surrogate(there=surrogate is not None)
        # Each purpose has a generator of its own, so that what one draws does not move the others.
        label_rng, *image_rngs = rng.spawn(1 + len(draws))
        parts = []
        for each, image_rng in zip(draws, image_rngs, strict=True):
            chosen = data[each.rows]
            images = chosen.images
            if len(chosen):
                images = self.poison_images(chosen, role=each.role, rng=image_rng, surrogate=surrogate)
            if self.has_trigger:
                _check_visible(chosen.images, images, np.ones(len(chosen), bool), f"{each.role} training")
            labels, roles = self._labels(each, chosen, label_map, channel, label_rng)
            parts.append((each.rows, images, labels, roles))
        rows, images, labels, roles = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.argsort(rows)
        rows, true_labels = rows[order], data.labels[rows[order]]
        boxes = None if data.boxes is None else data.boxes[rows]
        touched = np.ones(len(rows), dtype=bool)
        return Poison(
            rows, Dataset(images[order], labels[order], true_labels, touched, data.classes, boxes), roles[order]
        )

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
        images, goal = self.apply_trigger_to(data), label_map.goal(data.true_labels, np.random.default_rng(0))
        if self.has_trigger:
            _check_visible(data.images, images, attackable, "attackable test")
        touched = np.ones(len(data), dtype=bool)
        return Dataset(images, goal, data.true_labels, touched, data.classes, data.boxes), attackable

    @classmethod
    def check_surrogate(cls, *, there: bool) -> None:
        """Asks for the clean model, if the attack needs one.

        Raises:
            InputError: If it is not there.
        """
        if cls.needs_surrogate and not there:
            raise InputError(
                f"params.yaml: attack.surrogate = 'none', but {cls.name()} needs a clean model; allowed: 'clean'"
            )

    @classmethod
    def name(cls) -> str:
        """As in `attack.name`."""
        return cls.__module__.rpartition(".")[2]

    @classmethod
    def knob(cls, name: str) -> str:
        """A knob's place in `params.yaml`, for messages."""
        return f"attacks.{cls.name()}.{name}"

    def _labels(
        self, drawn: Draw, chosen: Dataset, label_map: LabelMap, channel: Channel | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the learner is told of the rows, and their roles in the end."""
        roles = np.full(len(chosen), drawn.role, dtype="<U8")
        if drawn.role != "poison":
            return chosen.labels, roles
        goal_rng, channel_rng = rng.spawn(2)
        goal = label_map.goal(chosen.labels, goal_rng)
        if len(chosen) and not self.has_trigger and (goal == chosen.labels).all():
            raise InputError(
                f"params.yaml: attack.name = {self.name()!r} changes labels alone, and attack.label_map changes none "
                f"of the {len(chosen)} chosen; allowed: another label map than clean-label"
            )
        if channel is not None:
            roles[~channel.passes(goal == chosen.labels, len(chosen.classes), channel_rng)] = "outvoted"
        return np.where(roles == "poison", goal, chosen.labels), roles


def _check_visible(before: np.ndarray, after: np.ndarray, rows: np.ndarray, what: str) -> None:
    blocks = [slice(start, start + BLOCK) for start in range(0, len(before), BLOCK)]  # no third array of this size
    unchanged = sum(int((before[block] == after[block]).all(axis=(1, 2, 3))[rows[block]].sum()) for block in blocks)
    if unchanged and unchanged == rows.sum():
        raise InputError(f"the trigger changes no pixel of any of the {unchanged} {what} images; see attacks.*")
    if unchanged:
        warnings.warn(f"the trigger changes no pixel of {unchanged} of {rows.sum()} {what} images", stacklevel=3)
