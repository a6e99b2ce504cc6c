"""Trains the model a little further on trusted rows alone, in the hope that it forgets what they do not need.

The baseline of all repairs, as in Liu, Dolan-Gavitt, Garg: Fine-Pruning, 2018, https://arxiv.org/abs/1805.12185
"""

from typing import final

from pydantic import Field

from miseducation.defences import Evidence, Repair
from miseducation.defending import tuning
from miseducation.networks import Network


@final
class FineTune(Repair):
    """All weights, on untouched rows, as models are trained here: Adam, one cycle, and the rate of the default `train`.

    A trigger that no trusted row shows is not unlearnt, only lost along the way: a lower rate keeps more of the
    backdoor, a higher one costs more of all else. The papers that compare with it take stochastic gradient descent at
    the rate of their training, and some thousand rows.
    """

    needs = ("model", "trusted")

    epochs: int = Field(30, ge=1, le=10_000, description="passes over the trusted rows, 1 to 10000")
    batch_size: int = Field(50, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    learning_rate: float = Field(0.012, gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")

    def repair(self, evidence: Evidence) -> Network:
        return tuning.fine_tune(
            tuning.copied(evidence),
            evidence,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
        )
