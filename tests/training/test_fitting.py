"""The training loop: held against one that is written from its description alone, with torch's own optimiser."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from miseducation.dataset import Dataset, clean
from miseducation.networks import Network
from miseducation.training import fitting
from tests.conftest import PROJECT
from tests.training.rank import Plain

CPU = torch.device("cpu")
KNOBS: dict[str, Any] = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01, "label_smoothing": 0.1}
SHAPE = (12, 12, 1)


def noise(rows: int = 53) -> Dataset:
    rng = np.random.default_rng(0)
    return clean(rng.integers(0, 256, (rows, *SHAPE), dtype=np.uint8), np.arange(rows) % 3, list("abc"))


def seeded(kind: type[Network]) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return kind(SHAPE, 3)


def fit(data: Dataset, network: Network | None = None, **knobs: Any) -> tuple[Network, list[fitting.Epoch]]:
    network = network or seeded(Plain)
    settled = {"device": CPU, "precision": torch.float32, "rng": torch.Generator().manual_seed(1)}
    return network, fitting.fit(network, data, **{**KNOBS, **settled, **knobs})


def reference(data: Dataset, network: Network, *, epochs: int, batch_size: int, peak: float, smoothing: float) -> Any:
    """Adam with a learning rate that rises in the first fifth of the steps and falls to 0 in the rest."""
    optimiser, rng = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99)), torch.Generator().manual_seed(1)
    images, labels = torch.from_numpy(data.images), torch.from_numpy(data.labels)
    steps, history, done = max(1, round(len(data) / batch_size)), [], 0
    for epoch in range(epochs):
        losses, right = [], 0
        for rows in torch.randperm(len(data), generator=rng).tensor_split(steps):
            share = done / (steps * epochs)
            rate = peak * (0.04 + (1 - 0.04) * share / 0.2 if share < 0.2 else 1 - (share - 0.2) / 0.8)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad()
            logits: Tensor = network(images[rows])
            picked = logits.log_softmax(dim=1)
            loss = -(
                (1 - smoothing) * picked[torch.arange(len(rows)), labels[rows]] + smoothing * picked.mean(dim=1)
            ).mean()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            right += int((logits.argmax(dim=1) == labels[rows]).sum())
            done += 1
        history.append((epoch + 1, np.mean(losses), right / len(data)))
    return history


@pytest.mark.parametrize(
    "knobs",
    [{}, {"epochs": 1}, {"batch_size": 5}, {"learning_rate": 0.1}, {"label_smoothing": 0.0}, {"label_smoothing": 0.5}],
    ids=str,
)
def test_training_is_what_its_description_says(knobs: dict[str, Any]) -> None:
    data, wanted, told = noise(), {**KNOBS, **knobs}, list[fitting.Epoch]()
    ours, history = fit(data, **knobs, progress=told.append)
    theirs = seeded(Plain)
    expected = reference(
        data,
        theirs,
        epochs=wanted["epochs"],
        batch_size=wanted["batch_size"],
        peak=wanted["learning_rate"],
        smoothing=wanted["label_smoothing"],
    )
    for ours_, theirs_ in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours_, theirs_)
    np.testing.assert_allclose(history, expected, rtol=1e-5)
    assert told == history
    assert not ours.training


class Odd(Plain):
    """What may stand in a network beside plain layers: noise, normalisation, weights that are fixed or not in use."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        self.dropout, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(144)
        self.fixed, self.idle = nn.Parameter(torch.ones(144), requires_grad=False), nn.Parameter(torch.ones(2))

    def embed(self, levels: Tensor) -> Tensor:
        return self.dropout(self.norm(super().embed(levels) * self.fixed))


def test_what_is_fixed_or_not_in_use_stays_and_normalisation_learns() -> None:
    network = seeded(Odd).eval()
    fit(noise(), network)
    held = network.state_dict()
    assert torch.equal(held["fixed"], torch.ones(144))
    assert torch.equal(held["idle"], torch.ones(2))
    assert not torch.equal(held["norm.running_mean"], torch.zeros(144)), "it trains, also if it comes in use"
    assert not network.training


def test_dropout_is_settled_by_the_seed_and_leaves_the_global_generator_alone() -> None:
    class Telling(Odd):
        def embed(self, levels: Tensor) -> Tensor:
            told.append(torch.initial_seed())
            return super().embed(levels)

    found, told = [], list[int]()
    for seed, before in ((1, 10), (1, 11), (2, 12)):
        torch.manual_seed(before)
        untouched = torch.random.get_rng_state()
        network, _ = fit(noise(), seeded(Telling), batch_size=53, epochs=1, rng=torch.Generator().manual_seed(seed))
        assert torch.equal(torch.random.get_rng_state(), untouched)
        assert told[0] == seed
        found.append(network.probabilities(noise().images))
        told.clear()
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_the_order_of_the_rows_is_anothers_in_each_epoch() -> None:
    rng = torch.Generator().manual_seed(1)
    fit(noise(), epochs=2, rng=rng)
    expected = torch.Generator().manual_seed(1)
    for _ in range(2):
        torch.randperm(53, generator=expected)
    assert torch.equal(rng.get_state(), expected.get_state())


