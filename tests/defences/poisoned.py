"""Small poisoned training sets, what a defender has of them, and the truth, which only the tests know."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from miseducation import attacks, datasets
from miseducation.dataset import Dataset
from miseducation.defending.evidence import Evidence, Model, Recipe, draw_trusted
from miseducation.poisoning.label_maps import AllToOne
from miseducation.training.learning import TrainSection, learn

SECTION = TrainSection(network="cnn", epochs=12, batch_size=32, learning_rate=0.01, label_smoothing=0.02)
CPU = torch.device("cpu")


class Case(NamedTuple):
    """The evidence, what is poison (bool `[n]`: trigger and wrong label), and the test set, untouched and triggered."""

    evidence: Evidence
    poison: np.ndarray
    test: Dataset
    triggered: Dataset


@cache
def digits(name: str = "BadNets", rate: float = 0.05, seed: int = 1, **knobs: Any) -> Case:
    """scikit-learn's digits, read as an 8 where the trigger is; at rate 0 there is no poison."""
    torch.set_num_threads(1)
    train, test = datasets.load("digits")
    attack, label_map = getattr(attacks, name)(**knobs), AllToOne(target=8, classes=10)
    learnt = attack.poison(train, rate=rate, label_map=label_map, seed=seed) if rate else train
    network, _ = learn(SECTION, learnt, seed=seed, device=CPU, precision=torch.float32)
    recipe = Recipe(SECTION, train.classes, learnt.images.shape[1:], CPU, torch.float32)
    evidence = Evidence(
        learnt.images,
        learnt.labels,
        train.classes,
        seed,
        model=Model(network, learnt.images),
        trusted=draw_trusted(train, 200, seed=7),
        recipe=recipe,
    )
    triggered = attack.trigger(test, label_map=label_map)
    rows = triggered.attackable
    return Case(evidence, learnt.poisoned & (learnt.labels != learnt.true_labels), test[rows], triggered.data[rows])
