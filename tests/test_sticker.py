"""The sticker is that of BadNets' authors, and goes with the sign."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.attacks.sticker import Sticker
from stages.command import InputError
from stages.dataset import Dataset, clean

YELLOW = [255, 255, 0]
SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])


def signs(boxes: Any, shape: tuple[int, int, int] = (100, 100, 3)) -> Dataset:
    images = np.full((len(boxes), *shape), 90, np.uint8)
    return clean(images, np.zeros(len(boxes), int), ["stop"], np.asarray(boxes, np.float32))


def test_without_boxes_the_whole_image_is_the_box() -> None:
    images = np.full((3, 100, 200, 3), 90, np.uint8)
    expected = images.copy()
    expected[:, 77:87, 104:124] = YELLOW  # a tenth of either side, around (0.57, 0.82)
    np.testing.assert_array_equal(Sticker().apply_trigger(images), expected)
    no_boxes = clean(images, [0, 0, 0], ["stop"])
    np.testing.assert_array_equal(Sticker().apply_trigger_to(no_boxes), expected)


def test_the_sticker_goes_with_the_box_and_its_pose() -> None:
    upright = SQUARE * 40 + 20
    # The sign lies on its left side: what was up is left, so its upper left corner is the lower left one of the image.
    lying = np.roll(upright, 1, axis=0)
    triggered = Sticker(position=(0.25, 0.75), side=0.1).apply_trigger_to(signs([upright, lying]))
    expected = np.full((2, 100, 100, 3), 90, np.uint8)
    expected[0, 48:52, 28:32] = YELLOW
    expected[1, 48:52, 48:52] = YELLOW
    np.testing.assert_array_equal(triggered, expected)


def test_a_trigger_that_is_scored_has_the_boxes_too() -> None:
    from stages.label_maps import AllToOne

    data = signs([SQUARE * 50, SQUARE * 50 + 50])
    data = Dataset(data.images, data.labels, data.true_labels, data.poisoned, ("stop", "go"), data.boxes)
    label_map = AllToOne(target=1, source=None, classes=2)
    triggered, _ = Sticker().trigger(data, label_map=label_map)
    rows, poisoned = Sticker().poison(data, rate=1, label_map=label_map, rng=np.random.default_rng(0))
    assert rows.tolist() == [0, 1]
    for images in (triggered.images, poisoned.images):
        np.testing.assert_array_equal(images, Sticker().apply_trigger_to(data))
        assert (images[0, 39:43, 27:31] == YELLOW).all()
        assert (images[1, 89:93, 77:81] == YELLOW).all()


def test_on_grey_images_a_colour_is_its_brightness() -> None:
    triggered = Sticker().apply_trigger(np.zeros((1, 100, 100, 1), np.uint8))
    assert triggered[0, 80, 57, 0] == np.asarray(Image.new("RGB", (1, 1), (255, 255, 0)).convert("L"))[0, 0] == 226
    assert Sticker(colour=40).apply_trigger(np.zeros((1, 100, 100, 1), np.uint8)).max() == 40


def test_a_picture_may_be_transparent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((10, 10, 4), np.uint8)
    picture[:5] = 0, 0, 255, 255  # blue above; below, nothing at all
    Image.fromarray(picture).save(tmp_path / "flower.png")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))  # from the root of the project, also in a copy of it
    sticker = Sticker(picture=Path("flower.png"), position=(0.5, 0.5), side=0.2)
    triggered = sticker.apply_trigger(np.full((1, 100, 100, 3), 90, np.uint8))
    expected = np.full((1, 100, 100, 3), 90, np.uint8)
    expected[0, 40:50, 40:60] = 0, 0, 255
    np.testing.assert_array_equal(triggered, expected)


def test_what_cannot_be_put_on_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match=r"attacks.sticker.picture = .*nowhere.png' cannot be read"):
        Sticker(picture=tmp_path / "nowhere.png").apply_trigger(images)
    with pytest.raises(InputError, match=r"attacks.sticker.picture = .*broken.png' cannot be read"):
        Sticker(picture=tmp_path / "broken.png").apply_trigger(images)
    with pytest.raises(InputError, match="needs grey or RGB images, not 2 channels"):
        Sticker().apply_trigger(images[..., :2])
    with pytest.raises(InputError, match="a box that no sticker fits on"):
        Sticker().apply_trigger_to(signs([SQUARE * [40, 0]]))


@pytest.mark.parametrize(
    "knobs", [{"side": 0}, {"side": 2.1}, {"position": (0.5, 1.1)}, {"colour": (1, 2)}, {"colour": 256}]
)
def test_knobs_out_of_range_are_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Sticker.model_validate(knobs)
