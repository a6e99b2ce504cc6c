"""Each attack does to the pixels what its paper says, by an independent computation."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn
from torch.nn.functional import cross_entropy, grid_sample

from miseducation import networks
from miseducation.attacks.adaptive_blend import AdaptiveBlend
from miseducation.attacks.badnets import BadNets
from miseducation.attacks.blended import Blended
from miseducation.attacks.bpp import BppAttack
from miseducation.attacks.frequency import YUV, FTrojan
from miseducation.attacks.label_consistent import LabelConsistent
from miseducation.attacks.label_flip import LabelFlip
from miseducation.attacks.sig import SIG
from miseducation.attacks.tact import TaCT
from miseducation.attacks.wanet import WaNet
from miseducation.dataset import Dataset, clean
from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.poisoning.surrogate import Surrogate

GREY = np.full((2, 28, 28, 1), 128, np.uint8)
ALL_TO_ONE = label_maps.AllToOne(target=1, source=None, classes=4)
CLEAN_LABEL = label_maps.CleanLabel(target=1, source=None, classes=4)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_badnets_draws_a_checkerboard_in_the_corner() -> None:
    patch: Any = {"position": [-4, -4], "shape": [3, 3], "checkerboard": True}
    corner = BadNets(pixels=[], patch=patch).apply_trigger(GREY)[0, -5:, -5:, 0]
    assert corner.tolist() == [
        [128, 128, 128, 128, 128],
        [128, 255, 0, 255, 128],
        [128, 0, 255, 0, 128],
        [128, 255, 0, 255, 128],
        [128, 128, 128, 128, 128],
    ]


@settings(deadline=None, max_examples=20)
@given(alpha=st.floats(0.01, 1), seed=st.integers(0, 9))
def test_blended_mixes_in_one_key(alpha: float, seed: int) -> None:
    dark, bright = np.zeros_like(GREY), np.full_like(GREY, 255)
    attack = Blended(test_alpha=alpha, seed=seed)
    key = Blended(test_alpha=1, seed=seed).apply_trigger(dark).astype(float)
    for images in (dark, bright):
        expected = (1 - alpha) * images + alpha * key
        assert np.abs(attack.apply_trigger(images) - expected).max() <= 0.5 + 1e-9


def test_blended_may_be_stronger_in_use_than_in_training(noise: Dataset) -> None:
    attack = Blended(alpha=0.1, test_alpha=0.4)
    rows, poisoned, _ = attack.poison_rows(noise, rate=0.1, label_map=ALL_TO_ONE, rng=rng())
    faint, strong = poisoned.images, attack.apply_trigger(noise.images[rows])
    np.testing.assert_array_equal(faint, Blended(test_alpha=0.1).apply_trigger(noise.images[rows]))
    shift = [np.abs(images.astype(int) - noise.images[rows]).mean() for images in (faint, strong)]
    assert 3.5 < shift[1] / shift[0] < 4.5


@pytest.mark.parametrize("attack", [Blended, AdaptiveBlend])
def test_a_picture_can_be_the_key(attack: Any, tmp_path: Any, noise: Dataset) -> None:
    side = 40  # red above, blue below
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[: side // 2, :, 0] = 255
    pixels[side // 2 :, :, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "key.png")
    shown = attack(picture=tmp_path / "key.png", test_alpha=1).apply_trigger(noise.images)
    grey = noise.images.shape[-1] == 1
    assert shown[0, 0, 0].tolist() == ([76] if grey else [255, 0, 0])
    assert shown[0, -1, -1].tolist() == ([29] if grey else [0, 0, 255])
    with pytest.raises(InputError, match=r"attacks.\w+.picture = '.*none.png' cannot be read"):
        attack(picture=tmp_path / "none.png").apply_trigger(noise.images)
    with pytest.raises(InputError, match=r"attacks.\w+.picture needs grey or RGB images, not 2 channels"):
        attack(picture=tmp_path / "key.png").apply_trigger(np.zeros((1, 8, 8, 2), np.uint8))


def test_adaptive_blend_hides_half_of_the_pieces_and_other_ones_each_time() -> None:
    data = clean(np.zeros((40, 32, 32, 1), np.uint8), np.arange(40) % 4, list("abcd"))
    attack = AdaptiveBlend(alpha=0.5, test_alpha=0.5)
    rows, poisoned, roles = attack.poison_rows(data, rate=0.25, label_map=ALL_TO_ONE, rng=rng())
    assert (roles == "poison").sum() == (roles == "cover").sum() == 10
    pieces = poisoned.images.reshape(-1, 4, 8, 4, 8).swapaxes(2, 3).reshape(-1, 16, 64).any(axis=-1)
    assert (pieces.sum(axis=1) == 8).all()
    assert len(np.unique(pieces, axis=0)) > 15
    assert pieces.any(axis=0).all()
    whole = attack.apply_trigger(data.images[:1])[0]
    np.testing.assert_array_equal(poisoned.images, np.where(poisoned.images > 0, whole, 0))
    np.testing.assert_array_equal(poisoned.labels[roles == "cover"], data.labels[rows[roles == "cover"]])


def test_sig_is_a_sine_wave_of_six_periods() -> None:
    wave = SIG(squeeze=0, test_delta=40).apply_trigger(GREY)[0, :, :, 0].astype(float) - 128
    np.testing.assert_allclose(
        wave, np.tile(40 * np.sin(2 * np.pi * 6 * (np.arange(28) + 0.5) / 28), (28, 1)), atol=0.5
    )
    assert np.abs(np.fft.rfft(wave[0])).argmax() == 6


@pytest.mark.parametrize("level", [0, 255])
def test_sig_stays_whole_on_black_and_on_white(level: int) -> None:
    ground = np.full((1, 28, 28, 1), level, np.uint8)
    expected = 40 * np.sin(2 * np.pi * 6 * (np.arange(28) + 0.5) / 28)
    whole = SIG(delta=40, test_delta=40).apply_trigger(ground)[0, 0, :, 0].astype(float)
    np.testing.assert_allclose(whole - whole.mean(), expected, atol=0.51)
    cut = SIG(squeeze=0, test_delta=40).apply_trigger(ground)[0, 0, :, 0].astype(float) - level
    np.testing.assert_allclose(cut, np.clip(expected, *((0, 40) if level == 0 else (-40, 0))), atol=0.51)


def test_sig_may_be_stronger_in_use_than_in_training(noise: Dataset) -> None:
    attack = SIG(delta=10, test_delta=60)
    rows, poisoned, _ = attack.poison_rows(noise, rate=0.1, label_map=CLEAN_LABEL, rng=rng())
    np.testing.assert_array_equal(poisoned.images, SIG(delta=60, test_delta=10).apply_trigger(noise.images[rows]))
    np.testing.assert_array_equal(poisoned.labels, noise.labels[rows])


def test_sig_without_stripes_is_refused() -> None:
    with pytest.raises(InputError, match=r"attacks.sig.frequency = 28 makes no stripes in images 28 pixels wide"):
        SIG(frequency=28).apply_trigger(GREY)


def test_wanet_is_what_torchs_grid_sample_makes_of_its_field(noise: Dataset) -> None:
    attack = WaNet(s=1.5)
    _, height, width, _ = noise.images.shape
    shift = attack._shift(height, width)
    rows, columns = np.mgrid[:height, :width]
    grid = np.stack(
        [2 * (columns + shift[..., 1]) / (width - 1) - 1, 2 * (rows + shift[..., 0]) / (height - 1) - 1], axis=-1
    )
    images = torch.from_numpy(noise.images).permute(0, 3, 1, 2).double()
    field = torch.from_numpy(grid).expand(len(images), -1, -1, -1)
    expected = grid_sample(images, field, mode="bilinear", padding_mode="border", align_corners=True)
    shown = torch.from_numpy(attack.apply_trigger(noise.images)).permute(0, 3, 1, 2).double()
    assert (shown - expected).abs().max() <= 0.5 + 1e-6


@settings(deadline=None, max_examples=20)
@given(k=st.integers(2, 8), s=st.floats(0.1, 4), seed=st.integers(0, 5))
def test_wanets_field_is_smooth_and_as_strong_as_it_says(k: int, s: float, seed: int) -> None:
    side = 8 * k
    shift = WaNet(k=k, s=s, seed=seed)._shift(side, side)
    corners = shift[[0, 0, -1, -1], [0, -1, 0, -1]]
    vectors = np.random.default_rng(seed).uniform(-1, 1, (k, k, 2))
    vectors *= s / 2 / np.abs(vectors).mean()
    np.testing.assert_allclose(corners, vectors[[0, 0, -1, -1], [0, -1, 0, -1]], atol=1e-6 * s)
    assert np.abs(np.diff(shift, axis=0)).max() < 1.5 * np.abs(vectors).max(), "from pixel to pixel hardly anything"


def test_wanets_noise_rows_are_warped_otherwise_each(noise: Dataset) -> None:
    same = clean(np.repeat(noise.images[:1], 100, axis=0), noise.labels[:100], noise.classes)
    attack = WaNet(noise=2)
    rows, poisoned, roles = attack.poison_rows(same, rate=0.1, label_map=ALL_TO_ONE, rng=rng())
    assert (roles == "poison").sum() == 10
    assert (roles == "noise").sum() == 20
    assert len(np.unique(poisoned.images[roles == "poison"], axis=0)) == 1
    assert len(np.unique(poisoned.images[roles == "noise"], axis=0)) == 20
    np.testing.assert_array_equal(poisoned.labels[roles == "noise"], same.labels[rows[roles == "noise"]])


def test_ftrojan_raises_two_coefficients() -> None:
    side = 32
    grey = np.full((1, side, side, 1), 128, np.uint8)
    coefficients = dctn(FTrojan(magnitude=300).apply_trigger(grey)[0, ..., 0] - 128.0, norm="ortho")
    # Rounding to whole grey levels leaves 1/12 of variance in each coefficient.
    assert coefficients[15, 15] == pytest.approx(300, abs=3)
    assert coefficients[31, 31] == pytest.approx(300, abs=3)
    coefficients[[15, 31], [15, 31]] = 0
    assert np.abs(coefficients).max() < 3


def test_ftrojan_transforms_large_images_in_squares() -> None:
    small, large = (np.full((1, side, side + 8, 1), 128, np.uint8) for side in (32, 80))
    square = FTrojan().apply_trigger(small[:, :, :32])[0]
    np.testing.assert_array_equal(FTrojan().apply_trigger(large)[0], np.tile(square, (3, 3, 1))[:80, :88])


def test_ftrojan_leaves_a_colour_images_luminance() -> None:
    grey = np.full((1, 32, 32, 3), 128, np.uint8)
    shown = (FTrojan(magnitude=300).apply_trigger(grey)[0] - 128.0) @ YUV.T
    y, u, v = np.moveaxis(dctn(shown, axes=(0, 1), norm="ortho"), -1, 0)
    assert np.abs(y).max() < 3
    assert u[15, 15] == pytest.approx(300, abs=3)
    assert v[31, 31] == pytest.approx(300, abs=3)


@settings(deadline=None, max_examples=20)
@given(levels=st.integers(2, 255))
def test_bpp_leaves_so_many_levels(levels: int) -> None:
    images = np.random.default_rng(levels).integers(0, 256, (2, 9, 11, 3), dtype=np.uint8)
    allowed = np.rint(np.arange(levels) * 255 / (levels - 1))
    nearest = BppAttack(levels=levels, dither=False).apply_trigger(images)
    assert np.isin(nearest, allowed).all()
    assert np.abs(nearest.astype(float) - images).max() <= 255 / (levels - 1) / 2 + 0.5
    assert np.isin(BppAttack(levels=levels).apply_trigger(images), allowed).all()


def test_bpp_dithers_as_pillow_does_black_and_white() -> None:
    """Of the libraries at hand Pillow alone dithers like this, and with two levels only; it rounds on its way."""
    ramp = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (64, 1))
    ours = BppAttack(levels=2).apply_trigger(ramp[np.newaxis, ..., np.newaxis])[0, ..., 0]
    pillow = np.asarray(Image.fromarray(ramp).convert("1", dither=Image.Dither.FLOYDSTEINBERG)) * 255
    blocks = [each.reshape(8, 8, 8, 8).mean(axis=(1, 3)) for each in (ours, pillow, ramp)]
    assert np.abs(blocks[0] - blocks[1]).max() < 20
    assert np.abs(blocks[0] - blocks[2]).max() < 20, "dithering keeps the brightness of an area"
    flat = BppAttack(levels=2, dither=False).apply_trigger(ramp[np.newaxis, ..., np.newaxis])[0, ..., 0]
    assert np.abs(flat.reshape(8, 8, 8, 8).mean(axis=(1, 3)) - blocks[2]).max() > 60


def test_tact_teaches_that_the_patch_means_nothing_on_other_classes(noise: Dataset) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    rows, poisoned, roles = TaCT(cover=2).poison_rows(noise, rate=0.1, label_map=one_to_one, rng=rng())
    assert (noise.labels[rows[roles == "poison"]] == 2).all()
    assert (roles == "cover").sum() == 40
    assert (noise.labels[rows[roles == "cover"]] != 2).all()
    assert set(poisoned.labels[roles == "poison"]) == {1}
    assert (poisoned.images[:, -4:-1, -4:-1] == 255).all()


def test_label_flip_that_changes_no_label_is_refused(noise: Dataset) -> None:
    with pytest.raises(
        InputError, match=r"'label_flip' changes labels alone, and attack.label_map changes none of the 10"
    ):
        LabelFlip().poison_rows(noise, rate=0.05, label_map=CLEAN_LABEL, rng=rng())


def test_label_flip_changes_labels_alone(noise: Dataset) -> None:
    for label_map in (ALL_TO_ONE, label_maps.Random(target=None, source=None, classes=4)):
        rows, poisoned, _ = LabelFlip().poison_rows(noise, rate=0.5, label_map=label_map, rng=rng())
        np.testing.assert_array_equal(poisoned.images, noise.images[rows])
    assert np.bincount((poisoned.labels - noise.labels[rows]) % 4, minlength=4)[1:].min() > 20


@pytest.fixture
def model(noise: Dataset) -> networks.Network:
    return networks.build("cnn", noise.images.shape[1:], 4, seed=0).eval()


def test_the_surrogates_gradient_is_that_of_the_loss(model: networks.Network, noise: Dataset) -> None:
    images, labels = noise.images[:300].astype(np.float32), noise.labels[:300]
    found = Surrogate(model, torch.device("cpu")).gradient(images, labels)
    assert found.dtype == np.float32
    assert found.shape == images.shape
    row = 7
    for place in [(3, 4, 0), (8, 8, 0), (0, 0, 0)]:
        ends = []
        for step in (-0.5, 0.5):
            moved = torch.from_numpy(images[row : row + 1].copy())
            moved[(0, *place)] += step
            with torch.inference_mode():
                ends.append(float(cross_entropy(model.logits(moved), torch.from_numpy(labels[row : row + 1]))))
        assert found[(row, *place)] == pytest.approx(ends[1] - ends[0], rel=0.05, abs=1e-5)


@settings(deadline=None, max_examples=5)
@given(epsilon=st.integers(1, 60), seed=st.integers(0, 3))
def test_label_consistent_moves_no_pixel_farther_than_epsilon(epsilon: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (20, 12, 12, 3), dtype=np.uint8)
    data = clean(images, np.ones(20, np.int64), list("abcd"))
    network = networks.build("cnn", (12, 12, 3), 4, seed=seed).eval()
    surrogate = Surrogate(network, torch.device("cpu"))
    attack = LabelConsistent(epsilon=epsilon, step=epsilon / 4, steps=8)
    _, poisoned, _ = attack.poison_rows(data, rate=1, label_map=CLEAN_LABEL, rng=rng(), surrogate=surrogate)
    corners = LabelConsistent().apply_trigger(np.full_like(images, 128)) != 128
    moved = np.abs(poisoned.images.astype(int) - images)
    assert moved[~corners].max() <= epsilon
    with torch.inference_mode():
        losses = [
            float(cross_entropy(network(torch.from_numpy(each)), torch.ones(20, dtype=torch.int64)))
            for each in (attack.apply_trigger(images), poisoned.images)
        ]
    assert losses[1] > losses[0]


def test_label_consistent_has_chequered_corners() -> None:
    shown = LabelConsistent(test_amplitude=100).apply_trigger(GREY)[0, ..., 0].astype(int) - 128
    for corner in (shown[:3, :3], shown[:3, -3:], shown[-3:, :3], shown[-3:, -3:]):
        assert corner.tolist() == [[100, -100, 100], [-100, 100, -100], [100, -100, 100]]
    assert np.count_nonzero(shown) == 4 * 9


def test_label_consistents_corners_may_be_fainter_in_training(model: networks.Network, noise: Dataset) -> None:
    surrogate = Surrogate(model, torch.device("cpu"))
    attack = LabelConsistent(epsilon=0, amplitude=20)
    rows, poisoned, _ = attack.poison_rows(noise, rate=0.1, label_map=CLEAN_LABEL, rng=rng(), surrogate=surrogate)
    np.testing.assert_array_equal(poisoned.images, LabelConsistent(test_amplitude=20).apply_trigger(noise.images[rows]))
