"""What is measured of the models of a study. One file, one measurement; the file's name stands in `measured`."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from miseducation.dataset import Dataset, Images
from miseducation.networks import Network
from miseducation.poisoning.poison import Poison
from miseducation.project import parts
from miseducation.studies.bench import Arm, Bench


class Trained(NamedTuple):
    """A model of a study, as a measurement gets it.

    Attributes:
        bench: What it shares with others.
        arm: The attack.
        learnt: The training set, poison included.
        poison: What the attacker changed in it.
        network: The model, on its device and in evaluation mode.
        untouched: int64 `[n]`, its answers to the untouched test set.
        fooled: int64 `[n]`, its answers to the triggered test set.
    """

    bench: Bench
    arm: Arm
    learnt: Dataset[Images]
    poison: Poison
    network: Network
    untouched: np.ndarray
    fooled: np.ndarray


class Measurement(ABC):
    """Columns of `cells.csv`.

    Attributes:
        columns: Their names, in their order; those that end in `_rows` are counts.
        means: Those of which the summary has the mean over the seeds, 0 to 1.
        baselines: Those that tell of the clean model what others, the values, tell of the cell's.
    """

    columns: ClassVar[tuple[str, ...]]
    means: ClassVar[tuple[str, ...]] = ()
    baselines: ClassVar[dict[str, str]] = {}


class OfModels(Measurement):
    """A measurement of trained models. It is taken where they are trained, and kept with the finished cell."""

    @abstractmethod
    def measure(self, trained: Trained) -> dict[str, float]:
        """The value of each column but the baselines; what cannot be told is left out."""


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
    return parts.find("measurements", name, Measurement, "measured")()
