from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from miseducation.defences import Beatrix, beatrix
from miseducation.defending.evidence import Trusted
from miseducation.defending.maps import last_maps
from miseducation.networks import Network
from miseducation.scores import detection
from tests.defences.poisoned import digits


def plain_matrix(maps: np.ndarray, order: int) -> np.ndarray:
    """The paper's formula of one image's maps, `[channels, positions]`: float64 `[entries]`."""
    matrix = (maps.astype(float) ** order) @ (maps.astype(float) ** order).T
    return np.asarray(
        [matrix[row, column] ** (1 / order) for row in range(len(maps)) for column in range(row, len(maps))]
    )


def test_a_deviation_is_the_paper_s() -> None:
    maps = np.abs(np.random.default_rng(0).normal(size=(9, 4, 3))).astype(np.float32)
    detector, total = Beatrix(orders=3, width=2), np.zeros(2)
    for order in (1, 2, 3):
        entries = np.array([plain_matrix(each, order) for each in maps])
        usual = entries[:7]
        median = np.median(usual, axis=0)
        spread = 2 * np.median(np.abs(usual - median), axis=0)
        for image in (7, 8):
            below = np.maximum(median - spread - entries[image], 0) / np.abs(median - spread)
            above = np.maximum(entries[image] - median - spread, 0) / np.abs(median + spread)
            total[image - 7] += (below + above).mean() / 3

    found = detector._outside(torch.from_numpy(maps[7:]), detector._bounds(torch.from_numpy(maps[:7])))

    np.testing.assert_allclose(found, total, rtol=1e-4)
    assert (total > 0).all()


def test_the_discrepancy_is_the_authors() -> None:
    rng = np.random.default_rng(0)
    odd, others = rng.normal(1, 1, (4, 3)), rng.normal(0, 1, (6, 3))
    both = np.concatenate([odd, others])
    squares = np.array([[((one - other) ** 2).sum() for other in both] for one in both])
    kernel = sum(np.exp(-squares / (np.median(squares) / 2 * factor)) for factor in (1, 2))
    expected = kernel[:4, :4].mean() + kernel[4:, 4:].mean() - 2 * kernel[:4, 4:].mean()

    assert beatrix.discrepancy(odd, others) == pytest.approx(expected * 24 / 10)


def test_the_maps_are_what_is_flattened() -> None:
    case = digits()
    network = case.evidence.the_model().network
    for rows, read, maps in last_maps(network, case.test.images[:300]):
        features = network.features(case.test.images[:300][rows])
        np.testing.assert_array_equal(maps.transpose(1, 2).flatten(1).numpy(), features)
        np.testing.assert_array_equal(read, network.predict(case.test.images[:300][rows]))

    assert not any(module._forward_hooks for module in network.modules())


def test_a_network_without_maps_has_features() -> None:
    class Flat(Network):
        def __init__(self) -> None:
            super().__init__((2, 2, 1), 3)
            self.head = nn.Linear(4, 3)

        def embed(self, levels: torch.Tensor) -> torch.Tensor:
            return levels.float().flatten(1)

    images = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)

    [(_, _, maps)] = last_maps(Flat(), images)

    np.testing.assert_array_equal(maps.numpy()[..., 0], images.reshape(2, 4))


def test_classes_without_trusted_rows_are_held_against_all_of_them() -> None:
    evidence = digits().evidence
    images, labels = evidence.the_trusted()
    few = replace(evidence, trusted=Trusted(images[labels < 3][:7], labels[labels < 3][:7]))

    suspicion = Beatrix(orders=2).suspect_inputs(evidence.images[:40], few)

    assert np.isfinite(suspicion).all()


def test_it_finds_a_trigger_among_the_rows_of_a_class() -> None:
    """With 20 trusted rows of a class it does no better; MNIST has 50, where it finds nearly all."""
    case = digits()
    evidence, rows = case.evidence, case.evidence.labels == 8
    suspicion = Beatrix(orders=2).suspect(evidence)

    assert detection.ranking(suspicion[rows], case.poison[rows])["auroc"] > 0.8


def test_few_inputs_that_nobody_touched_are_rejected() -> None:
    case = digits()
    detector = Beatrix(orders=2)
    suspicion = detector.suspect_inputs(case.test.images, case.evidence)

    threshold = detector.threshold(case.evidence)

    assert threshold > 1, "usual is what 19 of 20 trusted rows are"
    assert (suspicion > threshold).mean() < 0.03


def test_odd_rows_are_flagged_in_classes_that_they_set_apart() -> None:
    evidence, poison, *_ = digits()
    suspicion = np.where(poison | (np.arange(len(poison)) % 25 == 0), 2.0, 0.5)

    flagged = Beatrix().flag(suspicion, evidence)

    assert set(evidence.labels[flagged]) == {8}
    assert flagged[poison].all()
