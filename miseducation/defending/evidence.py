"""What a defender has: the training set as it was learnt, the model that learnt it, a few trusted rows.

There is no field for what a defender does not have: true labels, which rows are poisoned, the manifest, the rate, the
target, the test set. What is not there cannot leak.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from miseducation import networks
from miseducation.dataset import Dataset, Images, clean
from miseducation.dataset.images import StoredImages
from miseducation.networks import Network
from miseducation.training.learning import TrainSection, learn

# One seed, and others' draws from it: what drew the poison must not draw its detector's samples, nor trusted rows.
DRAWS, TRUSTED, ORDER = 0xDEFE, 0xDEFF, 0xDF00
Need: TypeAlias = Literal["model", "trusted", "recipe"]


class Trusted(NamedTuple):
    """A few rows that the defender has looked at: images, uint8 `[m, h, w, c]`, and labels, int64 `[m]`."""

    images: np.ndarray
    labels: np.ndarray


def order(rows: int, seed: int) -> np.ndarray:
    """In which order a defender gets the training rows, int64 `[rows]`: added copies come last, which would tell."""
    return np.random.default_rng([seed, ORDER]).permutation(rows)


def as_learnt(images: np.ndarray | Images) -> np.ndarray | StoredImages:
    """The images of a training set as a defender gets them: one like another, uint8 `[n, h, w, c]`.

    As they lie in `data/poisoned`, what is laid over the clean ones would tell which rows are poison.
    """
    return images if isinstance(images, np.ndarray | StoredImages) else images[:]


class Model:
    """The model that learnt the training set, and what it makes of that: computed once, whoever asks.

    Attributes:
        network: On its device, in evaluation mode; to change weights, copy it first.
    """

    def __init__(self, network: Network, images: np.ndarray | Images) -> None:
        self.network = network.eval()
        self._images = as_learnt(images)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    @cached_property
    def features(self) -> np.ndarray:
        """What the last layer gets of each training row, float32 `[n, d]`; not to be written to."""
        return _frozen(self.network.features(self._images))

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Of each class for each training row, float32 `[n, K]`, 0 to 1; not to be written to."""
        return _frozen(self.network.probabilities(self._images))


@dataclass(frozen=True, eq=False)
class Recipe:
    """How the model was trained, so that the defender can train others."""

    section: TrainSection
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    device: torch.device
    precision: torch.dtype

    def fresh(self, seed: int) -> Network:
        """The network with new random weights, on its device."""
        return networks.build(self.section.network, self.shape, len(self.classes), seed=seed).to(self.device)

    def train(self, images: np.ndarray, labels: np.ndarray, *, seed: int, **knobs: float) -> Network:
        """A network of the same kind that learnt these rows, 1 or more; `knobs` stand in place of those of `train`."""
        if len(labels) == 1:  # which by itself has no variance to be normalised by
            images, labels = images[[0, 0]], labels[[0, 0]]
        section, data = self.section.model_copy(update=knobs), clean(images, labels, self.classes)
        return learn(section, data, seed=seed, device=self.device, precision=self.precision)[0]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a defender has.

    Attributes:
        images: uint8 `[n, h, w, c]`, the training set as it was learnt.
        labels: int64 `[n]`, the labels that were learnt, right or wrong.
        classes: The K names.
        seed: Of everything random in a defence.
        model: What learnt these rows; None for a defence that does not need it, as the next two.
        trusted: Rows known to be clean.
        recipe: How the model was trained.
    """

    images: np.ndarray | Images
    labels: np.ndarray
    classes: tuple[str, ...]
    seed: int
    model: Model | None = None
    trusted: Trusted | None = None
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", as_learnt(self.images))

    def __len__(self) -> int:
        return len(self.labels)

    def limited_to(self, needs: Collection[Need]) -> "Evidence":
        """The same without what a defence does not say that it needs."""
        return replace(
            self,
            model=self.model if "model" in needs else None,
            trusted=self.trusted if "trusted" in needs else None,
            recipe=self.recipe if "recipe" in needs else None,
        )

    def the_model(self) -> Model:
        """`model`; a defence that asks must have `model` among its needs."""
        assert self.model is not None, "needs lacks model"
        return self.model

    def the_trusted(self) -> Trusted:
        """`trusted`; a defence that asks must have `trusted` among its needs."""
        assert self.trusted is not None, "needs lacks trusted"
        return self.trusted

    def the_recipe(self) -> Recipe:
        """`recipe`; a defence that asks must have `recipe` among its needs."""
        assert self.recipe is not None, "needs lacks recipe"
        return self.recipe

    def rng(self) -> np.random.Generator:
        """A new generator of this seed; it never draws the same numbers as the attacker's of the same seed."""
        return np.random.default_rng([self.seed, DRAWS])


def draw_trusted(data: Dataset | Dataset[Images], rows: int, *, seed: int) -> Trusted:
    """Draws trusted rows out of the raw training set, as evenly over the classes as these allow.

    Args:
        data: The training set before any attack.
        rows: How many; all, if there are not so many.
        seed: Of these draws alone.
    """
    order = np.random.default_rng([seed, TRUSTED]).permutation(len(data.labels))
    labels = data.labels[order]
    rank = np.empty(len(order), np.int64)  # of a row among those of its class, in the order drawn
    for label in range(len(data.classes)):
        own = labels == label
        rank[own] = np.arange(own.sum())
    chosen = np.sort(order[np.argsort(rank, kind="stable")[:rows]])
    drawn = data[chosen]
    return Trusted(drawn.images, drawn.labels)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
