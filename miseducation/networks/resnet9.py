"""A residual network of nine layers that trains in minutes on a CPU.

After the networks of DAWNBench (Page: How to Train Your ResNet, 2018, https://myrtle.ai/learn/how-to-train-your-resnet/)
and of Jordan: 94% on CIFAR-10 in 3.29 Seconds on a Single GPU, 2024, https://arxiv.org/abs/2404.00498
"""

from typing import final

import torch
from torch import Tensor, nn

from miseducation.networks import Network


@final
class ResNet9(Network):
    """Eight convolutions and a linear layer, between `cnn` and `resnet18`: a sixth of the latter's arithmetic.

    That is about 80 times the former's. Three convolutions make the image smaller, and at once, before it is
    normalised: large activations are what a CPU spends its time on. Four add what they find to what they get. Pools
    keep the row or column that is left over, so every pixel has a say.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        self.layers = nn.Sequential(
            _convolution(shape[2], 32),
            _convolution(32, 64, pooled=True),
            _Residual(64),
            _convolution(64, 128, pooled=True),
            _Residual(128),
            _convolution(128, 256, pooled=True),
            _Residual(256),
            _Residual(256),
        )
        self.head = nn.Linear(256, classes)

    def embed(self, levels: Tensor) -> Tensor:
        """See `Network.embed`. Grey levels become -1 to 1; a feature is its map's largest value."""
        pixels = levels.permute(0, 3, 1, 2).float() / 127.5 - 1
        maps: Tensor = self.layers(pixels.contiguous(memory_format=torch.channels_last))
        return maps.amax(dim=(2, 3))


class _Residual(nn.Module):
    """Adds what a convolution finds to what it gets."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.found = _convolution(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        """The same shape, float `[n, channels, h, w]`."""
        return features + self.found(features)


def _convolution(before: int, after: int, *, pooled: bool = False) -> nn.Sequential:
    """Three by three, perhaps the largest of each two by two, normalised."""
    pool = [nn.MaxPool2d(2, ceil_mode=True)] if pooled else []
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), *pool, nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
