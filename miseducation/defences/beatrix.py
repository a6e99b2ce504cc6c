"""Looks at how the features of an image go together: a trigger may look usual in each feature, but not in pairs.

Ma, Wang, Sun, Xue, Wen, Xiang: The "Beatrix" Resurrections: Robust Backdoor Detection via Gram Matrices, 2023,
https://arxiv.org/abs/2209.11715
"""

from typing import final

import numpy as np
import torch
from pydantic import Field
from scipy.stats import median_abs_deviation
from sklearn.metrics.pairwise import euclidean_distances
from torch import Tensor

from miseducation.dataset import Images, blocks
from miseducation.defences import Evidence, InputDetector, RowDetector
from miseducation.defending.maps import last_maps

SIGNIFICANT = float(np.e**2)  # the paper's index above which a class is infected
FOLDS = 5
USUAL = 0.95  # share of the trusted rows
SAMPLE = 500  # rows on either side when two sets are compared, as many as the authors'
TINY = 1e-6


@final
class Beatrix(RowDetector, InputDetector):
    """Suspicion is how far the Gram matrices of an image's maps lie outside of what is usual in its class.

    As in the authors' code: usual is ten median deviations around the median of the class's trusted rows; what lies
    outside counts as a share of the bound; 95 % of trusted rows, of folds that had no part in the bounds, settle which
    rows are odd; a class is infected if the kernel discrepancy between its odd rows and its others is an anomaly among
    the classes, and the odd rows of such classes are flagged.

    Other than there: the maps are the last ones, where theirs are one block earlier, which not every network has; a
    deviation is divided by what is usual in its class, so that all are on one scale; the discrepancy is of the features
    behind the maps, of 500 rows on either side. For training rows the class is the label, for inputs what is read.

    On MNIST with a trigger of one pixel the order of the rows is good, but no class is found infected: odd rows of
    clean classes are as far from the others as the poison is, whether features are pooled, as theirs are, or not.
    """

    needs = ("model", "trusted")

    orders: int = Field(8, ge=1, le=32, description="powers of the features whose products are looked at, 1 to 32")
    width: float = Field(10, gt=0, le=1000, description="median deviations that count as normal, above 0, at most 1000")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        return self._deviations(evidence.images, evidence, evidence.labels)

    def suspect_inputs(self, images: np.ndarray | Images, evidence: Evidence) -> np.ndarray:
        return self._deviations(images, evidence)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        labels, features, rng = evidence.labels, evidence.the_model().features, evidence.rng()
        discrepancies = np.zeros(len(evidence.classes))
        for label in range(len(discrepancies)):
            odd, others = (
                features[np.sort(rng.permutation(np.flatnonzero((labels == label) & side))[:SAMPLE])]
                for side in (suspicion > 1, suspicion <= 1)
            )
            if len(odd) and len(others):
                discrepancies[label] = discrepancy(odd.astype(np.float64), others.astype(np.float64))
        spread = median_abs_deviation(discrepancies, scale="normal") + TINY
        infected = (discrepancies - np.median(discrepancies)) / spread > SIGNIFICANT
        return (suspicion > 1) & infected[labels]

    def _deviations(
        self, images: np.ndarray | Images, evidence: Evidence, labels: np.ndarray | None = None
    ) -> np.ndarray:
        """Of each image from its class, its label's or else the one that is read: float64 `[n]`, usually below 1."""
        network, trusted = evidence.the_model().network, evidence.the_trusted()
        known = torch.cat([maps.cpu() for _, _, maps in last_maps(network, trusted.images)])
        bounds, usual = list[Tensor](), list[float]()
        for label in range(len(evidence.classes)):
            own = known[torch.from_numpy(trusted.labels == label)]
            own = own if len(own) else known
            bounds.append(self._bounds(own))
            usual.append(self._usual(own))
        deviations, scale = np.empty(len(images)), np.maximum(usual, TINY)
        for rows, read, maps in last_maps(network, images):
            classes, found = read if labels is None else labels[rows], np.empty(len(read))
            for label in np.unique(classes):
                found[classes == label] = self._outside(maps[torch.from_numpy(classes == label)], bounds[label])
            deviations[rows] = found / scale[classes]
        return deviations

    def _bounds(self, maps: Tensor) -> Tensor:
        """The least and the largest usual entry, float64 `[orders, 2, entries]`."""
        bounds = list[Tensor]()
        for order in range(1, self.orders + 1):
            entries = grams(maps, order)
            median = entries.median(dim=0).values
            spread = self.width * (entries - median).abs().median(dim=0).values
            bounds.append(torch.stack([median - spread, median + spread]))
        return torch.stack(bounds)

    def _outside(self, maps: Tensor, bounds: Tensor) -> np.ndarray:
        """How far beyond the bounds an image's entries are on average, as shares of the bounds, float64 `[n]`."""
        found = np.empty(len(maps))
        for rows in blocks(len(maps), 32):  # their matrices may be large
            beyond = torch.zeros(maps[rows].shape[0], dtype=torch.float64, device=maps.device)
            for order, (least, largest) in enumerate(bounds.to(maps.device), start=1):
                entries = grams(maps[rows], order)
                beyond += ((least - entries).relu() / (least + TINY).abs()).mean(dim=1)
                beyond += ((entries - largest).relu() / (largest + TINY).abs()).mean(dim=1)
            found[rows] = (beyond / self.orders).cpu().numpy()
        return found

    def _usual(self, maps: Tensor) -> float:
        """What 95 % of a class's trusted rows stay below, each held against bounds that it had no part in."""
        fold = torch.arange(len(maps)) % FOLDS
        parts = [fold == part for part in range(FOLDS) if 0 < (fold == part).sum() < len(maps)]
        found = [self._outside(maps[part], self._bounds(maps[~part])) for part in parts]
        return float(np.quantile(np.concatenate(found), USUAL)) if found else 1.0


def grams(maps: Tensor, order: int) -> Tensor:
    """The upper triangle of the Gram matrix of the maps to this power, and its root: float64 `[n, entries]`."""
    powers, (row, column) = maps.double() ** order, torch.triu_indices(maps.shape[1], maps.shape[1])
    entries = (powers @ powers.transpose(1, 2))[:, row, column]
    return entries.sign() * entries.abs() ** (1 / order)


def discrepancy(odd: np.ndarray, others: np.ndarray) -> float:
    """The authors' maximum mean discrepancy of two sets, with Gaussian kernels, times n × m ÷ (n + m), their sizes."""
    squares = euclidean_distances(np.concatenate([odd, others]), squared=True)
    width = max(float(np.median(squares)), TINY)
    kernel, n = np.exp(-squares / width) + np.exp(-2 * squares / width), len(odd)
    distance = kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()
    return float(distance * n * len(others) / (n + len(others)))
