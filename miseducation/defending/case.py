"""A trial of defences as it lies on the disk: what the defender has, and the truth that scores it."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from miseducation import networks
from miseducation.dataset import Dataset
from miseducation.dataset.disk import load_poisoned, load_raw, load_triggered, read_manifest
from miseducation.defending.evidence import Evidence, Model, Recipe, draw_trusted, order
from miseducation.defending.section import DefencesSection
from miseducation.networks import Network
from miseducation.project.params import read, read_seed
from miseducation.scores import shares
from miseducation.scores.detection import Truth
from miseducation.training.compute import ComputeSection, precision, set_up
from miseducation.training.learning import TrainSection

RAW, POISONED, MODELS = Path("data/raw"), Path("data/poisoned"), Path("models")


class Case(NamedTuple):
    """One model under trial.

    Attributes:
        evidence: What a defender has of it.
        order: int64 `[n]`, which row of the training set each of the evidence is.
        truth: Which rows of the evidence are poison; none of the clean model's.
        targets: bool `[K]`, the classes that the attacker wants triggered images to be read as; none of the clean's.
        test: The untouched test set.
        triggered: The attackable rows of the test set with the trigger, labelled as the attacker wants.
        has_trigger: Whether there is one to see, which wrong labels alone have not.
    """

    evidence: Evidence
    order: np.ndarray
    truth: Truth
    targets: np.ndarray
    test: Dataset
    triggered: Dataset
    has_trigger: bool

    def as_stored(self, values: np.ndarray) -> np.ndarray:
        """Values of the evidence's rows, `[n]`, in the order of the training set."""
        stored = np.empty_like(values)
        stored[self.order] = values
        return stored

    def score(self, network: Network) -> dict[str, float]:
        """What is left of the attack in a network, and of its use; a score of no rows is missing."""
        clean, fooled = network.predict(self.test.images), network.predict(self.triggered.images)
        every = np.ones(len(fooled), bool)
        found = {"clean_accuracy": shares.accuracy(clean, self.test.true_labels)}
        if len(every):
            found |= {
                "attack_success_rate": shares.attack_success_rate(fooled, self.triggered.labels, every),
                "robust_accuracy": shares.robust_accuracy(fooled, self.triggered.true_labels, every),
            }
        return {name: share.value for name, share in found.items()}


def read_case(variant: str) -> Case:
    """Reads a model, "backdoored" or "clean", and the training set that it learnt.

    Raises:
        InputError: If a stage has not run, or what it made is damaged.
    """
    section, compute = read(DefencesSection, "defences"), read(ComputeSection, "compute")
    device = set_up(compute)
    raw, (triggered, attackable, _) = load_raw(RAW, "train"), load_triggered(RAW, POISONED)
    learnt, roles, targets = raw, np.empty(0, "<U8"), np.zeros(len(raw.classes), bool)
    if variant == "backdoored":
        learnt, roles = load_poisoned(RAW, POISONED), read_manifest(POISONED)["role"].to_numpy(str)
    truth = Truth.of(learnt.labels, learnt.true_labels, learnt.poisoned, roles)
    if truth.poison.any():
        targets[triggered.labels[attackable]] = True
    shape: tuple[int, int, int] = learnt.images.shape[1:]
    rows = order(len(learnt), read_seed())
    images = learnt.images[rows]
    evidence = Evidence(
        images,
        learnt.labels[rows],
        learnt.classes,
        read_seed(),
        model=Model(networks.load(MODELS / variant).to(device), images),
        trusted=draw_trusted(raw, section.trusted_rows, seed=section.seed),
        recipe=Recipe(read(TrainSection, "train"), learnt.classes, shape, device, precision(compute, device)),
    )
    test = load_raw(RAW, "test")[:]
    return Case(
        evidence,
        rows,
        Truth(truth.poison[rows], truth.rest[rows]),
        targets,
        test,
        triggered[attackable],
        has_trigger=not np.array_equal(triggered.images, test.images),
    )
