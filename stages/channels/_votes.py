"""What channels have in common where people vote on each label."""

from abc import ABC, abstractmethod

import numpy as np
from pydantic import Field

from stages.channels import Channel


class Voted(Channel, ABC):
    """Several accounts label each image, and more than half of them decide; else the true label stands.

    The attacker's accounts vote for the label wanted. Honest ones see what the picture shows, and err at random.
    """

    votes: int = Field(
        3, ge=1, le=1001, description="accounts that label each image, 1 to 1001; a tie leaves the truth"
    )
    error_rate: float = Field(
        0, ge=0, le=1, allow_inf_nan=False, description="share of an honest account's votes that are for another class"
    )

    @abstractmethod
    def accounts(self) -> tuple[int, int]:
        """How many accounts there are, and how many of them are the attacker's."""

    def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        """See `Channel.passes`. Draws the accounts from an urn, without putting them back."""
        workers, attackers = self.accounts()
        # The attacker's accounts, and honest ones that vote for the label wanted.
        ours, won = (np.zeros(len(wants_truth), dtype=np.int64) for _ in range(2))
        honest = np.where(wants_truth, self._agrees(True, classes), self._agrees(False, classes))
        chances = rng.random((len(wants_truth), self.votes, 2))
        for vote in range(self.votes):
            account, opinion = chances[:, vote].T
            drawn = account * (workers - vote) < attackers - ours
            ours += drawn
            won += drawn | (opinion < honest)
        return 2 * won > self.votes

    def probability(self, wants_truth: bool, classes: int) -> float:
        """See `Channel.probability`.

        With `A` of `W` accounts, `v` votes, and honest accounts that agree with the probability `q`, it is the sum over
        `a` of P(Hypergeometric(W, A, v) = a) × P(a + Binomial(v - a, q) > v / 2).
        """
        from scipy.stats import binom, hypergeom  # half a second, which not every importer of this module needs to pay

        workers, attackers = self.accounts()
        ours = np.arange(self.votes + 1)
        honest = binom.sf(self.votes // 2 - ours, self.votes - ours, self._agrees(wants_truth, classes))
        return float((hypergeom.pmf(ours, workers, attackers, self.votes) * honest).sum())

    def _agrees(self, wants_truth: bool, classes: int) -> float:
        """With which probability an honest account votes for the label wanted."""
        return 1 - self.error_rate if wants_truth else self.error_rate / (classes - 1)
