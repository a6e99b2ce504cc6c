"""The sticker is that of BadNets' authors, and goes with the sign."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from miseducation.attacks.sticker import Sticker
from miseducation.dataset import Dataset, clean
from miseducation.dataset.picture_files import read_rgba
from miseducation.errors import InputError
from tests.datasets.made import needs_pipes

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
    from miseducation.poisoning.label_maps import AllToOne

    data = signs([SQUARE * 50, SQUARE * 50 + 50])
    data = Dataset(data.images, data.labels, data.true_labels, data.poisoned, ("stop", "go"), data.boxes)
    label_map = AllToOne(target=1, source=None, classes=2)
    triggered, *_ = Sticker().trigger(data, label_map=label_map)
    rows, poisoned, _ = Sticker().poison_rows(data, rate=1, label_map=label_map, rng=np.random.default_rng(0))
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


def test_a_picture_is_read_as_the_images_of_a_data_set_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(image: Image.Image, largest: int = 99, kind: str = "png", **options: Any) -> Any:
        image.save(tmp_path / f"picture.{kind}", **options)
        return read_rgba(tmp_path / f"picture.{kind}", largest).tolist()

    levels = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    assert read(levels) == [[[level] * 3 + [255] for level in (0, 1, 128, 255)]]
    assert [pixel[3] for pixel in read(levels, transparency=257)[0]] == [255, 0, 255, 255]
    left_to_right = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    assert read(left_to_right, exif=exif) == [[[4, 5, 6, 255], [1, 2, 3, 255]]]
    assert np.shape(read(Image.new("RGB", (40, 20)), 8)) == (4, 8, 4)
    red, blue = Image.new("RGB", (1, 1), "red"), Image.new("RGB", (1, 1), "blue")
    assert read(red, kind="gif", save_all=True, append_images=[blue]) == [[[255, 0, 0, 255]]]

    for limit in (3000, 1000):  # Pillow warns of more than the limit, and refuses more than twice as much
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=r"^Image size \(3600 pixels\) exceeds limit"):
            read(Image.new("L", (60, 60)))
    with pytest.raises(ValueError, match=r"^it has grey levels of 32 bits"):
        read(Image.new("F", (2, 2)), kind="tiff")
    with pytest.raises(ValueError, match=r"^it is not an image, or a damaged one$"):
        read(Image.new("RGB", (2, 2)), kind="tga")  # Pillow could read it, but we let it not


@needs_pipes
def test_a_picture_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"attacks.sticker.picture = .*pipe.png' cannot be read: it is not a file"):
        Sticker(picture=tmp_path / "pipe.png").apply_trigger(np.zeros((1, 8, 8, 3), np.uint8))


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
