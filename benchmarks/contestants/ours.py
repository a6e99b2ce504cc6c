"""What `stages/train.py` does, with the section `train` of `params.yaml`; it looks at the model at the end only."""

from collections.abc import Iterator

from benchmarks import contestants
from stages import networks
from stages.compute import ComputeSection, set_up
from stages.dataset import Dataset
from stages.params import read
from stages.train import TrainSection, learn

SECTION = read(TrainSection, "train")
EPOCHS = SECTION.epochs


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    device = set_up(ComputeSection(device="cpu", threads=1))
    network, history = learn(SECTION, data, seed=seed, device=device)
    yield len(history), lambda images: networks.predict(network, images, device=device)
