"""Isolates the rows that a network learns first, while its loss on the others is kept from falling further.

Li, Lyu, Koren, Lyu, Li, Ma: Anti-Backdoor Learning: Training Clean Models on Poisoned Data, 2021,
https://arxiv.org/abs/2110.11571, its first phase
"""

from typing import Any, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from miseducation.dataset import Dataset, clean
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.views import losses
from miseducation.training import fitting


@final
class LossIsolation(RowDetector):
    """Suspicion is minus the loss, in nats, after a few epochs of local gradient ascent.

    The share isolated is the paper's. The epochs and the loss are those of the authors' code: the gradient turns round
    where the mean of a batch falls below gamma. (The paper has it for each row, which keeps poison up as well.) The
    network, its optimiser and learning rate are the recipe's, without label smoothing, in place of a wide residual
    network and plain gradient descent.

    It rests on poison being learnt first, as a large trigger on a tenth of the rows is. A single pixel on a few rows
    is learnt last: then suspicion is the wrong way round.
    """

    needs = ("recipe",)

    gamma: float = Field(0.5, gt=0, le=100, description="mean loss, in nats, that training does not go below")
    epochs: int = Field(10, ge=1, le=10_000, description="passes over the training rows, 1 to 10000")
    share: float = Field(0.01, gt=0, lt=1, description="share of the rows that is isolated, between 0 and 1")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        recipe = evidence.the_recipe()
        network = recipe.fresh(evidence.seed)
        data: Dataset[Any] = clean(evidence.images, evidence.labels, evidence.classes)
        knobs = recipe.section.model_dump(exclude={"network", "processes"})
        fitting.fit(
            network,
            data,
            **knobs | {"epochs": self.epochs, "label_smoothing": 0},
            device=recipe.device,
            precision=recipe.precision,
            rng=torch.Generator().manual_seed(evidence.seed),
            loss=self._ascent,
        )
        return -losses(network.probabilities(evidence.images), evidence.labels)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        flagged = np.zeros(len(suspicion), bool)
        flagged[np.argsort(-suspicion, kind="stable")[: int(self.share * len(suspicion))]] = True
        return flagged

    def _ascent(self, logits: Tensor, labels: Tensor, *, label_smoothing: float) -> Tensor:
        loss = cross_entropy(logits, labels, label_smoothing=label_smoothing)
        return torch.sign(loss - self.gamma) * loss
