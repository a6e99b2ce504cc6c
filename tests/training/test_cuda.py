"""What runs on a CUDA device; where there is none, there is nothing to test."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from miseducation import datasets, defences
from miseducation.defences import Defence, ModelScanner, Repair, RowDetector
from miseducation.defending import trial
from miseducation.defending.evidence import Evidence, Model
from miseducation.networks import Network
from miseducation.project import parts
from miseducation.training.compute import ComputeSection, precision, set_up
from miseducation.training.learning import TrainSection, learn
from tests.defences.poisoned import digits

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
COMPUTE = ComputeSection(device="auto", precision="auto", threads=1)


def trained(device: torch.device, network: str, epochs: int) -> Network:
    train, _ = datasets.load("digits")
    section = TrainSection(
        network=network, epochs=epochs, batch_size=32, learning_rate=0.01, label_smoothing=0.02, augment=["shift"]
    )
    return learn(section, train, seed=1, device=device, precision=precision(COMPUTE, device))[0]


@pytest.mark.parametrize("network", parts.names("networks"))
def test_the_same_seed_gives_the_same_weights(network: str) -> None:
    device = set_up(COMPUTE)
    assert device.type == "cuda"
    one, other = (trained(device, network, 2).state_dict() for _ in range(2))
    assert all(weight.is_cuda and torch.equal(weight, other[name]) for name, weight in one.items())


def test_it_learns_what_the_cpu_learns() -> None:
    _, test = datasets.load("digits")
    shares = [
        np.mean(trained(device, "cnn", 8).predict(test.images) == test.labels)
        for device in (set_up(COMPUTE), torch.device("cpu"))
    ]
    assert min(shares) > 0.95
    assert abs(shares[0] - shares[1]) < 0.02


def on_cuda() -> Evidence:
    evidence, device = digits().evidence, set_up(COMPUTE)
    network = copy.deepcopy(evidence.the_model().network).to(device)
    return replace(
        evidence, model=Model(network, evidence.images), recipe=replace(evidence.the_recipe(), device=device)
    )


def outcome(defence: Defence) -> Callable[[], Any]:
    evidence = on_cuda().limited_to(defence.needs)
    if isinstance(defence, Repair):
        return lambda: {name: weight.cpu().numpy() for name, weight in defence.repair(evidence).state_dict().items()}
    if isinstance(defence, ModelScanner):
        return lambda: {str(number): each.mask for number, each in enumerate(defence.inspect(evidence))}
    assert isinstance(defence, RowDetector)
    return lambda: trial.detect(defence, evidence)._asdict()


@pytest.mark.parametrize("name", parts.names("defences"))
def test_defences_run_and_give_the_same_twice(name: str) -> None:
    defence = parts.find("defences", name, defences.Defence, "defences")()
    run = outcome(defence)
    one, other = run(), run()
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[key], other[key]) for key in one)
