"""Which labels look drawn at random, by readings made up, and by networks that really learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from miseducation.auditing.audit import audit, summary
from miseducation.auditing.random_labels import find
from miseducation.auditing.section import AuditSection
from miseducation.datasets.digits import Digits
from miseducation.training.compute import ComputeSection

CLASSES = 10


def readings(
    rows: int = 2000, *, hard: float = 0.5, heat: float = 1.0, random: float = 0.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, labels drawn by them, which of these are then drawn anew, and what a labeller would say of each.

    The harder, the flatter are the true probabilities; the hotter, the less sure of itself is a network than it may be.
    """
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, CLASSES)) / hard
    true = softmax(logits, axis=1)
    labels = (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=CLASSES - 1)
    drawn = rng.random(rows) < random
    labels[drawn] = rng.integers(0, CLASSES, int(drawn.sum()))
    return softmax(logits / heat, axis=1).astype(np.float32), labels, drawn, true


@given(st.floats(0.1, 0.5), st.floats(0.3, 3.0), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_hard_pictures_are_not_wrong_labels_however_sure_a_network_is_of_itself(
    hard: float, heat: float, seed: int
) -> None:
    probabilities, labels, *_ = readings(hard=hard, heat=heat, seed=seed)
    assert not find(probabilities, labels).any()


@given(st.floats(0.1, 0.3), st.floats(0.3, 3.0), st.floats(0.15, 0.5), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_random_labels_are_found_as_well_as_by_who_knows_the_share_and_the_true_probabilities(
    hard: float, heat: float, random: float, seed: int
) -> None:
    """The reference is the decision of Bayes with what nobody has."""
    probabilities, labels, drawn, true = readings(hard=hard, heat=heat, random=random, seed=seed)
    best = random / CLASSES > (1 - random) * true[np.arange(len(labels)), labels]
    found = find(probabilities, labels)
    assert (found == best).mean() > 0.97
    assert (found == drawn).mean() > (best == drawn).mean() - 0.02


def test_too_few_to_be_sure_are_not_named() -> None:
    probabilities, labels, drawn, _ = readings(hard=0.2, random=0.04)
    assert drawn.any()
    assert not find(probabilities, labels).any()
    few = slice(0, 40)
    probabilities, labels, *_ = readings(hard=0.2, random=0.1, seed=1)
    assert not find(probabilities[few], labels[few]).any()


def test_a_network_that_knows_too_little_is_not_believed() -> None:
    """Labels that have nothing to do with it, whether it is sure or not, and labels that it can hardly tell."""
    rng = np.random.default_rng(0)
    for probabilities in (np.full((1000, 4), 0.25), softmax(9 * rng.normal(size=(1000, 4)), axis=1)):
        assert not find(probabilities.astype(np.float32), rng.integers(0, 4, 1000)).any()
    probabilities, labels, *_ = readings(hard=1.0, heat=0.2, random=0.5)
    assert (probabilities.argmax(axis=1) == labels).mean() < 0.4
    assert not find(probabilities, labels).any()


def test_a_network_that_is_always_as_sure_may_as_well_be_wrong() -> None:
    """Its errors look like random labels, then."""
    rng = np.random.default_rng(0)
    true, labels = rng.integers(0, CLASSES, 1000), rng.integers(0, CLASSES, 1000)
    labels[300:] = true[300:]
    assert not find(np.eye(CLASSES, dtype=np.float32)[true], labels).any()


def noisy(share: float, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits of which so many labels are wrong, each of the nine as likely."""
    train, rng = Digits().fetch().train, np.random.default_rng(0)
    chosen = np.sort(rng.permutation(len(train))[:rows])
    labels, wrong = train.labels[chosen], rng.random(rows) < share
    labels = np.where(wrong, (labels + rng.integers(1, CLASSES, rows)) % CLASSES, labels)
    return train.images[chosen], labels, wrong


@pytest.mark.parametrize(("share", "rows"), [(0.3, 600), (0.2, 1000)])
def test_a_small_set_whose_labels_networks_learn_by_heart_is_called_mislabelled(share: float, rows: int) -> None:
    images, labels, wrong = noisy(share, rows)
    classes, section = [str(each) for each in range(CLASSES)], AuditSection(data="digits", steps=150)
    computing = ComputeSection(device="cpu", precision="float32", threads=1)
    found = audit(images, labels, classes, section, computing, seed=1)
    told = summary(found, labels, classes)
    assert told["verdict"] == "mislabelled"
    assert all(each["verdict"] == "mislabelled" for each in told["classes"].values())
    assert (found.reasons[wrong] == "wrong label").mean() > 0.8
    assert wrong[found.flagged].mean() > 0.7
    assert told["read_share"] < 0.75
