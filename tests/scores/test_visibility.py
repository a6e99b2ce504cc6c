"""How much a trigger shows, beside two libraries' and the formula."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import structural_similarity_index_measure

from miseducation.scores import visibility


def similarity(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The paper's formula (13) around every pixel of images, uint8 `[n, h, w, c]`, reflected at their rim."""
    x, y = before.astype(float), after.astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        weighted: np.ndarray = gaussian_filter(values, (0, 1.5, 1.5, 0), radius=(0, 5, 5, 0), mode="mirror")
        return weighted

    (mx, my), c1, c2 = (mean(x), mean(y)), (0.01 * 255) ** 2, (0.03 * 255) ** 2
    vx, vy, covariance = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    found: np.ndarray = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return found.mean(axis=(1, 2, 3))


@settings(max_examples=25)
@given(height=st.integers(1, 12), width=st.integers(1, 12), channels=st.sampled_from([1, 3]), seed=st.integers(0, 9))
def test_they_are_what_library_and_formula_say(height: int, width: int, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (5, height, width, channels), dtype=np.uint8)
    after = before ^ rng.integers(1, 256, before.shape, dtype=np.uint8)
    assert visibility.psnr(before, after) == pytest.approx(peak_signal_noise_ratio(before, after, data_range=255))
    found = visibility.ssim(before, after)
    if min(height, width) < 3:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(similarity(before, after).mean())


def test_ssim_is_that_of_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 256, (4, 28, 32, 3), dtype=np.uint8) for _ in range(2))
    found, wanted = (torch.from_numpy(images).permute(0, 3, 1, 2).double() for images in (after, before))
    expected = structural_similarity_index_measure(found, wanted, data_range=255.0)
    assert isinstance(expected, torch.Tensor)
    assert visibility.ssim(before, after) == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("place", [(0, 0), (0, 13), (27, 27), (2, 2), (14, 14)])
def test_ssim_sees_the_rim(place: tuple[int, int]) -> None:
    black = np.zeros((1, 28, 28, 1), np.uint8)
    lit = black.copy()
    lit[0, *place] = 255
    assert 0.91 < visibility.ssim(black, lit) < 0.98


def test_the_same_images_have_no_ratio_and_are_alike() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 1), dtype=np.uint8)
    assert visibility.psnr(images, images) == np.inf
    assert visibility.ssim(images, images) == pytest.approx(1)


def test_of_many_images_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there may be, evenly spaced from the first to the last."""
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 256, (32, 8, 8, 1), dtype=np.uint8) for _ in range(2))

    def each(rows: range) -> float:
        return float(similarity(before[rows], after[rows]).mean())

    assert visibility.ssim(before, after) == pytest.approx(each(range(32)))
    assert visibility.ssim(before[:1], after[:1]) == pytest.approx(each(range(1)))
    monkeypatch.setattr(visibility, "SAMPLE", 4)
    assert visibility.ssim(before[:31], after[:31]) == pytest.approx(each(range(0, 31, 10)))


def test_however_many_images_there_are_each_counts() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 256, (10_001, 1, 1, 1), dtype=np.uint8) for _ in range(2))
    expected = peak_signal_noise_ratio(before, after, data_range=255)
    assert visibility.psnr(before, after) == pytest.approx(expected, rel=1e-12)


def test_the_sum_of_squares_is_beyond_what_four_bytes_hold() -> None:
    black = np.zeros((1, 300, 300, 3), np.uint8)
    assert visibility.psnr(black, black + 255) == 0
