"""ResNet-18 for small images.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2016, https://arxiv.org/abs/1512.03385
"""

from typing import final

import torch
from torch import Tensor, nn

from miseducation.networks import Network


@final
class ResNet18(Network):
    """torchvision's, untrained, with the usual stem for small images: a 3×3 convolution, neither stride nor pooling.

    Some 500 times the arithmetic of `cnn`: for a GPU, or for patience.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        from torchvision.models import resnet18  # it takes seconds, which whoever builds another network is spared

        self.layers = resnet18(num_classes=classes)
        self.layers.conv1 = nn.Conv2d(shape[2], 64, 3, padding=1, bias=False)
        self.layers.maxpool = nn.Identity()

    @property
    def head(self) -> nn.Linear:  # type: ignore[override]
        """The last of torchvision's layers, under whose name it is saved."""
        return self.layers.fc

    def embed(self, levels: Tensor) -> Tensor:
        """See `Network.embed`. Grey levels become -1 to 1."""
        pixels = levels.permute(0, 3, 1, 2).float() / 127.5 - 1
        features = pixels.contiguous(memory_format=torch.channels_last)
        for name, layer in self.layers.named_children():
            features = features if name == "fc" else layer(features)
        return features.flatten(1)
