"""IBM's Adversarial Robustness Toolbox with the small network of its get-started example; see `art`."""

from collections.abc import Iterator

from torch import nn

from benchmarks import contestants
from benchmarks.contestants import art
from miseducation.dataset import Dataset

EPOCHS = art.EPOCHS


def network() -> nn.Sequential:
    """The network of the get-started example."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 10, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(160, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`; Adam at 0.01 and batches of 64 are the example's."""
    return art.fit(data, seed, network, learning_rate=0.01, batch_size=64)
