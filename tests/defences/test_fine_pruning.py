import numpy as np
import pytest
import torch

from miseducation.defences.fine_pruning import FinePruning, activity
from miseducation.defending import tuning
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, scores


def test_activity_is_the_mean_of_a_channels_features() -> None:
    evidence = digits().evidence
    images = evidence.the_trusted().images
    features = evidence.the_model().network.features(images)  # of a cnn: position by position, all channels
    wanted = features.reshape(len(images), -1, 64).mean(axis=(0, 1))
    np.testing.assert_allclose(activity(tuning.copied(evidence), images), wanted, rtol=1e-5)


@pytest.mark.parametrize("tolerance", [0, 0.04, 0.5])
def test_one_channel_more_would_cost_too_much(tolerance: float) -> None:
    evidence = digits().evidence
    images, labels = evidence.the_trusted()
    idle = FinePruning(tolerance=tolerance).idle(evidence)
    order = np.argsort(activity(tuning.copied(evidence), images), kind="stable")

    def accuracy(pruned: int) -> float:
        network = tuning.copied(evidence)
        tuning.layers(network)[-1].cut(torch.from_numpy(order[:pruned]))
        return float((network.predict(images) == labels).mean())

    floor = accuracy(0) - tolerance
    assert idle.tolist() == order[: len(idle)].tolist()
    assert accuracy(len(idle)) >= floor > accuracy(len(idle) + 1)


def test_what_is_pruned_stays_so_and_the_backdoor_fades() -> None:
    case, repair = digits(), FinePruning()
    network = repaired(repair, case)
    gone = torch.from_numpy(repair.idle(case.evidence))
    assert len(gone) > 0
    for weight in tuning.layers(network)[-1].scale:
        assert (weight == 0).nonzero().flatten().tolist() == sorted(gone.tolist())
    before, after = scores(case.evidence.the_model().network, case), scores(network, case)
    assert after.success < 0.12
    assert after.clean > before.clean - 0.06
