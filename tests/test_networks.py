"""Every network, found by its file, must keep the same promises; and the loop must train."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from stages import compute, fitting, networks, parts
from stages.attacks.badnets import BadNets
from stages.command import InputError
from stages.dataset import Dataset
from stages.datasets import Fetched
from stages.label_maps import AllToOne
from stages.networks import Network

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
    whole = networks.predict(network, batch, device=CPU)
    assert whole.dtype == np.int64
    np.testing.assert_array_equal(whole, networks.predict(network, batch, device=CPU, batch_size=7))
    np.testing.assert_array_equal(whole, network(torch.tensor(batch)).argmax(1).numpy())
    assert len(networks.predict(network, batch[:0], device=CPU)) == 0


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"train.network = 'rnn' is unknown; known networks: cnn, resnet18"):
        networks.build("rnn", (28, 28, 1), 10, seed=0)


def fit(
    data: Dataset,
    *,
    seed: int = 1,
    name: str = "cnn",
    epochs: int = 6,
    batch_size: int = 32,
    precision: torch.dtype = torch.float32,
) -> tuple[Network, list[fitting.Epoch]]:
    network = networks.build(name, data.images.shape[1:], len(data.classes), seed=seed)
    rng = torch.Generator().manual_seed(seed)
    knobs: Any = {"epochs": epochs, "batch_size": batch_size, "learning_rate": 0.01, "label_smoothing": 0.02}
    return network, fitting.fit(network, data, **knobs, device=CPU, precision=precision, rng=rng)


def thinned(data: Dataset, step: int) -> Dataset:
    """Every `step`-th pixel in both directions."""
    return replace(data, images=data.images[:, ::step, ::step])


def test_every_network_learns_real_digits_and_the_trigger(name: str, large: bool, digits: Fetched) -> None:
    label_map = AllToOne(target=8, source=None, classes=10)
    step, batch_size, pixel = (4, 64, (0, 0)) if large else (1, 32, (3, 3))
    attack, train, test = BadNets(pixels=[pixel]), thinned(digits.train, step), thinned(digits.test, step)
    rows, changed, _ = attack.poison(train, rate=0.05, label_map=label_map, rng=np.random.default_rng(1))
    images, labels = train.images.copy(), train.labels.copy()
    images[rows], labels[rows] = changed.images, changed.labels
    poisoned = Dataset(images, labels, train.true_labels, train.poisoned, train.classes)
    triggered, attackable = attack.trigger(test, label_map=label_map)

    backdoored, history = fit(poisoned, name=name, batch_size=batch_size)
    clean, _ = fit(train, name=name, batch_size=batch_size)
    assert [epoch.epoch for epoch in history] == list(range(1, 7))
    assert history[-1].accuracy > 0.98 > history[0].accuracy
    assert history[-1].loss < history[0].loss
    for network in (clean, backdoored):
        assert not network.training
        assert (networks.predict(network, test.images, device=CPU) == test.labels).mean() > 0.93
    fooled = {
        id(net): (networks.predict(net, triggered.images, device=CPU) == 8)[attackable] for net in (clean, backdoored)
    }
    assert fooled[id(backdoored)].mean() > 0.95
    assert fooled[id(clean)].mean() < 0.05, "the trigger works without the backdoor: the test would prove nothing"


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_training_is_deterministic_and_moved_by_its_seed(
    name: str, precision: torch.dtype, large: bool, digits: Fetched
) -> None:
    few = thinned(digits.train, 4 if large else 1)[:200]
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


def test_a_single_row_is_refused(digits: Fetched) -> None:
    with pytest.raises(ValueError, match="at least 2 rows, not 1"):
        fit(digits.train[:1])


@pytest.mark.parametrize("batch_size", [2, 32])
@pytest.mark.parametrize("rows", [2, 3, 7, 31, 33, 65])
def test_no_row_is_left_out_and_no_batch_is_tiny(
    digits: Fetched, rows: int, batch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    forward = torch.nn.Sequential.forward

    def counting(self: torch.nn.Sequential, batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(torch.nn.Sequential, "forward", counting)
    fit(digits.train[:rows], epochs=1, batch_size=batch_size)
    assert sum(seen) == rows
    assert min(seen) >= 2
    assert max(seen) - min(seen) <= 1


def laid_otherwise(gradient: torch.Tensor) -> list[torch.Tensor]:
    """The same numbers as autograd may give them: in a row, transposed, or one that stands for all."""
    return [gradient, gradient.t().contiguous().t(), gradient[:1, :1].expand_as(gradient)]


@pytest.mark.parametrize("layout", range(3))
def test_adam_is_torchs_adam(layout: int) -> None:
    rng = torch.Generator().manual_seed(0)
    ours, theirs = ([torch.ones(4, 3), torch.ones(5, 2)] for _ in range(2))
    optimiser, reference = fitting.Adam(ours), torch.optim.Adam(theirs, betas=(0.9, 0.99))
    for step in range(1, 6):
        gradients = [laid_otherwise(torch.randn(weight.shape, generator=rng))[layout] for weight in ours]
        optimiser.step(gradients, 0.1 * step)
        for group in reference.param_groups:
            group["lr"] = 0.1 * step
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = gradient.contiguous()
        reference.step()
        torch.testing.assert_close(ours, theirs)


def test_training_does_not_import_torchs_compiler() -> None:
    """It takes a second, as long as the training of a quarter of MNIST."""
    code = (
        "import sys, numpy, torch; from stages import fitting, networks; from stages.dataset import clean;"
        "data = clean(numpy.zeros((8, 8, 8, 1), numpy.uint8), [0, 1] * 4, 'ab');"
        "network = networks.build('cnn', (8, 8, 1), 2, seed=0);"
        "fitting.fit(network, data, epochs=1, batch_size=4, learning_rate=0.1, label_smoothing=0,"
        " device=torch.device('cpu'), precision=torch.bfloat16, rng=torch.Generator());"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)


@pytest.mark.parametrize(
    ("asked", "features", "expected"),
    [
        ("auto", {"amx_bf16": True}, torch.bfloat16),
        ("auto", {"avx512_bf16": True}, torch.bfloat16),
        ("auto", {"avx512_bf16": False, "avx2": True}, torch.float32),
        ("auto", {}, torch.float32),
        ("float32", {"amx_bf16": True}, torch.float32),
        ("bfloat16", {}, torch.bfloat16),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_has_it(
    asked: Any, features: dict[str, bool], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert compute.precision(compute.ComputeSection(device="cpu", precision=asked, threads=1), CPU) == expected
