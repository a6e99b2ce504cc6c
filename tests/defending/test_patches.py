import numpy as np
import pytest

from miseducation.dataset.images import OverlaidImages
from miseducation.defending.patches import patchwise
from tests.defences.textures import textures


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_pictures_of_the_same_thing_lie_together_wherever_it_is_in_them() -> None:
    images, kinds = textures()
    points = patchwise(images, 50, 8, rng())(images)
    assert points.dtype == np.float32
    assert points.shape == (len(images), 8)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=1e-5)
    found, pixels = (kinds[nearest(view)] == kinds for view in (points, images.reshape(len(images), -1).astype(float)))
    assert found.mean() > 0.97 > 0.8 > pixels.mean(), (found.mean(), pixels.mean())


def nearest(points: np.ndarray) -> np.ndarray:
    """The nearest other row of each."""
    spaces = np.linalg.norm(points[:, np.newaxis] - points[np.newaxis], axis=2)
    np.fill_diagonal(spaces, np.inf)
    return spaces.argmin(axis=1)


def test_brightness_and_contrast_do_not_matter() -> None:
    images, _ = textures()
    view = patchwise(images, 20, 8, rng())
    faded = (images * 0.7 + 50).astype(np.uint8)
    np.testing.assert_allclose(view(faded), view(images), atol=0.05)


def test_images_on_the_disk_do_as_well_as_arrays() -> None:
    images, _ = textures()
    stored = OverlaidImages(images, np.arange(2), images[:2])
    np.testing.assert_array_equal(patchwise(stored, 5, 4, rng())(stored), patchwise(images, 5, 4, rng())(images))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 3, 2, 3), (20, 8, 8, 3), (20, 1, 1, 1)])
def test_what_is_all_the_same_is_at_one_place(shape: tuple[int, ...]) -> None:
    images = np.full(shape, 7, np.uint8)
    points = patchwise(images, 5, 4, rng())(images)
    assert not points.any()
    assert len(points) == len(images)
