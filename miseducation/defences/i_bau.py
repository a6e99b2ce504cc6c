"""Finds one change that misleads the model on all trusted rows, trains it to resist that change, and repeats this.

Zeng, Chen, Park, Mao, Jin, Jia: Adversarial Unlearning of Backdoors via Implicit Hypergradient, 2022,
https://arxiv.org/abs/2110.03735
"""

from collections.abc import Iterator, Sequence
from typing import final

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy

from miseducation.defences import Evidence, Repair
from miseducation.defending import tuning
from miseducation.networks import Network
from miseducation.training.fitting import Adam, one_cycle

FIXED_POINT_STEP = 0.1  # of the map whose fixed point the trigger is taken for, as in the authors' code
STRIDE = 0.25  # how far a step of the search goes, as a share of the radius


@final
class IBAU(Repair):
    """Minimises over weights what a universal change of the images maximises.

    As in the paper, and in the authors' code (github.com/YiZeng623/I-BAU): rounds of a search for a trigger and of
    unlearning it; the true labels of trusted rows; statistics of batch normalisation left as they are; Adam; and a
    hypergradient that knows that the trigger would move with the weights, by the fixed-point series of Grazzi et al.
    2020, which is an approximation in the paper as well. Other here:

    * The trigger is kept in a ball, as the paper has it. The authors' code has a faint penalty in its place, and steps
      of 10 times the gradient: on digits its trigger grew to a hundred times what an image can hold. The radius is a
      share of what a trusted image measures. The ball in a comment of the code is a third of an image of CIFAR-10; a
      tenth is enough for what a backdoor is, a small change with a large effect, and costs less accuracy.
    * The map whose fixed point the trigger is leads back into the ball, too. At its maximum there, a trigger's slope
      points out of the ball and the implicit part is nearly 0 (Danskin's theorem): so one term of the series, in place
      of 5. Without the way back, 5 terms drowned the rest, and accuracy fell by 9 points.
    * Triggered images keep to black and white, and the search starts from noise: a pixel to which a black ground is
      deaf has no gradient at 0, and a trigger of one pixel was never found from there.
    * Its steps are of one length, each along the gradient, as its height changes a thousandfold on the way.
    * The loss that is minimised is half that of the rows with the trigger and half without; in the paper all rows have
      it, in the code one in a hundred.
    """

    needs = ("model", "trusted")

    rounds: int = Field(5, ge=1, le=1000, description="rounds of finding and unlearning a trigger, 1 to 1000")
    radius: float = Field(
        0.1, gt=0, le=10, description="size of a trigger as a share of an image's, above 0, at most 10"
    )
    steps: int = Field(20, ge=1, le=10_000, description="steps of the search for a trigger, 1 to 10000")
    terms: int = Field(1, ge=0, le=1000, description="terms of the series for the implicit gradient, 0 to 1000")
    epochs: int = Field(5, ge=1, le=10_000, description="passes over the trusted rows to unlearn a trigger, 1 to 10000")
    batch_size: int = Field(50, ge=2, le=100_000, description="trusted rows per step, 2 to 100000")
    learning_rate: float = Field(0.001, gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")

    def repair(self, evidence: Evidence) -> Network:
        network = tuning.copied(evidence)
        weights = list(network.parameters())
        optimiser, rng = Adam(weights), torch.Generator().manual_seed(evidence.seed)
        trusted = torch.tensor(evidence.the_trusted().images).float() / 255
        radius = self.radius * float(trusted.flatten(1).norm(dim=1).mean())
        for turn in range(self.rounds):
            trigger = self.trigger(network, evidence, radius, rng)
            for done, images, labels in tuning.batches(evidence, epochs=self.epochs, size=self.batch_size):
                gradients = self.hypergradient(network, trigger, radius, images, labels)
                optimiser.step(gradients, self.learning_rate * one_cycle((turn + done) / self.rounds))
        return network

    def trigger(self, network: Network, evidence: Evidence, radius: float, rng: torch.Generator) -> Tensor:
        """What misleads the network most when it is added to images, as far as was found: 0 to 1 is black to white."""
        change = _within(torch.rand(network.shape, generator=rng).to(evidence.the_model().device), radius)
        rows = self._rows(evidence)
        for _ in range(self.steps):
            change.requires_grad_()
            (up,) = torch.autograd.grad(misled(network, change, *next(rows)), change)
            change = _within(change.detach() + STRIDE * radius * up / (up.norm() + 1e-12), radius)
        return change

    def hypergradient(
        self, network: Network, trigger: Tensor, radius: float, images: Tensor, labels: Tensor
    ) -> Sequence[Tensor]:
        """The gradients for the weights of the loss, half with the trigger, which follows the weights."""
        weights, trigger = list(network.parameters()), trigger.detach().requires_grad_()
        raised = misled(network, trigger, images, labels)
        loss = (raised + cross_entropy(network(images), labels)) / 2
        outer, *direct = torch.autograd.grad(loss, [trigger, *weights], retain_graph=True)
        if not self.terms:
            return direct
        (up,) = torch.autograd.grad(raised, trigger, create_graph=True)
        mapped, total = _within(trigger + FIXED_POINT_STEP * up, radius), outer
        for _ in range(self.terms - 1):
            total = outer + torch.autograd.grad(mapped, trigger, total, retain_graph=True)[0]
        implicit = torch.autograd.grad(mapped, weights, total, allow_unused=True)
        pairs = zip(direct, implicit, strict=True)
        return [known if further is None else known + further for known, further in pairs]

    def _rows(self, evidence: Evidence) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of as many batches as the search has steps."""
        for _, images, labels in tuning.batches(evidence, epochs=self.steps, size=self.batch_size):
            yield images, labels


def misled(network: Network, change: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of images to which a change was added, as far as black and white allow."""
    return cross_entropy(network.logits((images.float() / 255 + change).clamp(0, 1) * 255), labels)


def _within(change: Tensor, radius: float) -> Tensor:
    return change * (radius / (change.norm() + 1e-12)).clamp(max=1)
