"""The cells of a study: a model each, poisoned, trained and measured as the pipeline does it, but in one process."""

import time
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from miseducation.dataset import Dataset, Images
from miseducation.networks import Network
from miseducation.poisoning.poison import Poison
from miseducation.poisoning.surrogate import Surrogate
from miseducation.studies import measurements
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.measurements import MissingError, OfModels, Trained
from miseducation.training.compute import precision, set_up
from miseducation.training.learning import learn


class Outcome(NamedTuple):
    """What one measurement of one cell came to.

    Attributes:
        found: Its columns.
        seconds: Wall time that it took; of a model's first, with the training.
        training_seconds: Wall time of the training; 0 where another one's model could be used.
        cpu_seconds: CPU time, as `seconds`.
        warned: What was to be warned of.
    """

    found: dict[str, float]
    seconds: float
    training_seconds: float
    cpu_seconds: float
    warned: tuple[str, ...] = ()


Outcomes = dict[str, Outcome]  # by measurement


def run(bench: Bench, model: Sequence[Cell]) -> list[Outcomes]:
    """Trains one model and measures it for each of the cells that it serves, as `grid.by_model` gives them.

    Raises:
        InputError: If the training set does not hold so many rows to poison.
    """
    device, first = set_up(bench.compute), model[0]
    begun = _clocks()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        learnt, poison = _poisoned(bench, first)
    warned = tuple(str(each.message) for each in caught)
    started = time.perf_counter()
    network = _learn(bench, learnt, first.seed, device)
    training = time.perf_counter() - started
    untouched = network.predict(bench.test.images)
    results: list[Outcomes] = []
    for cell in model:
        arm = bench.arms[cell.arm]
        fooled = network.predict(arm.triggered.images)
        trained = Trained(bench, arm, cell.seed, learnt, poison, network, untouched, fooled)
        outcomes: Outcomes = {}
        for name in bench.measured:
            if isinstance(measurement := measurements.find(name), OfModels):
                if results and not measurement.of_arm:
                    outcomes[name] = results[0][name]._replace(seconds=0.0, training_seconds=0.0, cpu_seconds=0.0)
                    continue
                found, told = _taken(measurement, trained)
                begun, last = _clocks(), begun
                seconds, cpu_seconds = (begun - last).tolist()
                outcomes[name] = Outcome(found, seconds, training, cpu_seconds, (*warned, *told))
                training = 0.0  # once per model, lest a sum over the cells counts it twice
        results.append(outcomes)
    return results


def _poisoned(bench: Bench, cell: Cell) -> tuple[Dataset[Images], Poison]:
    """The training set of a cell, and what is poisoned of it."""
    arm = bench.arms[cell.arm]
    poison = arm.attack.poison_rows(
        bench.train,
        rate=cell.rate,
        label_map=arm.label_map,
        rng=np.random.default_rng(cell.seed),
        mode=arm.section.mode,
        cover=cell.cover,
        channel=arm.channel,
        surrogate=surrogate(bench, cell.seed) if arm.attack.needs_surrogate and cell != cell.clean else None,
    )
    return poison.laid_over(bench.train, arm.section.mode), poison


@lru_cache(maxsize=1)  # a seed's cells come together
def surrogate(bench: Bench, seed: int) -> Surrogate:
    """The clean model of a seed, for attacks that need one. Not the clean cell's, which may be on another machine."""
    device = set_up(bench.compute)
    return Surrogate(_learn(bench, bench.train, seed, device), device)


def _learn(bench: Bench, data: Dataset | Dataset[Images], seed: int, device: torch.device) -> Network:
    return learn(bench.learning, data, seed=seed, device=device, precision=precision(bench.compute, device))[0]


def _taken(measurement: OfModels, trained: Trained) -> tuple[dict[str, float], tuple[str, ...]]:
    """What a measurement found, and what is to be warned of."""
    try:
        return measurement.measure(trained), ()
    except MissingError as error:
        return {}, (str(error),)


def _clocks() -> np.ndarray:
    """Wall and CPU time, in seconds."""
    return np.array([time.perf_counter(), time.process_time()])
