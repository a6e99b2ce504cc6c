"""The same as `ours` with `compute.precision=float32`, as it is on processors that don't multiply in bfloat16."""

from collections.abc import Iterator

from benchmarks import contestants
from benchmarks.contestants.ours import EPOCHS, SECTION, fit
from miseducation.dataset import Dataset

__all__ = ["EPOCHS", "train"]


def train(data: Dataset, seed: int) -> Iterator[tuple[int, contestants.Predict]]:
    """See `contestants.Train`."""
    return fit(SECTION, data, seed, "float32")
