"""What a repair made of a model: the scores that only the tests can know."""

from typing import NamedTuple

import numpy as np
import torch

from miseducation.defences import Repair
from miseducation.networks import Network
from tests.defences.poisoned import Case


class Scores(NamedTuple):
    """Shares of the attackable test rows: read as the attacker wants, right without the trigger, right with it."""

    success: float
    clean: float
    robust: float


def scores(network: Network, case: Case) -> Scores:
    clean, triggered = network.predict(case.test.images), network.predict(case.triggered.images)
    truth = case.test.true_labels
    return Scores(
        *(float(np.mean(part)) for part in (triggered == case.triggered.labels, clean == truth, triggered == truth))
    )


def repaired(repair: Repair, case: Case) -> Network:
    """By what the repair says that it needs alone."""
    return repair.repair(case.evidence.limited_to(repair.needs))


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
