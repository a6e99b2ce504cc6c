"""What a rank does in `test_distributed.py`: `python -m tests.training.rank <folder> <act>…`, by `ranks.start`."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from miseducation import networks
from miseducation.dataset import clean
from miseducation.errors import InputError
from miseducation.networks import Network
from miseducation.training import distributed, fitting, ranks

CPU = torch.device("cpu")
ROWS = range(4, 10)  # batches, of which two ranks get equal and unequal parts


class Plain(Network):
    """A linear layer: without normalisation, how a batch is shared makes no difference."""

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        self.head = nn.Linear(int(np.prod(shape)), classes)

    def embed(self, levels: Tensor) -> Tensor:
        return levels.float().flatten(1) / 255


def fitted(*, plain: bool) -> tuple[dict[str, Tensor], list[fitting.Epoch]]:
    """Weights and history of a network that was fitted to 53 rows of noise, some 13 rows a step."""
    rng = np.random.default_rng(0)
    data = clean(rng.integers(0, 256, (53, 12, 12, 1), dtype=np.uint8), np.arange(53) % 3, list("abc"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ranks.number())  # ranks that start with different weights must not go on so
        network = Plain((12, 12, 1), 3) if plain else networks.build("cnn", (12, 12, 1), 3, seed=ranks.number())
    history = fitting.fit(
        network,
        data,
        epochs=3,
        batch_size=13,
        learning_rate=0.01,
        label_smoothing=0.1,
        weight_decay=0.1,
        device=CPU,
        precision=torch.float32,
        rng=torch.Generator().manual_seed(1),
        augment=["flip", "shift"],
    )
    return network.state_dict(), history


def sample(rows: int) -> tuple[nn.Linear, Tensor, Tensor]:
    """A layer, inputs and labels, by a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rows)
        return nn.Linear(5, 3).double(), torch.randn(rows, 5).double(), torch.randint(3, (rows,))


def train(folder: Path) -> None:
    """Writes what the group computes: `<rank>.safetensors` and, of a rank that wants something else, `<rank>.txt`."""
    rank, size = distributed.place()
    found = {f"{plain}/{name}": weight for plain in (True, False) for name, weight in fitted(plain=plain)[0].items()}
    found["history"] = torch.tensor(fitted(plain=True)[1])
    for rows in ROWS:
        layer, inputs, labels = sample(rows)
        mine = torch.arange(rows).tensor_split(size)[rank]
        replica = distributed.replicate(layer)
        loss = cross_entropy(replica(inputs[mine]), labels[mine])
        found[f"gradient/{rows}"] = distributed.gradients(loss, [layer.weight], len(mine) / rows)[0]
    save_file({name: each.contiguous() for name, each in found.items()}, folder / f"{rank}.safetensors")
    distributed.check_same(b"what all want", CPU)
    try:
        distributed.check_same(b"%d" % rank, CPU)
    except InputError as error:
        (folder / f"{rank}.txt").write_text(str(error))


def wait(folder: Path) -> None:
    """Rank 0 waits for rank 1 in the midst of torch, which never comes."""
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(600 * ranks.number())
    dist.barrier()


def fail(folder: Path) -> None:
    """Rank 1 has a defect when rank 0 has long been done, and waits for it to leave the group."""
    (folder / f"{os.getpid()}.pid").touch()
    time.sleep(0.5 * ranks.number())
    assert not ranks.number(), "a defect"


if __name__ == "__main__":
    ranks.end_with_starter()
    torch.set_num_threads(1)
    place, *acts = sys.argv[1:]
    with distributed.joined(CPU):
        for act in acts:
            {"train": train, "wait": wait, "fail": fail}[act](Path(place))
    Path(place, f"{ranks.number()}.left").touch()
