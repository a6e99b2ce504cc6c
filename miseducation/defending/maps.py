"""The last feature maps of a network: what its last layer gets, before it is pooled or flattened."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from miseducation.dataset import Images, blocks
from miseducation.networks import BATCH, Network


def last_maps(network: Network, images: np.ndarray | Images) -> Iterator[tuple[slice, np.ndarray, Tensor]]:
    """Goes through images, a batch at a time.

    Args:
        network: It is left as it is.
        images: uint8 `[n, h, w, c]`.

    Yields:
        The batch's rows, the class read in each, int64 `[k]`, and its maps, float32 `[k, channels, positions]`; the
        features, with one position, if the network has no maps.
    """
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _given: Any, made: Any) -> None:
        if isinstance(made, Tensor) and made.ndim == 4 and made.shape[2:].numel() > 1:
            kept[:] = [made]

    hooks = [module.register_forward_hook(keep) for module in network.modules()]
    try:
        for rows in blocks(len(images), BATCH):
            some = np.asarray(images[rows])
            read = network.predict(some)
            maps = kept[0].flatten(2) if kept else torch.from_numpy(network.features(some))[..., None]
            yield rows, read, maps.float()
    finally:
        for hook in hooks:
            hook.remove()
