"""Watching a training must tell what was learnt when, and must not change what is learnt."""

import numpy as np
import pytest
import torch

from miseducation.dataset import Dataset, clean
from miseducation.networks import Network
from miseducation.training.fitting import Epoch
from miseducation.training.learning import TrainSection, learn
from miseducation.training.watching import IMAGES, MOMENTS, PRICE, Watch


def stripes(rows: int, seed: int) -> Dataset:
    """What lies, stands, and is not there."""
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 120, (rows, 12, 12, 1), dtype=np.uint8), rng.integers(0, 3, rows)
    images[labels == 0, 1::3] = 255
    images[labels == 1, :, 1::3] = 255
    return clean(images, labels, ["lying", "standing", "none"])


def trained(data: Dataset, epochs: int, **watch: Watch) -> tuple[Network, list[Epoch]]:
    section = TrainSection(network="cnn", epochs=epochs, batch_size=20, learning_rate=0.01, label_smoothing=0)
    network, history = learn(
        section,
        data,
        seed=3,
        device=torch.device("cpu"),
        precision=torch.bfloat16,
        **watch,  # type: ignore[arg-type]
    )
    return network, history


def test_a_model_that_was_watched_is_the_same() -> None:
    data, unseen = stripes(300, 0), stripes(200, 1)
    watch = Watch(unseen, np.arange(200), rows=len(data), epochs=4, seed=0)
    watched, history = trained(data, 4, watch=watch)
    alone, other = trained(data, 4)
    assert history == other
    for ours, theirs in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    steps = [moment.step for moment in watch.moments]
    assert len(steps) > MOMENTS / 2
    assert steps == sorted(set(steps))
    assert steps[-1] == 60
    assert watch.moments[-1].epoch == 4
    assert watch.moments[0].accuracy < 0.8 < watch.moments[-1].accuracy
    assert watch.moments[-1].images == 300 * 4 // PRICE


class Counting:
    """Notes what it is asked about; reads a pixel."""

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.asked.append(images)
        return images[:, 0, 0, 0].astype(np.int64)


@pytest.mark.parametrize(
    ("rows", "epochs", "candidates", "images"),
    [(10**6, 2, 900, IMAGES), (6000, 2, 900, 50), (10**6, 2, 7, 7), (9, 1, 5, 1)],
)
def test_it_always_looks_at_the_same_images_among_the_candidates(
    rows: int, epochs: int, candidates: int, images: int
) -> None:
    pixels = np.zeros((1000, 2, 2, 1), np.uint8)
    pixels[:, 0, 1, 0] = np.arange(1000) % 251
    pixels[:, 1, 0, 0] = np.arange(1000) // 251
    data, network = clean(pixels, np.zeros(1000, np.int64), ["zero"]), Counting()
    watch = Watch(data, np.arange(candidates), rows=rows, epochs=epochs, seed=1)
    for step in range(1, 2001):
        watch(network, step, 2000)  # type: ignore[arg-type]
    assert len(network.asked) == MOMENTS
    shown = {int(each[0, 1, 0]) + 251 * int(each[1, 0, 0]) for each in network.asked[0]}
    assert len(shown) == len(network.asked[0]) == images
    assert max(shown) < candidates
    assert all(np.array_equal(each, network.asked[0]) for each in network.asked)
    # An image costs a third of a step's work on a row, or less: no more than 3 % in all.
    assert images * MOMENTS / 3 <= max(1, 0.03 * rows * epochs) or images == 1
    assert {moment.accuracy for moment in watch.moments} == {1.0}


def test_another_seed_looks_at_other_images() -> None:
    data = stripes(1000, 0)
    seen = []
    for seed in (1, 1, 2):
        network = Counting()
        Watch(data, np.arange(1000), rows=10**6, epochs=1, seed=seed)(network, 1, 1)  # type: ignore[arg-type]
        seen.append(network.asked[0])
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])
