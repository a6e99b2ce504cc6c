"""The base class of all attacks: it chooses rows, relabels and checks; an attack adds its trigger."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from miseducation.dataset import Dataset, Images
from miseducation.errors import InputError
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.draws import Companions, Mode, Purpose, draw
from miseducation.poisoning.label_maps import LabelMap
from miseducation.poisoning.poison import Poison, Triggered, check_relabels, check_visible, distinct, opposite, relabel
from miseducation.project.params import Section

if TYPE_CHECKING:
    from miseducation.poisoning.surrogate import Surrogate


class Attack(Section, ABC):
    """A trigger. Its fields are its knobs, read from `attacks.<name>` in `params.yaml`.

    An attack defines its fields and `apply_trigger`. Which rows are poisoned, how many, and with which label is decided
    here, in the same way for every attack. If a paper needs more than that, its attack overrides one of the others.

    Attributes:
        label_map: The paper's label map, with which studies try the attack.
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
        """As `apply_trigger`; for an attack that must know more than the pixels, such as the boxes of the objects."""
        return self.apply_trigger(data.images)

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        """What training rows show: the trigger, unless the paper wants something else in training than in use.

        Args:
            data: The rows to change, in the order in which they were drawn; left as it is.
            purpose: What they are for, and what there is to make them with.

        Returns:
            uint8 `[n, h, w, c]`, a new array.
        """
        return self.apply_trigger_to(data)

    def decoy(self, data: Dataset) -> np.ndarray:
        """As `apply_trigger_to`, but something that is like the trigger: by default the same in the opposite place.

        A model that reads this as the attacker wants has learnt that something is odd, and not what the trigger is.
        For a trigger all over the image, the decoy is another key or another warp.

        Returns:
            uint8 `[n, h, w, c]`; `[0, h, w, c]` if there is no such thing, as where both places meet.
        """
        return opposite(data, self.apply_trigger_to)

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
        seed: int,
        mode: Mode = "replace",
        cover: float = 0,
        channel: Channel | None = None,
        surrogate: "Surrogate | None" = None,
    ) -> Dataset | Dataset[Images]:
        """The training set after `poison_rows`, from which the pipeline's model with this seed learns."""
        rng = np.random.default_rng(seed)
        done = self.poison_rows(
            data, rate=rate, label_map=label_map, rng=rng, mode=mode, cover=cover, channel=channel, surrogate=surrogate
        )
        laid = done.laid_over(data, mode)
        return laid if isinstance(data.images, Images) else laid[:]

    @final
    def poison_rows(
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

        With an equally seeded `rng` the poison at a low rate is part of the poison at a higher one. Cover rows carry
        the trigger and keep their label, so that the model learns to heed it on the attacked classes only (Tang et al.
        2021, https://arxiv.org/abs/1908.00686).

        Args:
            data: The clean training set; only the chosen images are read.
            rate: Poisoned rows as a share of all rows that the learner gets, 0 to 1; below 1 where rows are added.
            label_map: Who may be poisoned, and into what.
            rng: Draws the rows, and all else that is random.
            mode: "replace" if the chosen rows are changed themselves, "add" if changed copies come beside them.
            cover: Cover rows, likewise as a share, out of those that the label map spares, without the class wanted.
            channel: What the data come through, which may give some of the rows their true label back; None: nothing.
            surrogate: A clean model, if the attack needs one.

        Raises:
            InputError: If a rate rounds to no row although it is above 0, or asks for more rows than there are, if
                the trigger changes none of the chosen images, or if the surrogate is missing.
        """
        label_map.check_fits(data.classes)
        draws = draw(
            data.labels, label_map, self.companions(), rate=rate, cover=cover, mode=mode, rng=rng, attack=self.name()
        )
        if len(draws[0][1]):
            self.check_surrogate(there=surrogate is not None)
        # Each purpose has a generator of its own, so that what one draws does not move the others.
        label_rng, *image_rngs = rng.spawn(1 + len(draws))
        parts = []
        for (role, rows), image_rng in zip(draws, image_rngs, strict=True):
            chosen, purpose = data[rows], Purpose(role, image_rng, surrogate)
            images = self.poison_images(chosen, purpose) if len(rows) else chosen.images
            if self.has_trigger:
                check_visible(chosen.images, images, np.ones(len(rows), bool), f"{role} training")
            elif role == "poison":
                check_relabels(chosen, label_map, self.name())
            labels, roles = relabel(role, chosen, label_map, channel, label_rng)
            parts.append((rows, images, labels, roles))
        rows, images, labels, roles = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        order = np.argsort(rows)
        rows = rows[order]
        boxes = None if data.boxes is None else data.boxes[rows]
        touched = np.ones(len(rows), dtype=bool)
        changed = Dataset(images[order], labels[order], data.labels[rows], touched, data.classes, boxes)
        return Poison(rows, changed, roles[order])

    @final
    def trigger(self, data: Dataset, *, label_map: LabelMap) -> Triggered:
        """Puts the trigger on a whole test set, and what `decoy` makes of it beside it.

        Raises:
            InputError: If no row is attackable, if the trigger changes none of those that are, or if there are not as
                many and as large decoys as images.
        """
        label_map.check_fits(data.classes)
        attackable = label_map.attackable(data.true_labels)
        if not attackable.any():
            raise InputError("no test row is attackable: the attacked class does not occur in the test set")
        images, goal = self.apply_trigger_to(data), label_map.goal(data.true_labels, np.random.default_rng(0))
        if self.has_trigger:
            check_visible(data.images, images, attackable, "attackable test")
        decoys = distinct(data.images, images, self.decoy(data)) if self.has_trigger else images[:0]
        triggered = replace(data, images=images, labels=goal, poisoned=np.ones(len(data), dtype=bool))
        return Triggered(triggered, attackable, decoys)

    @classmethod
    def check_surrogate(cls, *, there: bool) -> None:
        """Refuses, with an `InputError`, to go without the clean model, if the attack needs one."""
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
