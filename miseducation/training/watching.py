"""What a network makes of some images while it is trained: the moment in which it learns them, or a backdoor forms."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from miseducation.dataset import Dataset, Images

if TYPE_CHECKING:
    from miseducation.networks import Network

MOMENTS = 20  # of a training, the closer the earlier
IMAGES = 500  # that are looked at in each
PRICE = 240  # rows learnt from for each image: so that looking takes about 2 % of the time


class Moment(NamedTuple):
    """One row of `learnt.csv`.

    Attributes:
        step: Steps behind it, from 1.
        epoch: The same in epochs.
        images: How many were looked at.
        accuracy: Share of them that the network read as they are labelled, 0 to 1.
    """

    step: int
    epoch: float
    images: int
    accuracy: float


class Watch:
    """Asks a network at `MOMENTS` of its training what it reads in some images, always the same ones.

    It goes as `watch` into `fitting.fit`, and neither changes the network nor draws from anybody's random numbers.

    Args:
        data: Images that the network does not learn from, with the labels that its training set teaches.
        candidates: int64 `[m]`, the rows of it that may be taken, one or more.
        rows: Of the training set.
        epochs: Of the training.
        seed: Draws the images.
    """

    def __init__(
        self, data: Dataset | Dataset[Images], candidates: np.ndarray, *, rows: int, epochs: int, seed: int
    ) -> None:
        count = min(IMAGES, len(candidates), max(1, rows * epochs // PRICE))
        chosen = np.random.default_rng(seed).choice(candidates, count, replace=False)
        self._shown, self._epochs = data[np.sort(chosen)], epochs
        self.moments: list[Moment] = []

    def __call__(self, network: "Network", step: int, steps: int) -> None:
        """Looks, if it is time to."""
        if step in {round(steps * (moment / MOMENTS) ** 2) for moment in range(1, MOMENTS + 1)}:
            hits = network.predict(self._shown.images) == self._shown.labels
            self.moments.append(Moment(step, self._epochs * step / steps, len(hits), float(hits.mean())))
