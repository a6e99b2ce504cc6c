"""How much a trigger shows, beside two libraries' and the formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from stages import visibility


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
    images = np.random.default_rng(0).integers(0, 256, (301, 8, 8, 1), dtype=np.uint8)
    whole = visibility.ssim(images, images // 2)
    monkeypatch.setattr(visibility, "SAMPLE", 100)
    assert visibility.ssim(images, images // 2) == pytest.approx(whole, abs=0.03)
    assert visibility.ssim(images, images // 2) != whole
