"""Each attack does to the pixels what its paper says, by an independent computation."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.fft import dctn
from torch.nn.functional import cross_entropy, grid_sample, interpolate

from miseducation import networks
from miseducation.attacks.adaptive_blend import AdaptiveBlend
from miseducation.attacks.badnets import BadNets
from miseducation.attacks.blended import Blended
from miseducation.attacks.bpp import BppAttack
from miseducation.attacks.frequency import FTrojan
from miseducation.attacks.label_consistent import LabelConsistent
from miseducation.attacks.label_flip import LabelFlip
from miseducation.attacks.sig import SIG
from miseducation.attacks.tact import TaCT
from miseducation.attacks.wanet import WaNet
from miseducation.dataset import Dataset, clean
from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.poisoning.draws import Purpose
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


@settings(max_examples=20)
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
    key = Blended(test_alpha=1).apply_trigger(noise.images[rows]).astype(float)
    for images, alpha in ((faint, 0.1), (strong, 0.4)):
        assert np.abs(images - ((1 - alpha) * noise.images[rows] + alpha * key)).max() <= 0.5 + 1e-9
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


@pytest.mark.parametrize("level", [0, 100, 255])
def test_sig_is_the_papers_sine_wave_and_is_cut_off_at_black_and_white(level: int) -> None:
    height, width, delta, frequency = 5, 32, 60, 6
    shown = SIG().apply_trigger(np.full((1, height, width, 3), level, np.uint8))[0]
    for row in range(height):
        for column in range(width):
            wave = delta * math.sin(2 * math.pi * column * frequency / width)
            assert shown[row, column].tolist() == [round(min(max(level + wave, 0), 255))] * 3
    assert np.abs(np.fft.rfft(shown[0, :, 0] - shown.mean())).argmax() == 6


@pytest.mark.parametrize("level", [0, 255])
def test_sigs_wave_stays_whole_on_black_and_on_white_if_they_give_way(level: int) -> None:
    ground = np.full((1, 28, 28, 1), level, np.uint8)
    expected = 40 * np.sin(2 * np.pi * 6 * np.arange(28) / 28)
    whole = SIG(squeeze=1, delta=40, test_delta=40).apply_trigger(ground)[0, 0, :, 0].astype(float)
    np.testing.assert_allclose(whole - whole.mean(), expected, atol=0.51)


def test_adaptive_blend_rounds_the_number_of_hidden_pieces() -> None:
    data = clean(np.zeros((8, 32, 32, 1), np.uint8), np.arange(8) % 4, list("abcd"))
    images = AdaptiveBlend(masked=0.3).poison_images(data, Purpose("poison", rng(), None))
    pieces = images.reshape(8, 4, 8, 4, 8).swapaxes(2, 3).reshape(8, 16, 64).any(axis=-1)
    assert (pieces.sum(axis=1) == 16 - 5).all()


def test_sig_may_be_stronger_in_use_than_in_training(noise: Dataset) -> None:
    attack = SIG(delta=10, test_delta=60, frequency=5)
    rows, poisoned, _ = attack.poison_rows(noise, rate=0.1, label_map=CLEAN_LABEL, rng=rng())
    width = noise.images.shape[2]
    wave = 10 * np.sin(2 * np.pi * 5 * np.arange(width) / width)[:, np.newaxis]
    np.testing.assert_array_equal(poisoned.images, np.rint(np.clip(noise.images[rows] + wave, 0, 255)))
    np.testing.assert_array_equal(poisoned.labels, noise.labels[rows])


def test_sig_without_stripes_is_refused() -> None:
    for frequency in (14, 28):
        with pytest.raises(
            InputError, match=rf"frequency = {frequency} makes no stripes .* 28 pixels wide.*multiple of 14"
        ):
            SIG(frequency=frequency).apply_trigger(GREY)


def warped(images: np.ndarray, attack: WaNet, jitter: np.ndarray | None = None) -> torch.Tensor:
    """What the paper's library makes of images, float64 `[n, c, h, w]`: their grid, theirs clamped to the image."""
    side = images.shape[1]
    vectors = np.random.default_rng(attack.seed).uniform(-1, 1, (attack.k, attack.k, 2))
    towards = torch.from_numpy(vectors / np.abs(vectors).mean()).permute(2, 0, 1)[None]
    field = interpolate(towards, size=side, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    line = torch.linspace(-1, 1, side, dtype=torch.float64)
    identity = torch.stack(torch.meshgrid(line, line, indexing="ij"), dim=-1)
    grid = (identity + attack.s * field / side).clamp(-1, 1).expand(len(images), -1, -1, -1)
    if jitter is not None:
        grid = (grid + torch.from_numpy(jitter) / side).clamp(-1, 1)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).double()
    return grid_sample(pixels, grid.flip(-1), align_corners=True)  # which wants x before y


