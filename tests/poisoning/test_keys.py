"""A key image, of noise or a user's picture, and how it is blended into others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from miseducation.attacks.blended import Blended
from miseducation.dataset import Dataset
from miseducation.errors import InputError
from miseducation.poisoning.keys import LARGEST, Keyed, read_picture
from miseducation.poisoning.label_maps import AllToOne


def save(pixels: Any, path: Path) -> Path:
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
    return path


def key(attack: Keyed, *shape: int) -> np.ndarray:
    """All of the key and nothing of the image."""
    return attack.blend(np.zeros((1, *shape), np.uint8), 1)[0]


def test_noise_has_all_levels_and_is_drawn_by_the_seed() -> None:
    first = key(Blended(), 64, 64, 3)
    assert set(np.unique(first)) == set(range(256))
    np.testing.assert_array_equal(first, key(Blended(seed=0), 64, 64, 3))
    assert (first != key(Blended(seed=1), 64, 64, 3)).mean() > 0.9


@pytest.mark.parametrize("share", [0.1, 0.25, 0.9])
def test_a_blend_is_so_much_of_the_key_and_the_rest_of_the_image(noise: Dataset, share: float) -> None:
    before = noise.images.copy()
    blended = Blended().blend(noise.images, share)
    expected = (1 - share) * before + share * key(Blended(), *before.shape[1:]).astype(float)
    np.testing.assert_array_equal(blended, np.rint(expected))
    assert blended.dtype == np.uint8
    np.testing.assert_array_equal(noise.images, before)


def test_where_the_mask_says_so(noise: Dataset) -> None:
    mask = np.random.default_rng(0).random(noise.images.shape[:3]) < 0.5
    whole, part = Blended().blend(noise.images, 0.3), Blended().blend(noise.images, 0.3, mask)
    np.testing.assert_array_equal(part[mask], whole[mask])
    np.testing.assert_array_equal(part[~mask], noise.images[~mask])


@pytest.mark.parametrize(
    ("change", "training", "use"),
    [({"alpha": 0.3}, True, False), ({"test_alpha": 0.3}, False, True), ({"seed": 1}, True, True), ({}, False, False)],
    ids=str,
)
def test_each_knob_does_something(noise: Dataset, change: dict[str, Any], training: bool, use: bool) -> None:
    """In training, in use, or in both."""

    def shown(attack: Keyed) -> tuple[np.ndarray, np.ndarray]:
        label_map, rng = AllToOne(target=1, classes=4), np.random.default_rng(0)
        poison = attack.poison_rows(noise, rate=0.1, label_map=label_map, rng=rng)
        return poison.data.images, attack.apply_trigger(noise.images)

    changed = [not np.array_equal(*pair) for pair in zip(shown(Blended()), shown(Blended(**change)), strict=True)]
    assert changed == [training, use]


def test_a_picture_is_stretched_and_grey_on_grey_images(tmp_path: Path) -> None:
    halves = np.zeros((40, 40, 3), np.uint8)
    halves[:20, :, 0] = halves[20:, :, 2] = 255  # red above, blue below
    attack = Blended(picture=save(halves, tmp_path / "key.png"))
    for shape, red, blue in (((9, 16, 3), [255, 0, 0], [0, 0, 255]), ((12, 6, 1), [76], [29])):
        shown = key(attack, *shape)
        assert shown.shape == shape
        assert shown[0].tolist() == [red] * shape[1]
        assert shown[-1].tolist() == [blue] * shape[1]
    with pytest.raises(
        InputError, match=r"^params.yaml: attacks.blended.picture needs grey or RGB images, not 2 channels$"
    ):
        key(attack, 8, 8, 2)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = [[[0, 0, 255, 255], [0, 0, 255, 0], [200, 100, 0, 51]]]
    path = save(pixels, tmp_path / "key.png")
    np.testing.assert_array_equal(Blended(picture=path).pixels, [[[0, 0, 255], [255, 255, 255], [244, 224, 204]]])


def test_a_picture_is_read_once_from_the_root_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    path = save(np.full((LARGEST + 88, 2 * LARGEST, 3), 9), tmp_path / "large.png")
    attack = Blended(picture=Path("large.png"))
    assert attack.pixels.shape == (300, LARGEST, 3), "more than that is not kept"
    path.unlink()
    assert (key(attack, 8, 8, 3) == 9).all()
    with pytest.raises(InputError, match=r"^params.yaml: a.knob = 'large.png' cannot be read: .*No such file"):
        read_picture(Path("large.png"), "a.knob")
    with pytest.raises(InputError, match=r"^params.yaml: attacks.blended.picture = 'large.png' cannot be read"):
        _ = Blended(picture=Path("large.png")).pixels


def test_by_default_a_fifth_is_the_keys() -> None:
    assert (Blended().alpha, Blended().test_alpha, Blended().picture) == (0.2, 0.2, None)


@pytest.mark.parametrize("knob", ["alpha", "test_alpha"])
def test_a_share_is_above_nought_and_at_most_one(knob: str) -> None:
    assert getattr(Blended(**{knob: 1}), knob) == 1
    for value in (0, -0.1, 1.01):
        with pytest.raises(ValidationError):
            Blended(**{knob: value})


def test_a_seed_is_a_whole_number() -> None:
    assert Blended().seed == 0
    assert Blended(seed=2**63 - 1).seed == 2**63 - 1
    for value in (-1, 2**63, 0.5):
        with pytest.raises(ValidationError):
            Blended.model_validate({"seed": value})
