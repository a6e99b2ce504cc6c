"""Confuses a model with wrong labels on trusted images: the rows that it still fits have a trigger.

Qi, Xie, Wang, Wu, Mahloujifar, Mittal: Towards A Proactive ML Approach for Detecting Backdoor Poison Samples, 2023,
https://arxiv.org/abs/2205.13616
"""

import copy
from typing import final

import numpy as np
import torch
from pydantic import Field
from scipy.stats import norm
from torch.nn.functional import cross_entropy

from miseducation.defences import Evidence, RowDetector
from miseducation.networks import Network
from miseducation.training import batches

# By round, the first four and the last two of the authors' code: how much of the rows is kept, the weight of trusted
# rows against one of the others, for how many batches of trusted rows there is one of the others, and momentum.
SHARES = (1 / 2, 1 / 5, 1 / 25, 1 / 50, 1 / 100, 1 / 100)
WEIGHTS = (24, 24, 49, 49, 24, 9)
FACTORS = (2, 2, 8, 8, 2, 1)
MOMENTA = (0.5, 0.5, 0.7, 0.7, 0.7, 0.7)
LEAST = 1 / 50  # of a class's rows are kept
DECAY = 1e-4


@final
class ConfusionTraining(RowDetector):
    """Suspicion is the log odds of a row's label under the model that was confused in the last round.

    As in the authors' code: in each round a model that knows the rows kept is trained on trusted images with wrong
    labels, drawn anew each time, and now and then on rows that were kept; the rows that it fits best are kept for the
    next round, and the model learns those. Rows that are fitted in the end, with odds above 1, are flagged in classes
    where two clusters explain the rows much better than one: e times for each row, or 1.5 times for the best class.

    Other than there: the first model is the one at hand, and the others learn for `steps` batches, where theirs learn
    for 40 to 100 epochs; there are six rounds, all alike, in place of eight; and the clusters are of the log odds, not
    of two principal components of the confused model's features.
    """

    needs = ("model", "trusted")

    steps: int = Field(
        300, ge=1, le=100_000, description="batches in the training that confuses the model, 1 to 100000"
    )
    batch_size: int = Field(64, ge=2, le=10_000, description="rows of a batch, trusted or not, 2 to 10000")
    learning_rate: float = Field(
        0.01, gt=0, le=10, description="learning rate of gradient descent, above 0, at most 10"
    )

    def suspect(self, evidence: Evidence) -> np.ndarray:
        rng = torch.Generator().manual_seed(evidence.seed)
        base, kept, odds = copy.deepcopy(evidence.the_model().network), np.arange(len(evidence)), np.zeros(0)
        with torch.random.fork_rng(devices=[evidence.the_model().device] if torch.cuda.is_available() else []):
            torch.manual_seed(evidence.seed)  # for layers such as dropout
            for part in range(len(SHARES)):
                if part:
                    self._learn(base, kept, evidence, rng)
                confused = self._confuse(copy.deepcopy(base), kept, evidence, part, rng)
                odds = log_odds(confused.probabilities(evidence.images), evidence.labels)
                kept = _best(odds, evidence.labels, SHARES[part])
        return odds

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        fitted, labels = suspicion > 0, evidence.labels
        gains = np.array([_gain(suspicion[labels == label]) for label in range(len(evidence.classes))])
        clear = (gains > 1) | ((gains == gains.max()) & (gains > np.log(1.5)))
        return fitted & clear[labels]

    def _learn(self, network: Network, kept: np.ndarray, evidence: Evidence, rng: torch.Generator) -> None:
        """Trains the network, in place, on the rows that were kept."""
        device, labels = evidence.the_model().device, torch.tensor(evidence.labels)
        pictures, optimiser = batches.from_images(evidence.images, device), self._optimiser(network, 0.9)
        for _ in range(self.steps):
            rows = torch.from_numpy(kept)[torch.randint(len(kept), (self.batch_size,), generator=rng)]
            optimiser.zero_grad()
            cross_entropy(network(pictures(rows)), labels[rows].to(device)).backward()
            optimiser.step()

    def _confuse(
        self, network: Network, kept: np.ndarray, evidence: Evidence, part: int, rng: torch.Generator
    ) -> Network:
        """Trains the network, in place, on trusted images with wrong labels; returns it in evaluation mode."""
        device, labels, classes = evidence.the_model().device, torch.tensor(evidence.labels), len(evidence.classes)
        pictures, trusted = batches.from_images(evidence.images, device), evidence.the_trusted()
        images, right = torch.tensor(trusted.images), torch.tensor(trusted.labels)
        optimiser = self._optimiser(network, MOMENTA[part])
        counts = np.bincount(evidence.labels[kept], minlength=classes) / len(kept)
        rarity = torch.tensor(1 / np.sqrt(counts + 0.001), dtype=torch.float32, device=device)
        for step in range(self.steps):
            some = torch.randint(len(images), (self.batch_size,), generator=rng)
            wrong = (right[some] + torch.randint(1, max(classes, 2), (self.batch_size,), generator=rng)) % classes
            batch, wanted = images[some].to(device), wrong.to(device)
            mixed = step % FACTORS[part] == 0
            if mixed:
                rows = torch.from_numpy(kept)[torch.randint(len(kept), (self.batch_size,), generator=rng)]
                batch, wanted = torch.cat([batch, pictures(rows)]), torch.cat([wanted, labels[rows].to(device)])
            logits = network(batch)
            loss = cross_entropy(logits[: self.batch_size], wanted[: self.batch_size])
            if mixed:
                fit = cross_entropy(logits[self.batch_size :], wanted[self.batch_size :], weight=rarity)
                loss = (WEIGHTS[part] * loss + fit) / (WEIGHTS[part] + 1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return network.eval()

    def _optimiser(self, network: Network, momentum: float) -> torch.optim.SGD:
        """Of all its weights; from now on the network is in training mode."""
        return torch.optim.SGD(network.train().parameters(), self.learning_rate, momentum, weight_decay=DECAY)


def log_odds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Of each row's label, float64 `[n]`, finite."""
    own = np.arange(probabilities.shape[1]) == labels[:, None]
    shares = probabilities.astype(np.float64) + 1e-30
    return np.log(shares[own]) - np.log(np.where(own, 1e-30, shares).sum(axis=1))


def _best(odds: np.ndarray, labels: np.ndarray, share: float) -> np.ndarray:
    """This share of the rows, those with the highest odds, and a few of each class; at least one."""
    order = np.argsort(-odds, kind="stable")
    kept = order[: max(1, int(share * len(order)))]
    few = [own[: int(LEAST * len(own))] for own in (order[labels[order] == label] for label in np.unique(labels))]
    return np.unique(np.concatenate([kept, *few]))


def _gain(odds: np.ndarray) -> float:
    """By how much likelier two normal distributions make one class's rows than one does: the mean of the logarithms."""
    fitted = odds > 0
    if min(fitted.sum(), (~fitted).sum()) < 2:
        return 0.0
    one, other = (norm(part.mean(), np.sqrt(part.var() + 0.001)) for part in (odds[~fitted], odds[fitted]))
    return float((other.logpdf(odds[fitted]) - one.logpdf(odds[fitted])).sum() / len(odds))
