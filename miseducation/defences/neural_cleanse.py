"""Looks for the smallest mark that turns any image into a class; one that needs far less than the others is a target.

Wang, Yao, Shan, Li, Viswanath, Zheng, Zhao: Neural Cleanse: Identifying and Mitigating Backdoor Attacks in Neural
Networks, 2019, https://doi.org/10.1109/SP.2019.00031
"""

from typing import final

import numpy as np
import torch
from pydantic import Field
from scipy.stats import median_abs_deviation
from torch import Tensor
from torch.nn.functional import cross_entropy

from miseducation.defences import Evidence, Finding, ModelScanner

ROUND = 10  # steps between two looks at how often the mark works
PRICE = 1e-3  # of the mask at first, per pixel
DEARER = 1.5  # factor of the price after a round in which the mark worked; it falls by its power of 1.5


@final
class NeuralCleanse(ModelScanner):
    """Cross-entropy plus the price of the mask, its sum, is minimised over mask and pattern, with Adam in tanh space.

    As in the paper and the authors' code: the price rises while the mark turns enough images and falls while it does
    not, the smallest mask that did is kept, and the index is how many deviations, 1.4826 × MAD, its sum lies below the
    classes' median. Masks above the median are no anomaly, so their index is negative.

    Other than there: fewer steps, a look after ten of them and no patience, since theirs take an hour; all classes are
    optimised at once, from the same start and with the same images; and a class that no mark turned counts as one that
    takes the whole image, where they keep the last mask, which may be small.
    """

    needs = ("model", "trusted")

    steps: int = Field(1000, ge=ROUND, le=1_000_000, description="steps of Adam, 10 to 1000000")
    batch_size: int = Field(32, ge=1, le=10_000, description="trusted images per step and class, 1 to 10000")
    learning_rate: float = Field(0.1, gt=0, le=10, description="learning rate of Adam, above 0, at most 10")
    success: float = Field(0.99, gt=0, le=1, description="share of images that the mark has to turn, above 0 to 1")

    def inspect(self, evidence: Evidence) -> list[Finding]:
        found = self._marks(evidence).cpu().numpy()
        masks, patterns = found[..., 0], found[..., 1:] * 255
        sums = masks.sum(axis=(1, 2), dtype=np.float64)
        spread = max(median_abs_deviation(sums, scale="normal"), 1e-6)
        anomalies = (np.median(sums) - sums) / spread
        return [Finding(float(index), *mark) for index, *mark in zip(anomalies, masks, patterns, strict=True)]

    def _marks(self, evidence: Evidence) -> Tensor:
        """Of each class the mask and behind it the pattern's channels, float32 `[K, h, w, 1 + c]`, 0 to 1."""
        network, device, classes = evidence.the_model().network, evidence.the_model().device, len(evidence.classes)
        images = torch.tensor(evidence.the_trusted().images, device=device).float()
        rng = torch.Generator().manual_seed(evidence.seed)
        start = torch.rand((*network.shape[:2], 1 + network.shape[2]), generator=rng)
        hidden = torch.atanh((2 * start - 1).clamp(-0.999, 0.999)).repeat(classes, 1, 1, 1).to(device).requires_grad_()
        adam = torch.optim.Adam([hidden], self.learning_rate, betas=(0.5, 0.9))
        wanted = torch.arange(classes, device=device).repeat_interleave(self.batch_size)
        price = torch.full((classes,), PRICE, device=device)
        best = torch.ones_like(hidden)
        for _ in range(self.steps // ROUND):
            turned = torch.zeros(classes, device=device)
            for _ in range(ROUND):
                marks = hidden.tanh() / 2 + 0.5
                mask, pattern = marks[:, None, ..., :1], marks[:, None, ..., 1:] * 255
                some = images[torch.randint(len(images), (self.batch_size,), generator=rng).to(device)]
                logits = network.logits(((1 - mask) * some + mask * pattern).flatten(0, 1)).float()
                losses = cross_entropy(logits, wanted, reduction="none").view(classes, -1).mean(dim=1)
                cost = (losses + price * mask.sum(dim=(1, 2, 3, 4))).sum()
                (hidden.grad,) = torch.autograd.grad(cost, [hidden])
                adam.step()
                turned += (logits.argmax(dim=1) == wanted).view(classes, -1).float().mean(dim=1) / ROUND
            works = turned >= self.success - 1e-6  # means of ten floats
            smaller = marks.detach()[..., 0].sum(dim=(1, 2)) < best[..., 0].sum(dim=(1, 2))
            best = torch.where((works & smaller)[:, None, None, None], marks.detach(), best.detach())
            price *= torch.where(works, DEARER, DEARER**-1.5)
        return best
