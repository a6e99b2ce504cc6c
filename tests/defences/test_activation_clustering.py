import warnings
from functools import cache

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import FastICA

from miseducation.defences import ActivationClustering
from miseducation.scores import detection
from tests.defences.poisoned import digits


@cache
def suspicion() -> np.ndarray:
    return ActivationClustering().suspect(digits().evidence)


def test_independent_components_are_split_at_least_as_well_as_by_scikit_learn() -> None:
    evidence = digits().evidence
    rows = evidence.labels == 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = FastICA(10, random_state=0).fit_transform(evidence.the_model().features[rows].astype(np.float64))
    reference = KMeans(2, n_init=30, random_state=0).fit(places).inertia_

    smaller = suspicion()[rows] > 0

    assert 0 < smaller.sum() < smaller.size / 2
    assert (
        sum(((some - some.mean(axis=0)) ** 2).sum() for some in (places[smaller], places[~smaller])) < 1.001 * reference
    )


def test_it_finds_poison_in_digits_that_who_did_not_learn_it_reads_otherwise() -> None:
    evidence, poison, *_ = digits()
    smaller, labels = suspicion() > 0, evidence.labels
    gaps = [
        suspicion()[smaller & own].mean() - suspicion()[~smaller & own].mean()
        for own in labels == np.arange(10)[:, None]
    ]
    asked = smaller & (np.array(gaps) > 12)[labels]
    read = evidence.the_recipe().train(evidence.images[~asked], labels[~asked], seed=1).predict(evidence.images)
    expected = np.zeros(len(labels), bool)
    for label in range(10):
        votes = read[asked & (labels == label)].tolist()
        if votes.count(label) < 2 * max(votes.count(wrong) for wrong in range(10) if wrong != label):
            expected |= asked & (labels == label)

    flagged = ActivationClustering().flag(suspicion(), evidence)

    np.testing.assert_array_equal(flagged, expected)
    found = detection.flags(flagged, poison)
    assert found["true_positive_rate"] > 0.9
    assert found["false_positive_rate"] < 0.002
    assert detection.ranking(suspicion(), poison)["auroc"] > 0.95


def test_without_poison_nothing_is_flagged() -> None:
    evidence = digits(rate=0).evidence
    detector = ActivationClustering()

    assert not detector.flag(detector.suspect(evidence), evidence).any()


def test_a_cluster_that_keeps_its_label_is_none() -> None:
    assert not ActivationClustering(kept=0).flag(suspicion(), digits().evidence).any()