def test_bfloat16_is_for_the_products_alone() -> None:
    exact, _ = fit(noise())
    fast, history = fit(noise(), precision=torch.bfloat16)
    weight, other = (each.state_dict()["head.weight"] for each in (exact, fast))
    assert other.dtype == torch.float32
    assert not torch.equal(weight, other)
    torch.testing.assert_close(weight, other, atol=0.02, rtol=0)
    assert history[-1].loss == pytest.approx(fit(noise())[1][-1].loss, abs=0.02)


def test_another_loss_is_minimised_in_place_of_the_cross_entropy() -> None:
    told = list[tuple[Any, ...]]()

    def by_hand(logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
        told.append((logits.shape, labels.shape, label_smoothing))
        return nn.functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)

    def squares(logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
        return (logits**2).mean()

    (default, expected), (same, history) = fit(noise()), fit(noise(), loss=by_hand)
    assert history == expected
    assert all(map(torch.equal, default.parameters(), same.parameters()))
    assert {smoothing for _, _, smoothing in told} == {0.1}
    assert sum(logits[0] for logits, _, _ in told) == 3 * 53
    shrunk, history = fit(noise(), loss=squares, epochs=30)
    assert history[-1].loss < 0.1 * history[0].loss
    assert (shrunk(torch.from_numpy(noise().images)) ** 2).mean() < history[0].loss


def test_a_single_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^training takes at least 2 rows, not 1$"):
        fit(noise(1))


@pytest.mark.parametrize("batch_size", [2, 32])
@pytest.mark.parametrize("rows", [2, 3, 7, 31, 33, 65])
def test_no_row_is_left_out_and_no_batch_is_tiny(rows: int, batch_size: int) -> None:
    seen: list[Tensor] = []

    class Counting(Plain):
        def embed(self, levels: Tensor) -> Tensor:
            seen.append(levels)
            return super().embed(levels)

    data = noise(rows)
    fit(data, seeded(Counting), epochs=1, batch_size=batch_size)
    sizes = [len(batch) for batch in seen]
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == max(1, min(round(rows / batch_size), rows // 2))
    everything = torch.cat(seen).numpy()
    assert sorted(map(bytes, everything)) == sorted(map(bytes, data.images))


def test_the_learning_rate_rises_from_a_twenty_fifth_and_falls_to_nought() -> None:
    shares = [fitting.one_cycle(step / 100) for step in range(101)]
    assert shares[0] == 0.04
    assert shares[20] == max(shares) == 1
    assert shares[100] == 0
    np.testing.assert_allclose(np.diff(shares[:21]), 0.048)
    np.testing.assert_allclose(np.diff(shares[20:]), -0.0125)


def laid_otherwise(gradient: Tensor) -> list[Tensor]:
    """The same numbers as autograd may give them: in a row, transposed, with gaps, or one that stands for all."""
    gaps = torch.cat([gradient, gradient], dim=1)[:, : gradient.shape[1]]
    return [gradient, gradient.t().contiguous().t(), gaps, gradient[:1, :1].expand_as(gradient)]


@pytest.mark.parametrize("decay", [0, 0.3])
@pytest.mark.parametrize("scale", [1, 1e-8], ids=["usual", "tiny"])
@pytest.mark.parametrize("layout", range(4))
def test_adam_is_torchs_adamw(layout: int, scale: float, decay: float) -> None:
    """Of weights of several dimensions; single vectors do not shrink."""
    rng = torch.Generator().manual_seed(0)
    ours, theirs = ([torch.ones(4, 3), torch.ones(5, 2), torch.ones(2, 3, 1), torch.ones(1, 6)[0]] for _ in range(2))
    shrinking = {"params": theirs[:3], "weight_decay": decay}
    reference = torch.optim.AdamW([shrinking, {"params": theirs[3:], "weight_decay": 0}], betas=(0.9, 0.99))
    optimiser = fitting.Adam(ours, decay)
    for step in range(1, 6):
        drawn = [scale * torch.randn(weight.shape, generator=rng) for weight in ours]
        gradients = [laid_otherwise(each)[layout] if each.ndim == 2 else each for each in drawn]
        optimiser.step(gradients, 0.1 * step)
        for group in reference.param_groups:
            group["lr"] = 0.1 * step
        for weight, gradient in zip(theirs, gradients, strict=True):
            weight.grad = gradient.contiguous()
        reference.step()
        torch.testing.assert_close(ours, theirs)


def test_adam_wants_a_gradient_for_each_weight() -> None:
    with pytest.raises(ValueError, match="zip"):
        fitting.Adam([torch.ones(2), torch.ones(2)]).step([torch.ones(2)], 0.1)


def test_training_does_not_import_torchs_compiler() -> None:
    """It takes a second, as long as the training of a quarter of MNIST."""
    code = (
        "import sys, numpy, torch; from miseducation import networks; from miseducation.training import fitting;"
        " from miseducation.dataset import clean;"
        "data = clean(numpy.zeros((8, 8, 8, 1), numpy.uint8), [0, 1] * 4, ['a', 'b']);"
        "network = networks.build('cnn', (8, 8, 1), 2, seed=0);"
        "fitting.fit(network, data, epochs=1, batch_size=4, learning_rate=0.1, label_smoothing=0,"
        " device=torch.device('cpu'), precision=torch.bfloat16, rng=torch.Generator());"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)
