"""Channels: how poison gets into the training set. One file, one channel; the file's name is `attack.channel`.

The attacker triggers the images that `attack.rate` asks for. A channel decides which of them get the label that the
attacker wants; the others keep their true label, and the trigger. Where the true label is the one wanted, all do.
"""

from abc import ABC, abstractmethod

import numpy as np

from miseducation.project.params import Section


class Channel(Section, ABC):
    """What the data come through. Its fields are its knobs, read from `channels.<name>` in `params.yaml`."""

    @abstractmethod
    def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        """Which of the attacker's rows get the label that the attacker wants.

        Args:
            wants_truth: bool `[k]`, where that is the true label, as it is in clean-label attacks.
            classes: The number of classes, K, 2 or more.
            rng: Draws row by row, so that what happens to some rows does not depend on how many follow.

        Returns:
            bool `[k]`.
        """

    @abstractmethod
    def probability(self, wants_truth: bool, classes: int) -> float:
        """With which probability a row gets the label that the attacker wants: the closed form of `passes`."""
