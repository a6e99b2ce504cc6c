"""What a sweep and the comparison of attacks start from: rates and seeds, and the bench that their cells share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from stages import label_maps
from stages.attacks import Attack
from stages.command import InputError
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import load_raw
from stages.params import Section
from stages.poison import AttackSection, channel
from stages.train import TrainSection

if TYPE_CHECKING:
    from stages.cells import Bench

T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{twice[0]!r} stands there twice")
    return values


Distinct: TypeAlias = Annotated[list[T], AfterValidator(_distinct)]
Rate: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class GridSection(Section):
    """A section that names many cells."""

    rates: Distinct[Rate] = Field(min_length=1, description="a list of rates, each as attack.rate, 0 to 1")
    seeds: Distinct[Seed] = Field(min_length=1, description="a list of seeds, whole numbers, 0 or more")


class Chosen(NamedTuple):
    """An attack, and the section `attack` as it wants it."""

    section: AttackSection
    attack: Attack


def prepare(folder: Path, chosen: Sequence[Chosen], learning: TrainSection, compute: ComputeSection) -> "Bench":
    """Reads all that the cells of one data set share.

    Args:
        folder: Where the data set lies, such as `data/raw`.
        chosen: The attacks.
        learning: How to train.
        compute: Where to.

    Raises:
        InputError: If an attack does not fit the data set, or the training is not one for many models at once.
    """
    from stages.cells import Arm, Bench

    if learning.processes > 1:
        raise InputError(
            f"params.yaml: train.processes = {learning.processes}; allowed: 1, "
            "as a sweep trains many models at once, each in one process"
        )
    device = set_up(compute)
    number = str(precision(compute, device)).removeprefix("torch.")
    train, test = load_raw(folder, "train"), load_raw(folder, "test")[:]
    arms = []
    for section, attack in chosen:
        label_map = label_maps.build(section.label_map, section.target, section.source, train.classes)
        triggered = attack.trigger(test, label_map=label_map)
        arms.append(Arm(section, attack, label_map, channel(section.channel), *triggered))
    settled = compute.model_copy(update={"device": device.type, "precision": number})
    return Bench(folder, train, test, tuple(arms), learning, settled)
