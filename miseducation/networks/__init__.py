"""Networks. One file, one network; the file's name is `train.network`.

A network takes the raw uint8 batch `[n, h, w, c]` and normalises inside, so a saved one cannot be fed wrongly.
"""

import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias, final

import numpy as np
import torch
from pydantic import Field, StrictInt
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors
from torch import Tensor, nn

from miseducation.dataset import Images, blocks
from miseducation.errors import InputError
from miseducation.project import foreign, parts
from miseducation.project.files import replacing, write_json
from miseducation.project.messages import shown
from miseducation.project.params import Section, validate

BATCH = 250  # images on the device at a time; does not change the result
LARGEST = 2**16  # what a saved network may say of its images' sides, and of its classes
Side: TypeAlias = Annotated[StrictInt, Field(ge=1, le=LARGEST)]


class Network(nn.Module, ABC):
    """A classifier of uint8 images. A subclass has `embed`, and a linear layer `head` behind it.

    Args:
        shape: Height, width and channels of the images.
        classes: The number of classes, K.
    """

    head: nn.Module

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.classes = classes

    @abstractmethod
    def embed(self, levels: Tensor) -> Tensor:
        """The features before the last layer, float `[n, d]`, of grey levels `[n, h, w, c]`, 0 to 255."""

    def logits(self, levels: Tensor) -> Tensor:
        """Float `[n, K]` of grey levels `[n, h, w, c]`, 0 to 255, of any type: for who must have a gradient."""
        logits: Tensor = self.head(self.embed(levels))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """The logits, float `[n, K]`, of a batch, uint8 `[n, h, w, c]`; an `InputError` if it is something else."""
        return self.logits(_checked(images, self.shape))

    @final
    def predict(self, images: np.ndarray | Images, *, batch_size: int = BATCH) -> np.ndarray:
        """The class that the network reads in each image, int64 `[n]`, 0 to K - 1; see `features`."""
        return self._map(lambda batch: self(batch).argmax(dim=1), images, batch_size)

    @final
    def probabilities(self, images: np.ndarray | Images, *, batch_size: int = BATCH) -> np.ndarray:
        """The probability of each class, float32 `[n, K]`, each row of which adds up to 1; see `features`."""
        return self._map(lambda batch: self(batch).float().softmax(dim=1), images, batch_size)

    @final
    def features(self, images: np.ndarray | Images, *, batch_size: int = BATCH) -> np.ndarray:
        """What the last layer gets, float32 `[n, d]`.

        Args:
            images: uint8 `[n, h, w, c]`; an `InputError` if they are something else.
            batch_size: Images on the network's device at a time.
        """
        return self._map(lambda batch: self.embed(_checked(batch, self.shape)).float(), images, batch_size)

    @torch.inference_mode()
    def _map(self, function: Callable[[Tensor], Tensor], images: np.ndarray | Images, batch_size: int) -> np.ndarray:
        """Applies a function batch by batch, in evaluation mode; no image is one batch, for the shape of its result."""
        training, device = self.training, next(self.parameters()).device
        self.eval()
        rows = blocks(max(1, len(images)), batch_size)
        batches = (torch.from_numpy(np.array(images[some])).to(device) for some in rows)
        try:
            return torch.cat([function(batch).cpu() for batch in batches]).numpy()
        finally:
            self.train(training)


def _checked(images: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Floats from 0 to 1 would be read as black."""
    if images.dtype != torch.uint8 or images.shape[1:] != shape:
        expected = f"uint8 [n, {', '.join(map(str, shape))}]"
        raise InputError(f"a network takes raw images, {expected}, not {images.dtype} {list(images.shape)}")
    return images


def build(name: str, shape: tuple[int, int, int], classes: int, *, seed: int) -> Network:
    """A new network with random weights: the same seed, the same weights. An `InputError`, if none is called so."""
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


class Saved(Section):
    """What `network.json` holds."""

    network: str = Field(description="a file of miseducation/networks, without .py")
    shape: tuple[Side, Side, Side] = Field(description=f"height, width and channels of the images, 1 to {LARGEST}")
    classes: StrictInt = Field(ge=1, le=LARGEST, description=f"the number of classes, 1 to {LARGEST}")


def load(folder: Path | str) -> Network:
    """Rebuilds a saved variant, such as `models/backdoored`, on the CPU and in evaluation mode.

    Raises:
        InputError: If the folder does not hold one, or weights and description do not fit: it may be a stranger's.
    """
    described, stored = Path(folder) / "network.json", Path(folder) / "model.safetensors"
    saved = validate(Saved, "", foreign.read_json(described), described)
    if saved.network not in parts.names("networks"):
        known = ", ".join(parts.names("networks"))
        raise InputError(f"{described}: network = {shown(saved.network)} is unknown; known networks: {known}")
    try:
        with torch.device("meta"):  # takes no memory, however large it is
            empty = build(saved.network, saved.shape, saved.classes, seed=0).state_dict()
    except (RuntimeError, ValueError, OverflowError) as error:
        raise InputError(f"{described}: there is no such network: {foreign.reason(error)}") from None
    weights = _read_weights(stored, empty)
    network = build(saved.network, saved.shape, saved.classes, seed=0)
    network.load_state_dict(weights)
    if not all(weight.isfinite().all() for weight in weights.values()):
        warnings.warn(
            f"{stored} contains weights that are not finite numbers, so the network's answers are meaningless",
            stacklevel=2,
        )
    return network.eval()


def _read_weights(path: Path, expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights in a file, if they are of the shapes and types expected; otherwise they are not even read."""
    try:
        foreign.check(path, sys.maxsize)
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            shapes = {name: torch.Size(file.get_slice(name).get_shape()) for name in names}
        wanted = {name: weight.shape for name, weight in expected.items()}
        wrong = [name for name in shapes | wanted if shapes.get(name) != wanted.get(name)]
        if not wrong:
            weights = safetensors.load_file(path)
            wrong = [name for name, weight in weights.items() if weight.dtype != expected[name].dtype]
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read: {foreign.reason(error)}") from None
    if wrong:
        raise InputError(f"{path} does not fit network.json beside it: see {shown(wrong[0])}")
    return weights
