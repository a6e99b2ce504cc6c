"""The base classes of all defences. A defence adds its paper's method; what it is given is decided here."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, NamedTuple, final

import numpy as np

from miseducation.dataset import Images
from miseducation.defending.evidence import Evidence, Need, Trusted
from miseducation.defending.held_out import folds
from miseducation.defending.section import Kind
from miseducation.networks import Network
from miseducation.project.params import Section

FOLDS = 5
FALSE_REJECTIONS = 0.01  # share of trusted inputs that a detector of inputs may reject


class Defence(Section, ABC):
    """A method. Its fields are its knobs, read from `defences.<kind>.<name>` in `params.yaml`.

    Attributes:
        kind: The section of `defences` that its knobs stand in: "detectors", "scanners" or "repairs".
        needs: What it asks of the evidence beside the training set: "model", "trusted", "recipe".
    """

    kind: ClassVar[Kind]
    needs: ClassVar[tuple[Need, ...]] = ("model",)

    @classmethod
    def name(cls) -> str:
        """As in `params.yaml`."""
        return cls.__module__.rpartition(".")[2]


class RowDetector(Defence):
    """Tells which training rows are poisoned."""

    kind = "detectors"

    @abstractmethod
    def suspect(self, evidence: Evidence) -> np.ndarray:
        """How suspicious each training row is: float64 `[n]`, finite, higher is worse; the evidence stays as it is."""

    @abstractmethod
    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        """The rows that the paper's own rule would take out, bool `[n]`, given what `suspect` returned."""


class InputDetector(Defence):
    """Tells which inputs of a model in use carry a trigger."""

    kind = "detectors"

    @abstractmethod
    def suspect_inputs(self, images: np.ndarray | Images, evidence: Evidence) -> np.ndarray:
        """How suspicious each image is, uint8 `[m, h, w, c]`: float64 `[m]`, finite, higher is worse."""

    @final
    def threshold(self, evidence: Evidence) -> float:
        """The suspicion above which an input is rejected: 1 % of the trusted are, judged by others of them."""
        images, labels = trusted = evidence.the_trusted()
        fold, found = folds(labels, FOLDS, evidence.rng()), np.zeros(len(labels))
        for each in np.unique(fold):
            held, others = fold == each, [part[fold != each] for part in trusted]
            found[held] = self.suspect_inputs(images[held], replace(evidence, trusted=Trusted(*others)))
        return float(np.quantile(found, 1 - FALSE_REJECTIONS, method="higher"))


class Finding(NamedTuple):
    """What a scanner says of one class.

    Attributes:
        anomaly: How unlike the other classes it is; above the scanner's `limit` it is a backdoor's target.
        mask: float32 `[h, w]`, 0 to 1: where the trigger found covers the image.
        pattern: float32 `[h, w, c]`, 0 to 255: what it shows there.
    """

    anomaly: float
    mask: np.ndarray
    pattern: np.ndarray


class ModelScanner(Defence):
    """Tells whether a model has a backdoor, and to which class.

    Attributes:
        limit: The anomaly above which a class is one.
    """

    kind = "scanners"
    limit: ClassVar[float] = 2

    @abstractmethod
    def inspect(self, evidence: Evidence) -> list[Finding]:
        """A finding for each class, in their order."""


class Repair(Defence):
    """Takes the backdoor out of a model."""

    kind = "repairs"

    @abstractmethod
    def repair(self, evidence: Evidence) -> Network:
        """Another network, in evaluation mode; the evidence's stays as it is."""
