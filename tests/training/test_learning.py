"""The section `train`: what it allows, and that each knob does something."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from miseducation import networks
from miseducation.dataset import Dataset, clean
from miseducation.errors import InputError
from miseducation.networks import Network
from miseducation.project.params import validate
from miseducation.training import fitting
from miseducation.training.learning import TrainSection, learn
from tests.training.rank import Plain

CPU = torch.device("cpu")
KNOBS: dict[str, Any] = {
    "network": "cnn",
    "epochs": 1,
    "batch_size": 16,
    "learning_rate": 0.01,
    "label_smoothing": 0.1,
}
USUAL: dict[str, Any] = {"seed": 1, "device": CPU, "precision": torch.float32}


def noise() -> Dataset:
    rng = np.random.default_rng(0)
    return clean(rng.integers(0, 256, (16, 12, 9, 1), dtype=np.uint8), np.arange(16) % 3, list("abcd"))


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What networks were asked for; instead of each comes a small one whose weights its seed draws."""
    asked: list[Any] = []

    def build(name: str, shape: tuple[int, int, int], classes: int, *, seed: int) -> Network:
        asked.append((name, shape, classes, seed))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Plain(shape, classes)

    monkeypatch.setattr(networks, "build", build)
    return asked


def test_the_network_is_the_one_that_is_named_and_fits_the_data(built: list[Any]) -> None:
    for name in ("cnn", "resnet18"):
        network, _ = learn(TrainSection(**{**KNOBS, "network": name}), noise(), **{**USUAL, "seed": 5})
        assert built.pop() == (name, (12, 9, 1), 4, 5)
        assert isinstance(network, Plain)


def test_the_real_network_is_built() -> None:
    network, _ = learn(TrainSection(**KNOBS), noise(), **USUAL)
    assert type(network).__name__ == "CNN"
    assert not network.training


@pytest.mark.parametrize(
    "change",
    [
        *({"epochs": 2}, {"batch_size": 8}, {"learning_rate": 0.02}, {"label_smoothing": 0.3}),
        *({"weight_decay": 0.5}, {"augment": ["flip"]}, {"augment": ["shift"]}, {"processes": 2}, {}),
    ],
    ids=str,
)
@pytest.mark.usefixtures("built")
def test_each_knob_of_the_section_does_something(change: dict[str, Any]) -> None:
    """But for the number of processes, which `learn` leaves to who starts them."""
    data, found = noise(), []
    for knobs in (KNOBS, {**KNOBS, **change}):
        network, _ = learn(TrainSection(**knobs), data, **USUAL)
        found.append(network.probabilities(data.images))
    assert np.array_equal(found[0], found[1]) == (not change or "processes" in change)


@pytest.mark.usefixtures("built")
def test_the_seed_draws_the_weights_and_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[Any] = []
    draw = torch.randperm

    def watched(*arguments: Any, **options: Any) -> Any:
        orders.append(draw(*arguments, **options))
        return orders[-1]

    monkeypatch.setattr("torch.randperm", watched)
    weights = [learn(TrainSection(**KNOBS), noise(), **{**USUAL, "seed": seed})[0].state_dict() for seed in (1, 1, 2)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])
    assert torch.equal(orders[0], orders[1])
    assert torch.equal(orders[2], draw(16, generator=torch.Generator().manual_seed(2)))


@pytest.mark.usefixtures("built")
def test_precision_does_something_and_progress_is_told() -> None:
    data, section, told = noise(), TrainSection(**{**KNOBS, "epochs": 3}), list[fitting.Epoch]()
    network, history = learn(section, data, **USUAL, progress=told.append)
    other, _ = learn(section, data, **{**USUAL, "precision": torch.bfloat16})
    assert not np.array_equal(network.probabilities(data.images), other.probabilities(data.images))
    assert told == history
    assert [epoch.epoch for epoch in told] == [1, 2, 3]


@pytest.mark.parametrize(
    ("knob", "least", "most", "beyond"),
    [
        ("epochs", 1, 10_000, (0, 10_001)),
        ("batch_size", 2, 1_000_000, (1, 1_000_001)),
        ("learning_rate", 1e-9, 10, (0, 10.1)),
        ("label_smoothing", 0, 0.999, (-0.01, 1)),
        ("weight_decay", 0, 1, (-0.01, 1.01)),
        ("processes", 1, 1024, (0, 1025)),
    ],
)
def test_each_knob_has_its_range(knob: str, least: float, most: float, beyond: tuple[float, float]) -> None:
    roomy = {**KNOBS, "batch_size": 10_000}
    for value in (least, most):
        assert getattr(TrainSection(**{**roomy, knob: value}), knob) == value
    for value in beyond:
        with pytest.raises(ValidationError):
            TrainSection(**{**roomy, knob: value})


def test_images_are_changed_in_ways_that_there_are_whatever_their_order() -> None:
    assert TrainSection(**KNOBS).augment == []
    for given in ([], ["flip"], ["shift"]):
        assert TrainSection(**KNOBS, augment=given).augment == given
    both = TrainSection(**KNOBS, augment=["flip", "shift"])
    assert TrainSection(**KNOBS, augment=["shift", "flip"]) == both
    assert both.model_dump_json() == TrainSection(**KNOBS, augment=["shift", "flip", "shift"]).model_dump_json()


@pytest.mark.parametrize(
    "given", ["flip", "none", None, 4, True, ["turn"], ["Flip"], [["flip"]], {"shift": 4}], ids=str
)
def test_other_changes_are_refused_with_those_that_there_are(given: Any) -> None:
    with pytest.raises(InputError, match=r"^params.yaml: train.augment = .*; allowed: a list .*flip, shift; \[\] for"):
        validate(TrainSection, "train", {**KNOBS, "augment": given})


def test_a_batch_has_two_rows_for_each_process() -> None:
    assert TrainSection(**KNOBS).processes == 1
    assert TrainSection(**KNOBS, processes=8).processes == 8
    with pytest.raises(ValidationError, match="batch_size must be 18 or more, two rows for each process"):
        TrainSection(**KNOBS, processes=9)
    with pytest.raises(ValidationError) as error:
        TrainSection(**{**KNOBS, "batch_size": "many"}, processes=1024)
    assert [problem["loc"] for problem in error.value.errors()] == [("batch_size",)], "one mistake, told once"
