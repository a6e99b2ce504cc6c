import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from miseducation.dataset.images import OverlaidImages
from miseducation.defending.views import losses, principal


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def spaces(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=2)


def test_all_components_keep_every_distance() -> None:
    images = rng().integers(0, 256, (50, 3, 2, 2), dtype=np.uint8)
    points = principal(images, 100, rng())(images)
    assert points.shape == (50, 12)
    assert points.dtype == np.float64
    np.testing.assert_allclose(spaces(points), spaces(images.reshape(50, -1).astype(float)), atol=1e-2)


def test_the_first_components_are_those_of_largest_variance() -> None:
    features = (rng().normal(size=(6000, 20)) * np.linspace(20, 1, 20)).astype(np.float32)
    points = principal(features, 3, rng())(features)
    _, values, directions = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    expected = np.abs((features - features.mean(axis=0)) @ directions[:3].T).mean(axis=0)
    np.testing.assert_allclose(np.abs(points).mean(axis=0), expected, rtol=0.05)
    assert values[2] > values[3]


def test_images_on_the_disk_do_as_well_as_arrays() -> None:
    images = rng().integers(0, 256, (30, 4, 4, 1), dtype=np.uint8)
    stored = OverlaidImages(images, np.arange(2), images[:2])
    np.testing.assert_array_equal(principal(stored, 5, rng())(stored), principal(images, 5, rng())(images))


@pytest.mark.parametrize("rows", [1, 2, 20])
def test_what_is_all_the_same_is_at_one_place(rows: int) -> None:
    images = np.full((rows, 4, 4, 3), 7, np.uint8)
    points = principal(images, 5, rng())(images)
    assert not points.any()
    assert len(points) == rows


def test_losses_are_torchs() -> None:
    logits = torch.from_numpy(rng().normal(size=(40, 5)) * 3)
    labels = torch.from_numpy(rng().integers(0, 5, 40))
    found = losses(logits.softmax(dim=1).float().numpy(), labels.numpy())
    np.testing.assert_allclose(found, cross_entropy(logits, labels, reduction="none").numpy(), rtol=1e-5)


def test_losses_tell_sure_from_very_sure_and_are_finite() -> None:
    probabilities = np.array([[1, 1e-10], [1, 1e-12], [1, 0], [0, 1]], np.float32)
    found = losses(probabilities, np.array([0, 0, 0, 0]))
    np.testing.assert_allclose(found[:3], [1e-10, 1e-12, 0], rtol=1e-6)
    assert 80 < found[3] < 100
