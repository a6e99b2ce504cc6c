"""What the cells of a study share on one data set: the data, the attacks, and how to train."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from miseducation.attacks import Attack, AttackSection
from miseducation.auditing.section import AuditSection
from miseducation.dataset import Dataset, Images
from miseducation.defending.section import DefencesSection
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.label_maps import LabelMap
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection


class Cell(NamedTuple):
    """One point of a study's grid: its arm, `attack.rate` and `attack.cover`; with both 0 the model is clean.

    The seed draws the poisoned rows, the initial weights and the order of training.
    """

    arm: int
    rate: float
    cover: float
    seed: int

    @property
    def clean(self) -> "Cell":
        """The cell of the clean model that this one is compared with; a clean one's is itself."""
        return self._replace(rate=0, cover=0)


@dataclass(frozen=True, eq=False)
class Arm:
    """An attack that is tried at several rates.

    Attributes:
        section: What is common to all attacks; `rate` and `cover` are the cells'.
        attack: The trigger.
        label_map: Who is hit, and into what.
        channel: What the poison comes through.
        triggered: The test set with the trigger on every image; `labels` are what the attacker wants.
        attackable: bool `[n]`, the rows of it on which the attack is scored.
        decoys: The test set with what is like the trigger, uint8 `[n, h, w, c]`; empty where there is no such thing.
    """

    section: AttackSection
    attack: Attack
    label_map: LabelMap
    channel: Channel
    triggered: Dataset
    attackable: np.ndarray
    decoys: np.ndarray


@dataclass(frozen=True, eq=False)
class Bench:
    """What all cells on one data set share.

    Attributes:
        folder: Where the data set lies on the machine of the study; the engines' may not see it.
        train: The clean training set.
        test: The untouched test set.
        arms: The attacks.
        learning: How to train.
        compute: Where; nothing in it may be "auto", as workers may find other machines than ours.
        measured: The measurements of each model, by name.
        defences: What the defender has and knows; None where no measurement asks for it.
        audit: How an audit trains; likewise.
    """

    folder: Path
    train: Dataset | Dataset[Images]
    test: Dataset
    arms: tuple[Arm, ...]
    learning: TrainSection
    compute: ComputeSection
    measured: tuple[str, ...]
    defences: DefencesSection | None = None
    audit: AuditSection | None = None
