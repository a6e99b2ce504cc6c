"""The cells of a sweep: a model each, poisoned, trained and scored as the pipeline does it, but in one process."""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages import networks, scores
from stages.attacks import Attack
from stages.channels import Channel
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import Dataset, overlay
from stages.images import Images
from stages.label_maps import LabelMap
from stages.poison import AttackSection
from stages.scores import Share
from stages.surrogate import Surrogate
from stages.train import TrainSection, learn


class Cell(NamedTuple):
    """One point of a sweep.

    Attributes:
        arm: Which of the sweep's attacks.
        rate: `attack.rate`.
        cover: `attack.cover`; with both 0 the model is a clean one.
        seed: Draws the poisoned rows, the initial weights and the order of training.
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
    """An attack that a sweep tries at several rates.

    Attributes:
        section: What is common to all attacks; `rate` and `cover` are the cells'.
        attack: The trigger.
        label_map: Who is hit, and into what.
        channel: What the poison comes through.
        triggered: The test set with the trigger on every image; `labels` are what the attacker wants.
        attackable: bool `[n]`, the rows of it on which the attack is scored.
    """

    section: AttackSection
    attack: Attack
    label_map: LabelMap
    channel: Channel
    triggered: Dataset
    attackable: np.ndarray


@dataclass(frozen=True, eq=False)
class Bench:
    """What all cells of a sweep share.

    Attributes:
        folder: Where the data set lies on the machine of the sweep; the engines' may not see it.
        train: The clean training set.
        test: The untouched test set.
        arms: The attacks.
        learning: How to train.
        compute: Where to compute; nothing in it may be "auto", as workers may find other machines than ours.
    """

    folder: Path
    train: Dataset | Dataset[Images]
    test: Dataset
    arms: tuple[Arm, ...]
    learning: TrainSection
    compute: ComputeSection


class Outcome(NamedTuple):
    """What one cell came to.

    Attributes:
        poisoned_rows: The attacker's rows, without cover rows.
        clean: Untouched test rows that the model read correctly: clean accuracy.
        success: Attackable triggered rows that it read as the attacker wants; a clean model's are false triggers.
        robust: Attackable triggered rows that it still read correctly.
        seconds: Wall time of it all.
        training_seconds: Wall time of the training; 0 where another cell's model could be used.
        cpu_seconds: CPU time of it all.
        warned: What was to be warned of.
    """

    poisoned_rows: int
    clean: Share
    success: Share
    robust: Share
    seconds: float
    training_seconds: float
    cpu_seconds: float
    warned: tuple[str, ...] = ()


def run(bench: Bench, model: Sequence[Cell]) -> list[Outcome]:
    """Trains one model and scores it.

    Args:
        bench: What all cells share.
        model: The cells that it serves, as `grid.by_model` gives them.

    Returns:
        An outcome per cell.

    Raises:
        InputError: If the training set does not hold so many rows to poison.
    """
    device, clock = set_up(bench.compute), _Clock()
    first = model[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        data, poisoned_rows = _poisoned(bench, first)
    warned = tuple(str(each.message) for each in caught)
    started = time.perf_counter()
    network, _ = learn(bench.learning, data, seed=first.seed, device=device, precision=precision(bench.compute, device))
    training = time.perf_counter() - started
    untouched = networks.predict(network, bench.test.images, device=device)
    clean = scores.accuracy(untouched, bench.test.true_labels)
    outcomes = []
    for cell in model:
        arm = bench.arms[cell.arm]
        fooled = networks.predict(network, arm.triggered.images, device=device)
        success = scores.attack_success_rate(fooled, arm.triggered.labels, arm.attackable)
        robust = scores.robust_accuracy(fooled, arm.triggered.true_labels, arm.attackable)
        seconds, cpu_seconds = clock.lap()
        outcomes.append(Outcome(poisoned_rows, clean, success, robust, seconds, training, cpu_seconds, warned))
        training = 0  # once per model, lest a sum over the cells counts it twice
    return outcomes


def _poisoned(bench: Bench, cell: Cell) -> tuple[Dataset[Images], int]:
    """The training set of a cell, and how many rows of it are poisoned."""
    arm = bench.arms[cell.arm]
    rows, poisoned, roles = arm.attack.poison(
        bench.train,
        rate=cell.rate,
        label_map=arm.label_map,
        rng=np.random.default_rng(cell.seed),
        mode=arm.section.mode,
        cover=cell.cover,
        channel=arm.channel,
        surrogate=surrogate(bench, cell.seed) if arm.attack.needs_surrogate and cell != cell.clean else None,
    )
    data = overlay(bench.train, rows, poisoned.images, poisoned.labels, np.full(len(rows), arm.section.mode == "add"))
    return data, int((roles == "poison").sum())


@lru_cache(maxsize=1)  # a seed's cells come together
def surrogate(bench: Bench, seed: int) -> Surrogate:
    """The clean model of a seed, for attacks that need one. Not the clean cell's, which may be on another machine."""
    device = set_up(bench.compute)
    network, _ = learn(
        bench.learning, bench.train, seed=seed, device=device, precision=precision(bench.compute, device)
    )
    return Surrogate(network, device)


class _Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self) -> tuple[float, float]:
        """Wall and CPU seconds since the last call, or since it was made."""
        wall, cpu = time.perf_counter(), time.process_time()
        lap = wall - self.wall, cpu - self.cpu
        self.wall, self.cpu = wall, cpu
        return lap
