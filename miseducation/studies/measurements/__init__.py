"""What is measured of the models of a study. One file, one measurement; the file's name stands in `measured`.

One that consists of parts, which are kept each by itself, is called by both: `detection.strip`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from miseducation.dataset import Dataset, Images
from miseducation.networks import Network
from miseducation.poisoning.poison import Poison
from miseducation.project import parts
from miseducation.studies.bench import Arm, Bench


@dataclass(frozen=True, eq=False)
class Trained:
    """A model of a study, as a measurement gets it.

    Attributes:
        bench: What it shares with others.
        arm: The attack.
        seed: The cell's.
        learnt: The training set, poison included.
        poison: What the attacker changed in it.
        network: The model, on its device and in evaluation mode.
        untouched: int64 `[n]`, its answers to the untouched test set.
        fooled: int64 `[n]`, its answers to the triggered test set.
    """

    bench: Bench
    arm: Arm
    seed: int
    learnt: Dataset[Images]
    poison: Poison
    network: Network
    untouched: np.ndarray
    fooled: np.ndarray


class MissingError(Exception):
    """A measurement that cannot be taken of a cell, and never will be; the others can, and its columns are missing."""


class Measurement(ABC):
    """Columns of `cells.csv`.

    Attributes:
        part: Which of its parts it is; "" for one without parts.
        baselines: The columns that tell of the clean model what others, the values, tell of the cell's.
    """

    baselines: ClassVar[dict[str, str]] = {}

    def __init__(self, part: str = "") -> None:
        self.part = part

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """Their names, in their order; those that end in `_rows` are counts."""

    @property
    def means(self) -> tuple[str, ...]:
        """Those of which the summary has the mean over the seeds, 0 to 1."""
        return ()

    @property
    def code(self) -> tuple[str, ...]:
        """The files, from the root of the project, that it finds by their names; what it imports is known."""
        return ()

    def knobs(self, bench: Bench) -> list[Any]:  # noqa: ARG002
        """What else its outcome depends on, beside what makes the model; as JSON has it."""
        return []


class OfModels(Measurement):
    """A measurement of trained models. It is taken where they are trained, and kept with the finished cell.

    Attributes:
        of_arm: Whether it looks at the trigger, or at the training set alone, which clean cells share.
    """

    of_arm: ClassVar[bool] = True

    @abstractmethod
    def measure(self, trained: Trained) -> dict[str, float]:
        """The value of each column but the baselines; what cannot be told is left out.

        Raises:
            MissingError: If it cannot be taken.
        """


class OfTriggers(Measurement):
    """A measurement of a trigger, whatever the rate and the seed. It needs no model, and is taken afresh each time."""

    @abstractmethod
    def measure(self, test: Dataset, arm: Arm) -> dict[str, float]:
        """The value of each column, by the test set untouched and triggered; what cannot be told is left out."""


def find(name: str) -> Measurement:
    """The measurement of this name.

    Raises:
        InputError: If there is none.
    """
    return parts.find("measurements", file_of(name), Measurement, "measured")(name.partition(".")[2])


def file_of(name: str) -> str:
    """The measurement that this one is a part of, or itself: `detection` for `detection.strip`."""
    return name.partition(".")[0]
