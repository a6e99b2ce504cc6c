"""A small convolutional network that trains in seconds on one core."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from miseducation.networks import Network


@final
class CNN(Network):
    """Three convolutions and a linear layer; fits any image size, number of channels and number of classes.

    Two strides and no pooling keep the activations few, and they, not the arithmetic, take the time. Every pixel has a
    say, as a trigger may sit anywhere: the first convolution is padded, and images are filled up with zeros to a
    multiple of 4, so that no stride leaves a row or column out. Pixels at the rim still count less than others.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        height, width = (max(16, -(-side // 4) * 4) for side in shape[:2])
        self.filling = (0, width - shape[1], 0, height - shape[0])
        self.layers = nn.Sequential(
            nn.Conv2d(shape[2], 16, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.head = nn.Linear((height // 4 - 3) * (width // 4 - 3) * 64, classes)

    def embed(self, levels: Tensor) -> Tensor:
        """See `Network.embed`. Grey levels become 0 to 1; the first normalisation layer does the rest."""
        pixels = levels.permute(0, 3, 1, 2).float() / 255
        if any(self.filling):
            pixels = pad(pixels, self.filling)
        features = self.layers(pixels.contiguous(memory_format=torch.channels_last))
        # In the order in which they lie in memory, or flattening would copy them, and the way back them all again.
        flat: Tensor = features.permute(0, 2, 3, 1).flatten(1)
        return flat
