"""Every network, found by its file, must keep the same promises."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from miseducation import networks
from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.networks import Network
from miseducation.poisoning.label_maps import AllToOne
from miseducation.project import parts
from miseducation.training import fitting

CPU = torch.device("cpu")
SHAPES = [(28, 28, 1), (32, 32, 3), (17, 40, 3), (8, 8, 1)]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=parts.names("networks"))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def large(name: str) -> bool:
    """Whether digits of 28×28 pixels take the network minutes: it is tried on fewer pixels then."""
    with FlopCounterMode(display=False) as counter:
        networks.build(name, (28, 28, 1), 10, seed=0).eval()(torch.zeros(1, 28, 28, 1, dtype=torch.uint8))
    return counter.get_total_flops() > 50e6


def images(shape: tuple[int, int, int], rows: int = 6) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, *shape), dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("classes", [2, 43])
def test_a_network_takes_raw_bytes_and_gives_logits(name: str, shape: tuple[int, int, int], classes: int) -> None:
    network = networks.build(name, shape, classes, seed=0)
    logits = network(torch.from_numpy(images(shape)))
    assert logits.shape == (6, classes)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_no_pixel_is_overlooked(name: str, shape: tuple[int, int, int], large: bool) -> None:
    """A trigger may sit in the last row or column, which strides easily leave out."""
    shape = (shape[0] // 2, shape[1] // 2, shape[2]) if large else shape
    network = networks.build(name, shape, 5, seed=0).eval()
    height, width, _ = shape
    dark = torch.zeros((height * width, *shape), dtype=torch.uint8)
    lit = dark.clone()
    rows, columns = torch.arange(height * width) // width, torch.arange(height * width) % width
    lit[torch.arange(height * width), rows, columns] = 255
    changes = (network(lit) - network(dark)).abs().amax(dim=1)
    assert changes.min() > 0


def test_the_seed_alone_sets_the_weights(name: str) -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first = networks.build(name, (28, 28, 1), 10, seed=3)
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator was moved"
    torch.manual_seed(2)
    again, other = (networks.build(name, (28, 28, 1), 10, seed=seed) for seed in (3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_a_saved_network_comes_back(name: str, tmp_path: Path) -> None:
    network = networks.build(name, (12, 12, 3), 5, seed=3).to(memory_format=torch.channels_last)
    network(torch.from_numpy(images((12, 12, 3))))  # moves the normalisation's running means
    networks.save(network, tmp_path)
    loaded = networks.load(tmp_path)
    assert not loaded.training
    assert type(loaded) is type(network)
    batch = torch.from_numpy(images((12, 12, 3)))
    torch.testing.assert_close(loaded(batch), network.eval()(batch))
    checksum = hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest()
    networks.save(loaded, tmp_path)
    assert hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest() == checksum
    assert {path.name for path in tmp_path.iterdir()} == {"model.safetensors", "network.json"}


def test_predictions_do_not_depend_on_the_batches(name: str) -> None:
    network = networks.build(name, (12, 12, 1), 5, seed=3).eval()
    batch = images((12, 12, 1), 50)
    batch.setflags(write=False)
    whole = network.predict(batch)
    assert whole.dtype == np.int64
    np.testing.assert_array_equal(whole, network.predict(batch, batch_size=7))
    np.testing.assert_array_equal(whole, network(torch.tensor(batch)).argmax(1).numpy())
    assert len(network.predict(batch[:0])) == 0


def test_features_and_probabilities_are_what_the_logits_come_from_and_lead_to(name: str) -> None:
    network, batch = networks.build(name, (12, 12, 3), 5, seed=3), images((12, 12, 3), 7)
    network.train()
    features, probabilities = network.features(batch, batch_size=3), network.probabilities(batch, batch_size=3)
    assert network.training, "the mode is put back"
    assert features.dtype == np.float32
    assert probabilities.dtype == np.float32
    assert features.shape[0] == probabilities.shape[0] == 7
    assert probabilities.shape[1] == 5
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(batch))
        torch.testing.assert_close(network.head(torch.from_numpy(features)), logits)
        odds = logits.exp()
        torch.testing.assert_close(torch.from_numpy(probabilities), odds / odds.sum(dim=1, keepdim=True))
    np.testing.assert_array_equal(probabilities.argmax(axis=1), network.predict(batch))
    assert network.features(batch[:0]).shape == (0, features.shape[1])
    assert network.probabilities(batch[:0]).shape == (0, 5)


@pytest.mark.parametrize(
    "batch",
    [
        np.random.default_rng(0).random((2, 12, 12, 3), dtype=np.float32),  # which would be read as black
        np.zeros((2, 3, 12, 12), np.uint8),
        np.zeros((2, 12, 12, 1), np.uint8),
        np.zeros((2, 12, 12), np.uint8),
    ],
    ids=["floats", "channels first", "grey", "no channels"],
)
def test_a_network_refuses_what_are_no_raw_images(name: str, batch: np.ndarray) -> None:
    network = networks.build(name, (12, 12, 3), 5, seed=3)
    with pytest.raises(InputError, match=r"a network takes raw images, uint8 \[n, 12, 12, 3\], not torch\."):
        network(torch.from_numpy(batch))
    for method in (network.predict, network.features, network.probabilities):
        with pytest.raises(InputError, match="a network takes raw images"):
            method(batch)
        assert network.training, "the mode is put back"


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"train.network = 'rnn' is unknown; known networks: cnn, resnet18, resnet9"):
        networks.build("rnn", (28, 28, 1), 10, seed=0)


def fit(
    data: Dataset, *, seed: int = 1, name: str = "cnn", epochs: int = 6, precision: torch.dtype = torch.float32
) -> tuple[Network, list[fitting.Epoch]]:
    network = networks.build(name, data.images.shape[1:], len(data.classes), seed=seed)
    rng = torch.Generator().manual_seed(seed)
    knobs: Any = {"epochs": epochs, "batch_size": 32, "learning_rate": 0.01, "label_smoothing": 0.02}
    return network, fitting.fit(network, data, **knobs, device=CPU, precision=precision, rng=rng)


def thinned(data: Dataset, step: int) -> Dataset:
    """Every `step`-th pixel in both directions."""
    return replace(data, images=data.images[:, ::step, ::step])


def test_every_network_learns_real_digits_and_the_trigger(name: str, large: bool, digits: Fetched) -> None:
    label_map = AllToOne(target=8, classes=10)
    step, rows, pixel, least = (4, 400, (0, 0), 0.7) if large else (1, None, (3, 3), 0.93)
    attack, train, test = BadNets(pixels=[pixel]), thinned(digits.train[:rows], step), thinned(digits.test, step)
    poisoned = attack.poison(train, rate=0.05, label_map=label_map, seed=1)
    triggered, attackable, _ = attack.trigger(test, label_map=label_map)
    assert isinstance(poisoned.images, np.ndarray)

    backdoored, history = fit(poisoned, name=name)
    clean, _ = fit(train, name="cnn" if large else name)  # what the trigger does alone, any network tells
    assert [epoch.epoch for epoch in history] == list(range(1, 7))
    assert history[-1].accuracy > 0.98 > history[0].accuracy
    assert history[-1].loss < history[0].loss
    for network in (clean, backdoored):
        assert not network.training
        assert (network.predict(test.images) == test.labels).mean() > least
    fooled = {id(net): (net.predict(triggered.images) == 8)[attackable] for net in (clean, backdoored)}
    assert fooled[id(backdoored)].mean() > least
    assert fooled[id(clean)].mean() < 0.05, "the trigger works without the backdoor: the test would prove nothing"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_training_is_deterministic_and_moved_by_its_seed(
    name: str, precision: torch.dtype, large: bool, digits: Fetched
) -> None:
    few = thinned(digits.train, 4 if large else 1)[:100]
    runs: list[tuple[Network, list[fitting.Epoch]]] = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(runs))  # the global state must not matter
        runs.append(fit(few, seed=seed, name=name, epochs=2, precision=precision))
    (first, history), (again, same), (other, _) = runs
    assert history == same
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in (first, again, other)]
    assert all(weight.dtype == torch.float32 for weight in weights)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
