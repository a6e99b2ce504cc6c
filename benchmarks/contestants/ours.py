"""What `stages/train.py` does, with the section `train` of `params.yaml`; it looks at the model at the end only."""

from collections.abc import Iterator
from typing import Literal

from benchmarks import contestants
from stages import networks
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import Dataset
from stages.params import read
from stages.train import TrainSection, learn

SECTION = read(TrainSection, "train")
EPOCHS = SECTION.epochs


def fit(
    section: TrainSection, data: Dataset, seed: int, number_format: Literal["auto", "float32"] = "auto"
) -> Iterator[tuple[int, contestants.Predict]]:
    """Trains as the stage would with these knobs."""
    compute = ComputeSection(device="cpu", precision=number_format, threads=1)
    device = set_up(compute)
    network, history = learn(section, data, seed=seed, device=device, precision=precision(compute, device))
    yield len(history), lambda images: networks.predict(network, images, device=device)


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    return fit(SECTION, data, seed)
