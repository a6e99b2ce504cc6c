"""How images are changed each time training sees them, so that few teach as much as many: `train.augment`."""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad


class Augment:
    """Changes images by chance, otherwise in each epoch; a seed settles it.

    - `flip` mirrors half of them, left to right, and the other half in the next epoch: two epochs in a row see both
      sides of each (Jordan 2024, arXiv:2404.00498).
    - `shift` moves them by up to a sixteenth of their height and width in any direction. What comes in is black, what
      goes out is lost. At 32×32 it is torchvision's `RandomCrop(32, padding=2)`, as in short training; in long training
      a padding of 4 is usual.

    What happens to an image depends on its row and the epoch, not on the batch: so it is the same for any number of
    processes.

    Args:
        changes: Their names; none leaves the images alone.
        shape: The training set's, `[n, h, w, c]`.
        seed: Draws everything, and not what torch's generators draw from the same seed.
        device: Where the images are.
    """

    def __init__(self, changes: Collection[str], shape: tuple[int, ...], *, seed: int, device: torch.device) -> None:
        self.changes, self.shape, self.device = changes, shape, device
        self.rng = np.random.default_rng(seed)
        self.most = round(shape[1] / 16), round(shape[2] / 16)
        drawn = shape[0] if changes else 0
        self.mirrored = self._place(self.rng.random(drawn) < 0.5)

    def start_epoch(self) -> None:
        """Draws what happens to each image until the next call; comes before the first image."""
        self.mirrored = ~self.mirrored
        if "shift" in self.changes:  # or they would be drawn for nothing, millions perhaps
            ends = [2 * most + 1 for most in self.most]
            self.corners = self._place(self.rng.integers(0, ends, (self.shape[0], 2), dtype=np.int32))

    def __call__(self, images: Tensor, rows: Tensor) -> Tensor:
        """The images of some rows, uint8 `[k, h, w, c]`, changed; what is given stays as it is."""
        if "flip" in self.changes:
            images = torch.where(self.mirrored[rows, None, None, None], images.flip(2), images)
        if "shift" in self.changes:
            (down, across), (height, width) = self.most, self.shape[1:3]
            windows = pad(images, (0, 0, across, across, down, down)).unfold(1, height, 1).unfold(2, width, 1)
            tops, lefts = self.corners[rows].long().unbind(1)
            images = windows[torch.arange(len(rows), device=self.device), tops, lefts].permute(0, 2, 3, 1)
        return images

    def _place(self, drawn: np.ndarray) -> Tensor:
        return torch.from_numpy(drawn).to(self.device)
