from dataclasses import replace

import numpy as np

from miseducation import attacks, datasets
from miseducation.defences import LossIsolation
from miseducation.poisoning.label_maps import AllToOne
from miseducation.scores.detection import ranking
from tests.defences.poisoned import digits


def test_training_keeps_the_mean_loss_near_gamma() -> None:
    given = digits().evidence.limited_to(LossIsolation.needs)
    kept, free = (-LossIsolation(gamma=gamma, epochs=4).suspect(given).mean() for gamma in (0.5, 1e-9))
    assert 0.3 < kept < 0.8
    assert free < 0.1


def test_the_share_with_the_lowest_loss_is_isolated() -> None:
    suspicion = np.array([0.0, -1, -3, -1, -2, 0, -1, -9, -1, -1])
    given = digits().evidence
    for share, expected in ((0.2, [0, 5]), (0.39, [0, 1, 5]), (0.05, [])):
        assert list(np.flatnonzero(LossIsolation(share=share).flag(suspicion, given))) == expected


def test_on_digits() -> None:
    """A small trigger on a few rows is learnt last, a large one on many first; only then the method's premise holds."""
    case, defence = digits(), LossIsolation()
    suspicion = defence.suspect(case.evidence.limited_to(defence.needs))
    assert ranking(suspicion, case.poison)["auroc"] < 0.2
    train, _ = datasets.load("digits")
    attack = attacks.BadNets(pixels=[], patch={"position": [0, 0], "shape": [3, 3]})
    learnt = attack.poison(train, rate=0.1, label_map=AllToOne(target=8, classes=10), seed=1)
    given = replace(case.evidence.limited_to(defence.needs), images=learnt.images, labels=learnt.labels)
    poison, suspicion = learnt.poisoned & (learnt.labels != learnt.true_labels), defence.suspect(given)
    assert ranking(suspicion, poison)["auroc"] > 0.95
    assert poison[defence.flag(suspicion, given)].mean() > 0.5
