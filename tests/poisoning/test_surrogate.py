"""The clean model in the attacker's hands: what it may be asked, and that it is as it was saved."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from miseducation import networks
from miseducation.networks import BATCH, Network
from miseducation.poisoning import surrogate as module
from miseducation.poisoning.surrogate import Surrogate
from miseducation.project.files import write_json
from miseducation.training.compute import ComputeSection

CPU = torch.device("cpu")
SHAPE = (5, 4, 1)


class Dropping(Network):
    """A network that is another one while it trains."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 3)
        self.dropout, self.head = nn.Dropout(0.5), nn.Linear(20, 3)

    def embed(self, levels: Tensor) -> Tensor:
        return self.dropout((levels / 255).flatten(1).tanh())


def images(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (rows, *SHAPE)).astype(np.float32), np.arange(rows) % 3


@pytest.fixture
def network() -> Dropping:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Dropping()


def test_the_gradient_is_that_of_each_images_own_loss(network: Dropping) -> None:
    pixels, labels = images(BATCH + 3)
    found = Surrogate(network.train(), CPU).gradient(pixels, labels)
    assert found.dtype == np.float32
    assert found.shape == pixels.shape
    weights, bias = (each.detach().double().numpy() for each in network.head.parameters())
    squashed = np.tanh(pixels.reshape(len(pixels), -1) / 255)
    logits = squashed @ weights.T + bias
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = ((chances - np.eye(3)[labels]) @ weights) * (1 - squashed**2) / 255
    np.testing.assert_allclose(found.reshape(len(pixels), -1), expected, rtol=1e-3, atol=1e-9)


def test_the_model_stays_as_it_is(network: Dropping) -> None:
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    pixels, labels = images(7)
    original = pixels.copy()
    asked = Surrogate(network.train(), CPU)
    np.testing.assert_array_equal(asked.gradient(pixels, labels), asked.gradient(pixels, labels))
    np.testing.assert_array_equal(pixels, original)
    assert not network.training, "it answers as a model in use"
    for name, weight in network.named_parameters():
        assert torch.equal(weight, before[name])
        assert not weight.requires_grad
        assert weight.grad is None


def test_of_no_image_there_is_no_gradient(network: Dropping) -> None:
    assert Surrogate(network, CPU).gradient(*images(0)).shape == (0, *SHAPE)


def test_a_saved_model_computes_on_what_it_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, asked = networks.build("cnn", (12, 12, 1), 3, seed=4), list[ComputeSection]()
    networks.save(saved, tmp_path)
    write_json(tmp_path / "training.json", {"device": "mps", "precision": "bfloat16", "threads": 3, "processes": 2})

    def set_up(section: ComputeSection) -> torch.device:
        asked.append(section)
        return CPU

    monkeypatch.setattr(module, "set_up", set_up)
    loaded = Surrogate.load(tmp_path)
    assert asked == [ComputeSection(device="mps", precision="float32", threads=3)]
    pixels: Any = np.random.default_rng(0).integers(0, 256, (2, 12, 12, 1)).astype(np.float32)
    labels = np.array([0, 2])
    np.testing.assert_array_equal(
        loaded.gradient(pixels, labels), Surrogate(saved, CPU).gradient(pixels, labels), err_msg="the same weights"
    )
    levels = torch.from_numpy(pixels[:1].copy()).requires_grad_()
    (expected,) = torch.autograd.grad(cross_entropy(saved.eval().logits(levels), torch.tensor([0])), levels)
    torch.testing.assert_close(torch.from_numpy(loaded.gradient(pixels, labels)[:1]), expected)
