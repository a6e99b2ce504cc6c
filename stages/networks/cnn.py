"""A small convolutional network that trains in well under a minute on one core."""

from typing import final

from torch import Tensor, nn

from stages.networks import Network


@final
class CNN(Network):
    """Three convolutions and a linear layer; fits any image size, number of channels and number of classes.

    The first convolution halves the image by its stride, the other two by pooling. Pooling comes before the
    normalisation and ReLU: hardly a difference to the result, and a quarter of the pixels to work on.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        height, width, channels = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1, bias=False),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1, bias=False),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * -(-height // 8) * -(-width // 8), classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """See `Network.forward`. Grey levels 0 to 255 become 0 to 1; the first normalisation layer does the rest."""
        pixels = images.permute(0, 3, 1, 2).float() / 255
        logits: Tensor = self.layers(pixels)
        return logits
