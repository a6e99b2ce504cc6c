"""The attacker writes into the training set: what BadNets assumes, and most papers since.

Gu, Dolan-Gavitt, Garg: BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply Chain, 2017,
https://arxiv.org/abs/1708.06733
"""

from typing import final

import numpy as np

from miseducation.poisoning.channels import Channel


@final
class Direct(Channel):
    """Everything passes."""

    def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        return np.ones(len(wants_truth), dtype=bool)

    def probability(self, wants_truth: bool, classes: int) -> float:
        return 1.0
