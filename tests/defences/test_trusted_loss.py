from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from miseducation.defences import TrustedLoss
from miseducation.scores.detection import flags, ranking
from tests.defences.poisoned import digits


def test_suspicion_is_the_loss_under_a_network_of_trusted_rows() -> None:
    given = digits().evidence.limited_to(TrustedLoss.needs)
    images, labels = given.the_trusted()
    network = given.the_recipe().train(images, labels, seed=given.seed, epochs=5, batch_size=40)
    with torch.no_grad():
        logits = network(torch.from_numpy(given.images[:])).double()
    expected = cross_entropy(logits, torch.from_numpy(given.labels), reduction="none").numpy()
    np.testing.assert_allclose(TrustedLoss(epochs=5, batch_size=40).suspect(given), expected, rtol=1e-3, atol=1e-6)


def test_other_rows_have_no_say() -> None:
    given = digits().evidence.limited_to(TrustedLoss.needs)
    other = given.labels.copy()
    other[10:] = (other[10:] + 1) % 10
    defence = TrustedLoss(epochs=2)
    before, after = defence.suspect(given), defence.suspect(replace(given, labels=other))
    np.testing.assert_array_equal(before[:10], after[:10])
    assert (before[10:] != after[10:]).all()


def test_on_digits() -> None:
    case, defence = digits(), TrustedLoss(epochs=30)
    given = case.evidence.limited_to(defence.needs)
    suspicion = defence.suspect(given)
    figures = ranking(suspicion, case.poison) | flags(defence.flag(suspicion, given), case.poison)
    assert figures["auroc"] > 0.99, figures
    assert figures["tpr_at_1pct_fpr"] > 0.9, figures
    assert figures["true_positive_rate"] > 0.95, figures
    assert figures["false_positive_rate"] < 0.04, figures
