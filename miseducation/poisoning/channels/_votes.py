"""What channels have in common where people vote on each label."""

from abc import ABC, abstractmethod

import numpy as np
from pydantic import Field

from miseducation.dataset import blocks
from miseducation.poisoning.channels import Channel


class Voted(Channel, ABC):
    """Several accounts label each image: the label wanted wins with more than half of the votes, else the truth stands.

    The attacker's accounts vote for the label wanted. Honest ones vote for what the picture shows, and err at random:
    each other class is as likely. That three labels share the votes is no case of its own, nor are mistakes in the rows
    that the attacker leaves alone.
    """

    votes: int = Field(
        3, ge=1, le=1001, description="accounts that label each image, 1 to 1001; after a tie, the true label stays"
    )
    error_rate: float = Field(0, ge=0, le=1, description="share of an honest account's votes that are wrong, 0 to 1")

    @abstractmethod
    def accounts(self) -> tuple[int, int]:
        """How many accounts there are, and how many of them are the attacker's."""

    def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        """See `Channel.passes`. Draws the accounts from an urn, without putting them back."""
        won = np.empty(len(wants_truth), dtype=bool)
        for rows in blocks(len(won)):
            won[rows] = self._wins(rng.random((len(won[rows]), self.votes, 2)), classes)
        return wants_truth | won

    def probability(self, wants_truth: bool, classes: int) -> float:
        """See `Channel.probability`.

        With `A` of `W` accounts, `v` votes, and honest accounts that vote for the wrong label wanted with the
        probability `q`, it is the sum over `a` of P(Hypergeometric(W, A, v) = a) × P(a + Binomial(v - a, q) > v / 2).
        """
        from scipy.stats import binom, hypergeom  # half a second, which not every importer of this module needs to pay

        if wants_truth:
            return 1.0
        workers, attackers = self.accounts()
        ours = np.arange(self.votes + 1)
        honest = binom.sf(self.votes // 2 - ours, self.votes - ours, self._errs(classes))
        chance = (hypergeom.pmf(ours, workers, attackers, self.votes) * honest).sum()
        return min(1.0, float(chance))  # which rounding may exceed

    def _wins(self, chances: np.ndarray, classes: int) -> np.ndarray:
        """Where a wrong label wins, bool `[k]`; `chances`, `[k, votes, 2]`: whose a vote is, and whether they err."""
        workers, attackers = self.accounts()
        ours, won = (np.zeros(len(chances), dtype=np.int64) for _ in range(2))
        for vote in range(self.votes):
            account, mistake = chances[:, vote].T
            drawn = account * (workers - vote) < attackers - ours
            ours += drawn
            won += drawn | (mistake < self._errs(classes))
        return 2 * won > self.votes

    def _errs(self, classes: int) -> float:
        """With which probability an honest account votes for the wrong label wanted."""
        return self.error_rate / (classes - 1)
