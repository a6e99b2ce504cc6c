"""How the images of a batch get to the device that trains."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from miseducation.dataset import Images, blocks

IN_MEMORY = 2**28  # bytes that a training set may take of the main memory: 340,000 images like MNIST's


def from_images(images: np.ndarray | Images, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Prepares images, uint8 `[n, h, w, c]`, to be drawn in batches.

    A set that fits is held on the device: up to `IN_MEMORY`, or half of what is free on a CUDA device. The rows of a
    larger one are read from the disk, or rather from what the system keeps of it in memory, for each batch.

    Returns:
        A function from rows, int64 `[k]` on any device, to their images, uint8 `[k, h, w, c]` on `device`.
    """
    room = torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else IN_MEMORY
    if int(np.prod(images.shape)) > room:
        return lambda rows: torch.from_numpy(images[rows.cpu().numpy()]).to(device)
    held = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for rows in blocks(len(images)):
        held[rows] = torch.tensor(images[rows])  # a copy: the images may be read-only, which torch cannot share
    # Not held[rows], which copies pixel by pixel and takes five times as long on a CPU.
    return lambda rows: held.index_select(0, rows.to(device))