@settings(max_examples=20)
@given(side=st.integers(8, 40), k=st.integers(2, 8), s=st.floats(0.1, 4), seed=st.integers(0, 5))
def test_wanet_is_what_the_papers_library_makes_of_its_vectors(side: int, k: int, s: float, seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    attack = WaNet(k=k, s=s, seed=seed)
    shown = torch.from_numpy(attack.apply_trigger(images)).permute(0, 3, 1, 2)
    assert (shown - warped(images, attack)).abs().max() <= 0.5 + 1e-6


@pytest.mark.parametrize("s", [0.5, 8])
def test_wanets_noise_rows_are_jittered_as_the_papers_are(s: float) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 1), dtype=np.uint8)
    data, attack = clean(images, np.zeros(40, np.int64), list("abcd")), WaNet(s=s)
    shown = attack.poison_images(data, Purpose("noise", np.random.default_rng(1), None))
    jitter = np.random.default_rng(1).uniform(-1, 1, (40, 32, 32, 2))
    found = torch.from_numpy(shown).permute(0, 3, 1, 2)
    assert (found - warped(images, attack, jitter)).abs().max() <= 0.5 + 1e-6


def test_wanets_knob_tells_how_far_pixels_move() -> None:
    moved = [np.abs(WaNet(seed=seed)._shift(32, 32)).mean() for seed in range(50)]
    assert 0.15 < np.mean(moved) < 0.24
    vectors = [np.abs(WaNet(seed=seed, k=16)._shift(16, 16)).mean() for seed in range(50)]
    assert np.mean(vectors) == pytest.approx(0.25 * 15 / 16), "s/2, but for the authors' units"


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


def test_ftrojan_raises_both_colours_of_a_colour_image_and_not_its_brightness() -> None:
    grey = np.full((1, 32, 32, 3), 128, np.uint8)
    shown = Image.fromarray(FTrojan(magnitude=300).apply_trigger(grey)[0]).convert("YCbCr")
    brightness, *colours = np.moveaxis(dctn(np.asarray(shown) - 128.0, axes=(0, 1), norm="ortho"), -1, 0)
    brightness[0, 0] = 0  # Pillow rounds down, half a grey level on average
    assert np.abs(brightness).max() < 8
    for colour in colours:
        assert colour[15, 15] == pytest.approx(300, abs=5)
        assert colour[31, 31] == pytest.approx(300, abs=5)


@pytest.mark.parametrize("frequencies", [[(0.5, 0.5), (1, 1)], [(0.5, 0), (1, 1)], [(1, 1), (1, 0.7)], [(0, 0.5)]])
@pytest.mark.parametrize("side", [4, 28, 32])
def test_ftrojans_decoy_has_other_frequencies_in_the_same_strength(
    frequencies: list[tuple[float, float]], side: int
) -> None:
    data = clean(np.full((1, side, side, 1), 128, np.uint8), [0], ["a"])
    attack = FTrojan(magnitude=100, frequencies=frequencies)
    trigger, decoy = (
        dctn(images[0, ..., 0] - 128.0, norm="ortho")
        for images in (attack.apply_trigger(data.images), attack.decoy(data))
    )
    raised = [set(zip(*np.nonzero(np.abs(each) > 40), strict=True)) for each in (trigger, decoy)]
    assert len(raised[0]) == len(raised[1]) == len(frequencies)
    assert not raised[0] & raised[1]


