"""torchvision's ResNet-18 as it is, trained as `ours`: made for 224×224 pixels, it halves small images as often."""

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from benchmarks import contestants
from benchmarks.contestants.ours import EPOCHS, SECTION
from miseducation.dataset import Dataset
from miseducation.networks import Network
from miseducation.training import fitting
from miseducation.training.compute import ComputeSection, precision, set_up

__all__ = ["EPOCHS", "train"]


@final
class Plain(Network):
    """Without the stem for small images that `miseducation/networks/resnet18.py` gives it; for three channels."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        self.layers = resnet18()
        self.layers.fc = nn.Identity()
        self.head = nn.Linear(512, classes)

    def embed(self, levels: Tensor) -> Tensor:
        """See `Network.embed`. Grey levels become -1 to 1."""
        pixels = levels.permute(0, 3, 1, 2).float() / 127.5 - 1
        features: Tensor = self.layers(pixels.contiguous(memory_format=torch.channels_last))
        return features


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    compute = ComputeSection(device="cpu", precision="auto", threads=1)
    device = set_up(compute)
    torch.manual_seed(seed)
    network = Plain(data.images.shape[1:], len(data.classes))
    knobs = SECTION.model_dump(exclude={"network", "processes"})
    rng = torch.Generator().manual_seed(seed)
    history = fitting.fit(network, data, **knobs, device=device, precision=precision(compute, device), rng=rng)
    yield len(history), network.predict
