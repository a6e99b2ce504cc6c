"""The way of PyTorch's own MNIST example: its network, optimiser, schedule and transforms, one image at a time.

The network, Adadelta at 1.0, the decay of 0.7 an epoch, batches of 64 and 14 epochs are its own; the code is not.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import nll_loss
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from benchmarks import contestants
from miseducation.dataset import Dataset

EPOCHS = 14
MEAN, DEVIATION = (0.1307,), (0.3081,)  # of MNIST's training images


class Pictures(TorchDataset[tuple[Tensor, int]]):
    """Images as torchvision's MNIST gives them: a PIL image each time one is asked for, then the transforms."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels = images, labels
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[row, :, :, 0])), int(self.labels[row])


def layers() -> nn.Sequential:
    """Two convolutions and two linear layers, to logits; ART's notebooks have the same."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    torch.manual_seed(seed)
    model = nn.Sequential(layers(), nn.LogSoftmax(dim=1))
    optimiser = torch.optim.Adadelta(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    batches = DataLoader(Pictures(data.images, data.labels), batch_size=64, shuffle=True)

    def predict(images: np.ndarray) -> np.ndarray:
        model.eval()
        with torch.no_grad():
            loader = DataLoader(Pictures(images, np.zeros(len(images))), batch_size=1000)
            return torch.cat([model(batch).argmax(dim=1) for batch, _ in loader]).numpy()

    for epoch in range(1, EPOCHS + 1):
        model.train()
        for images, labels in batches:
            optimiser.zero_grad()
            nll_loss(model(images), labels).backward()
            optimiser.step()
        schedule.step()
        yield epoch, predict
