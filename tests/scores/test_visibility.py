"""How much a trigger shows, beside two libraries' and the formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from miseducation.scores import visibility


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 12), width=st.integers(1, 12), channels=st.sampled_from([1, 3]), seed=st.integers(0, 9))
def test_both_are_the_librarys(height: int, width: int, channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 256, (5, height, width, channels), dtype=np.uint8)
    after = before ^ rng.integers(1, 256, before.shape, dtype=np.uint8)
    assert visibility.psnr(before, after) == pytest.approx(peak_signal_noise_ratio(before, after, data_range=255))
    found = visibility.ssim(before, after)
    side = min(7, height, width)
    if side < 3:
        assert np.isnan(found)
        return
    window = side if side % 2 else side - 1
    each = [
        structural_similarity(x[..., c], y[..., c], win_size=window, data_range=255)
        for x, y in zip(before, after, strict=True)
        for c in range(channels)
    ]
    assert found == pytest.approx(np.mean(each))


def test_the_same_images_have_no_ratio_and_are_alike() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 9, 1), dtype=np.uint8)
    assert visibility.psnr(images, images) == np.inf
    assert visibility.ssim(images, images) == pytest.approx(1)


def test_of_many_images_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there may be, evenly spaced from the first to the last."""
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 256, (32, 8, 8, 1), dtype=np.uint8) for _ in range(2))

    def each(rows: range) -> float:
        pairs = [(before[row, ..., 0], after[row, ..., 0]) for row in rows]
        return float(np.mean([structural_similarity(*pair, win_size=7, data_range=255) for pair in pairs]))

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