@settings(max_examples=20)
@given(levels=st.integers(2, 255))
def test_bpp_leaves_so_many_levels(levels: int) -> None:
    images = np.random.default_rng(levels).integers(0, 256, (2, 9, 11, 3), dtype=np.uint8)
    allowed = np.rint(np.arange(levels) * 255 / (levels - 1))
    nearest = BppAttack(levels=levels, dither=False).apply_trigger(images)
    assert np.isin(nearest, allowed).all()
    assert np.abs(nearest.astype(float) - images).max() <= 255 / (levels - 1) / 2 + 0.5
    assert np.isin(BppAttack(levels=levels).apply_trigger(images), allowed).all()


def floyd_steinberg(image: np.ndarray, levels: int) -> np.ndarray:
    """The paper's dithering of one image, from pixel to pixel."""
    image, (height, width, _) = image.astype(float), image.shape
    for y in range(height):
        for x in range(width):
            old = image[y, x].copy()
            new = np.clip(np.round(old / 255 * (levels - 1)), 0, levels - 1) / (levels - 1) * 255
            image[y, x] = new
            for dy, dx, share in ((0, 1, 7 / 16), (1, 1, 1 / 16), (1, 0, 5 / 16), (1, -1, 3 / 16)):
                if y + dy < height and 0 <= x + dx < width:
                    image[y + dy, x + dx] += (old - new) * share
    return image


def test_bpps_noise_rows_have_anothers_rounding_and_their_own_label(noise: Dataset) -> None:
    attack = BppAttack()
    rows, poisoned, roles = attack.poison_rows(noise, rate=0.1, label_map=ALL_TO_ONE, rng=rng())
    assert (roles == "noise").sum() == (roles == "poison").sum() == 0.1 * len(noise)
    negative = roles == "noise"
    np.testing.assert_array_equal(poisoned.labels[negative], noise.labels[rows[negative]])
    images = noise.images[rows[negative]]
    residuals = np.stack([floyd_steinberg(image, 8) - image for image in images])
    for own, image, shown in zip(range(len(images)), images, poisoned.images[negative], strict=True):
        possible = np.abs(np.clip(image + residuals, 0, 255) - shown).max(axis=(1, 2, 3)) <= 0.5 + 1e-6
        assert possible.sum() == 1
        assert not possible[own], "another's"


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
    covered = noise.labels[rows[roles == "cover"]]
    assert set(covered) == {0, 3}, "neither the source, nor the target, whose label the patch would confirm"
    assert set(poisoned.labels[roles == "poison"]) == {1}
    assert (poisoned.images[:, -4:-1, -4:-1] == 255).all()


def test_label_flip_that_changes_no_label_is_refused(noise: Dataset) -> None:
    with pytest.raises(
        InputError, match=r"'label_flip' only changes labels, but attack.label_map changes none of the 10"
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


@settings(max_examples=5)
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


def test_label_consistent_has_its_authors_corners() -> None:
    shown = LabelConsistent(test_amplitude=100).apply_trigger(GREY)[0, ..., 0].astype(int) - 128
    left = [[100, -100, -100], [-100, 100, -100], [100, -100, 100]]
    right = [[-100, -100, 100], [-100, 100, -100], [100, -100, 100]]
    assert shown[:3, :3].tolist() == shown[-3:, :3].tolist() == left
    assert shown[:3, -3:].tolist() == shown[-3:, -3:].tolist() == right
    assert np.count_nonzero(shown) == 4 * 9


def test_label_consistents_corners_may_be_fainter_in_training(model: networks.Network, noise: Dataset) -> None:
    surrogate = Surrogate(model, torch.device("cpu"))
    attack = LabelConsistent(epsilon=0, amplitude=20)
    rows, poisoned, _ = attack.poison_rows(noise, rate=0.1, label_map=CLEAN_LABEL, rng=rng(), surrogate=surrogate)
    top = noise.images[rows][:, :3, :3].astype(int)
    corner = 20 * np.array([[1, -1, -1], [-1, 1, -1], [1, -1, 1]])[:, :, np.newaxis]
    np.testing.assert_array_equal(poisoned.images[:, :3, :3], np.clip(top + corner, 0, 255))
