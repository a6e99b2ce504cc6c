"""What `stages/train.py` does, with the section `train` of `params.yaml`; it looks at the model at the end only."""

from collections.abc import Iterator
from typing import Literal

from benchmarks import contestants
from miseducation.dataset import Dataset
from miseducation.project.params import read
from miseducation.training.compute import ComputeSection, precision, set_up
from miseducation.training.learning import TrainSection, learn

SECTION = read(TrainSection, "train")
EPOCHS = SECTION.epochs


def fit(
    section: TrainSection, data: Dataset, seed: int, number_format: Literal["auto", "float32"] = "auto"
) -> Iterator[tuple[int, contestants.Predict]]:
    """Trains as the stage would with these knobs."""
    compute = ComputeSection(device="cpu", precision=number_format, threads=1)
    device = set_up(compute)
    network, history = learn(section, data, seed=seed, device=device, precision=precision(compute, device))
    yield len(history), network.predict


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    return fit(SECTION, data, seed)
