"""Networks. One file, one network; the file's name is `train.network`.

A network takes the raw uint8 batch `[n, h, w, c]` and normalises inside, so a saved one cannot be fed wrongly.
"""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch
from safetensors import torch as safetensors
from torch import Tensor, nn

from stages import parts
from stages.files import read_json, replacing, write_json


class Network(nn.Module, ABC):
    """A classifier of uint8 images.

    Args:
        shape: Height, width and channels of the images.
        classes: The number of classes, K.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.classes = classes

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Returns the logits, float32 `[n, K]`, of a batch, uint8 `[n, h, w, c]`."""


def build(name: str, shape: tuple[int, int, int], classes: int, *, seed: int) -> Network:
    """A new network with random weights: the same seed, the same weights.

    Raises:
        InputError: If there is no network of this name.
    """
    network = parts.find("networks", name, Network, "train.network")
    # torch's layers draw their initial weights from the global generator; it is put back afterwards.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network(shape, classes)


def save(network: Network, folder: Path) -> None:
    """Writes `model.safetensors` and `network.json`, which is what `load` needs to build the network again."""
    name = type(network).__module__.rpartition(".")[2]
    weights = {name: weight.contiguous().cpu() for name, weight in network.state_dict().items()}
    with replacing(folder / "model.safetensors") as partial:
        partial.write_bytes(safetensors.save(weights))
    write_json(folder / "network.json", {"network": name, "shape": list(network.shape), "classes": network.classes})


def load(folder: Path | str) -> Network:
    """Rebuilds a saved variant, such as `models/backdoored`, on the CPU and in evaluation mode."""
    folder = Path(folder)
    description = read_json(folder / "network.json")
    network = build(description["network"], tuple(description["shape"]), description["classes"], seed=0)
    network.load_state_dict(safetensors.load_file(folder / "model.safetensors"))
    return network.eval()


def predict(network: Network, images: np.ndarray, *, device: torch.device, batch_size: int = 250) -> np.ndarray:
    """The class that the network reads in each image.

    Args:
        network: In evaluation mode.
        images: uint8 `[n, h, w, c]`.
        device: Where to compute.
        batch_size: Images held on the device at a time; it does not change the result.

    Returns:
        int64 `[n]`, 0 to K - 1.
    """
    network.to(device)
    predictions = np.empty(len(images), dtype=np.int64)
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = torch.from_numpy(np.array(images[start : start + batch_size])).to(device)
            predictions[start : start + batch_size] = network(batch).argmax(dim=1).cpu().numpy()
    return predictions
