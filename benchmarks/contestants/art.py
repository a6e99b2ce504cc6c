"""IBM's Adversarial Robustness Toolbox (PyPI: adversarial-robustness-toolbox), as its poisoning notebooks use it.

The network is the one of its backdoor notebooks on MNIST (two 3 × 3 convolutions with 32 and 64 channels, pooling,
dropout, 128 units), with their optimiser: Adam at Keras' default rate of 0.001. They train in Keras; here it is
`PyTorchClassifier.fit`, with its own defaults: batches of 128 and 10 epochs. ART's get-started example for PyTorch has
a smaller network (5 × 5 convolutions with 4 and 10 channels, 100 units, Adam at 0.01): the contestant `art_small`.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from art.estimators.classification import PyTorchClassifier
from torch import nn

from benchmarks import contestants
from benchmarks.contestants.tutorial import layers
from miseducation.dataset import Dataset

EPOCHS = 10  # the default of `fit`


def fit(
    data: Dataset, seed: int, network: Callable[[], nn.Module], learning_rate: float, batch_size: int
) -> Iterator[tuple[int, contestants.Predict]]:
    """Fits a network through ART, one epoch at a time."""
    torch.manual_seed(seed)
    model = network()
    classifier = PyTorchClassifier(
        model=model,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=learning_rate),
        input_shape=(1, 28, 28),
        nb_classes=10,
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    # ART takes floats, channels first, and one-hot labels.
    images, labels = _floats(data.images), np.eye(10, dtype=np.float32)[data.labels]
    for epoch in range(1, EPOCHS + 1):
        classifier.fit(images, labels, batch_size=batch_size, nb_epochs=1)
        yield epoch, lambda images: classifier.predict(_floats(images)).argmax(axis=1)


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    return fit(data, seed, layers, learning_rate=0.001, batch_size=128)


def _floats(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2).astype(np.float32) / 255
