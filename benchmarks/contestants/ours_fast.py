"""The same as `ours` in half the time, for who is content with 99.2 %: one epoch of smaller steps."""

from collections.abc import Iterator

from benchmarks import contestants
from benchmarks.contestants.ours import SECTION, fit
from miseducation.dataset import Dataset

# As `dvc exp run -S train.epochs=1 -S train.batch_size=80 -S train.learning_rate=0.01` would set them.
FAST = {"epochs": 1, "batch_size": 80, "learning_rate": 0.01}
EPOCHS = FAST["epochs"]


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    return fit(SECTION.model_copy(update=FAST), data, seed)
