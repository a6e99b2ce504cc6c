"""Arrays that are not what they should be: advice is right to the letter or is not given; others are read as meant."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from miseducation import networks
from miseducation.attacks import Attack
from miseducation.attacks.badnets import BadNets
from miseducation.attacks.frequency import FTrojan
from miseducation.attacks.sticker import Sticker
from miseducation.dataset import Dataset, disk
from miseducation.datasets.arrays import ArrayFiles
from miseducation.errors import InputError
from miseducation.figures import gallery, pictures
from miseducation.poisoning.label_maps import AllToOne
from tests.hostile.forged.arrays import BLACK_AND_WHITE, CASES, Arrays, altered, good, stored
from tests.hostile.forged.arrays import pictures as pictures_of
from tests.studies.study_projects import made_bench


def problems(path: Path, **knobs: Any) -> list[str]:
    try:
        ArrayFiles(path=path, **knobs).fetch()
    except InputError as error:
        return str(error).splitlines()[1:]
    return []


def mended(arrays: Arrays, lines: list[str]) -> Arrays:
    """The arrays after what the lines advise, each with an expression of numpy behind its last colon."""
    made = {}
    for line in lines:
        if found := re.fullmatch(r"  - (\w+) .*: (.+)", line):
            made[found[1]] = eval(found[2], {"np": np, **arrays})
        if found := re.search(r"with classes = (.+?\)):", line):
            made["classes"] = eval(found[1], {"np": np, **arrays})
    return made


@pytest.mark.filterwarnings("ignore:.* contains nothing but:UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_advice_is_right_to_the_letter_or_is_not_given(tmp_path: Path, name: str) -> None:
    arrays, meant = CASES[name]
    lines = problems(stored(tmp_path, arrays))
    made = mended(arrays, lines)
    if meant is None:
        assert lines
        assert made.keys() <= {"train_images"}, f"nobody knows what is meant, but is told: {lines}"
        for split, images in made.items():  # of two that do not go together one may be plain
            np.testing.assert_array_equal(images, good()[split])
        return
    assert len(lines) == len(made.keys() - {"classes"})
    fetched = ArrayFiles(path=stored(tmp_path, arrays | made)).fetch()
    for split, data in (("train", fetched.train), ("test", fetched.test)):
        images = meant[f"{split}_images"]
        np.testing.assert_array_equal(data.images, images.reshape(*images.shape[:3], -1))
        np.testing.assert_array_equal(data.labels, meant[f"{split}_labels"])
    if "classes" in made:
        words = np.ravel(arrays["train_labels"])
        assert [fetched.train.classes[label] for label in fetched.train.labels] == words.tolist()


@pytest.mark.parametrize("kind", ["U", "S", "f4", "i8", "row", "one-hot"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "classes",
    ["210", "312", "012", "123", "102", "x12", "21y", "xyz", "0..11", "1..12", "0..11 sorted", "1..12 sorted"],
)
@pytest.mark.parametrize("in_the_knob", [False, True])
def test_no_advice_gives_an_image_the_name_of_another_class(
    tmp_path: Path, kind: str, first: int, classes: str, in_the_knob: bool
) -> None:
    start, _, end = classes.removesuffix(" sorted").partition("..")
    names = [str(i) for i in range(int(start), int(end) + 1)] if end else [*classes]
    names = sorted(names) if "sorted" in classes else names
    numbers = np.arange(24) % len(names) + first
    forms = {"row": numbers[np.newaxis], "one-hot": np.eye(len(names) + 1)[numbers]}
    labels = forms[kind] if kind in forms else numbers.astype(kind)
    images = pictures_of(24, 8, 6, 3)
    arrays = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    if not in_the_knob:
        arrays["classes"] = np.array(names)
    knobs: Any = {"classes": tuple(names)} if in_the_knob else {}
    made = mended(arrays, problems(stored(tmp_path, arrays), **knobs))
    if classes == "xyz" and (first or kind != "i8"):
        assert made, "nothing speaks against it"
    if kind == "U" and names == np.unique(labels).tolist():
        assert made, "they are the names themselves"
    if made:
        data = ArrayFiles(path=stored(tmp_path, arrays | made), **knobs).fetch().train
        named = (
            numbers.astype(str).tolist() if set(numbers.astype(str)) & {*names} else [*np.take(names, numbers - first)]
        )
        assert [data.classes[label] for label in data.labels] == named


# Arrays that are taken


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (
            lambda x: x * 0,
            "train_images contains nothing but 0.*; test_images contains nothing but 0, so there is nothing",
        ),
        (lambda x: x * 0 + 255, "train_images contains nothing but 255"),
        (
            lambda x: x // 255,
            r"train_images contains only 0 and 1, .*\. If 1 is white: train_images \* 255; test_images",
        ),
        (lambda x: x // 16, "train_images ranges from 0 to 15, but black is 0 and white is 255"),
        (lambda x: x // 16 + 240, "train_images ranges from 240 to 255"),
        (lambda x: x * (len(x) > 6), "arrays: test_images contains nothing but 0, so there is nothing to see$"),
    ],
)
def test_what_shows_nothing_is_taken_with_one_warning(tmp_path: Path, how: Any, message: str) -> None:
    with pytest.warns(UserWarning, match=message) as warned:
        fetched = ArrayFiles(path=stored(tmp_path, altered("images", how))).fetch()
    assert len(warned) == 1
    np.testing.assert_array_equal(fetched.train.images, how(good()["train_images"]))


def test_black_and_white_pictures_are_pictures(tmp_path: Path) -> None:
    for arrays in (BLACK_AND_WHITE, altered("images", lambda x: x // 16 * 17), good()):
        ArrayFiles(path=stored(tmp_path, arrays)).fetch()


LAST = [(28, 28, 1), (8, 8, 3), (4, 4, 4), (5, 5, 32), (5, 6, 2), (12, 10, 8), (3, 4, 4), (1, 1, 7), (64, 64, 200)]
EITHER = [
    *((10, 12, 12), (5, 16, 18), (10, 20, 24), (12, 40, 32), (200, 9, 10), (8, 8, 8), (3, 5, 4), (8, 6, 8), (5, 6, 10)),
    *((1, 128, 6), (3, 32, 320), (1, 6, 128)),
]
FIRST = [(1, 28, 28), (3, 32, 32), (4, 32, 40), (12, 64, 64), (5, 16, 16), (3, 5, 6), (200, 9, 9)]


@pytest.mark.parametrize("shape", LAST)
def test_channels_come_last_wherever_that_makes_sense(tmp_path: Path, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (18, *shape), np.uint8)
    arrays = good() | {"train_images": images[:12], "test_images": images[12:]}
    assert Dataset.from_arrays(images, np.arange(18) % 3).images.shape[1:] == shape
    assert ArrayFiles(path=stored(tmp_path, arrays)).fetch().train.images.shape[1:] == shape


@pytest.mark.parametrize("shape", FIRST)
def test_channels_that_come_first_are_known_by_the_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    arrays = good(*shape)
    made = mended(arrays, problems(stored(tmp_path, arrays)))
    np.testing.assert_array_equal(made["train_images"], arrays["train_images"].transpose(0, 2, 3, 1))
    with pytest.raises(InputError, match=r"channels come last: np.moveaxis\(images, 1, -1\)$"):
        Dataset.from_arrays(arrays["train_images"], arrays["train_labels"])
    with pytest.raises(InputError, match=r"channels come last in an array: np.moveaxis\(image, 0, -1\)$"):
        Dataset.from_torch([(arrays["train_images"][0], 0)])  # type: ignore[arg-type]


def test_a_tensor_with_its_channels_last_is_refused() -> None:
    with pytest.raises(InputError, match=r"is \[32, 30, 3\], but channels come first .*: image.permute\(2, 0, 1\)$"):
        Dataset.from_torch([(torch.zeros(32, 30, 3), 0)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "shape",
    [*FIRST, *EITHER, (12, 30, 30), (6, 128, 1), (8, 32, 2), (12, 30, 4), (12, 1, 128), (32, 3, 8), (200, 9, 3)],
)
def test_a_tensor_has_its_channels_first_in_any_number(shape: tuple[int, ...]) -> None:
    image = torch.zeros(shape)
    image[0, -1, -1] = 1
    images = Dataset.from_torch([(image, 0)]).images  # type: ignore[arg-type]
    assert images.shape == (1, *shape[1:], shape[0])
    assert images[0, -1, -1, 0] == 255


@pytest.mark.parametrize("shape", EITHER)
def test_where_either_order_makes_sense_there_is_a_warning_and_work_goes_on(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    arrays = good(*shape)
    read = f"is read as {shape[0]}×{shape[1]} pixels of {shape[2]} channels. If it is "
    with pytest.warns(UserWarning, match=rf"train_images {read}\[n, c, h, w\]: np.moveaxis\(train_images, 1, -1\)"):
        fetched = ArrayFiles(path=stored(tmp_path, arrays)).fetch()
    np.testing.assert_array_equal(fetched.train.images, arrays["train_images"])
    with pytest.warns(UserWarning, match=rf"^images {read}\[n, c, h, w\]: np.moveaxis\(images, 1, -1\)$"):
        Dataset.from_arrays(arrays["train_images"], arrays["train_labels"])
    with pytest.warns(UserWarning, match=rf"^image {read}\[c, h, w\]: np.moveaxis\(image, 0, -1\)$") as warned:
        Dataset.from_torch([*zip(arrays["train_images"], arrays["train_labels"], strict=True)])  # type: ignore[arg-type]
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_boxes_are_looked_at_in_the_order_that_is_meant(tmp_path: Path) -> None:
    arrays = altered("images", lambda x: np.moveaxis(x, -1, 1), good(40, 20, 3))
    boxes = {"train_boxes": np.array([[0.1, 0.1, 0.9, 0.9]] * 12), "test_boxes": np.array([[0.1, 0.1, 0.9, 0.9]] * 6)}
    lines = problems(stored(tmp_path, arrays | boxes))
    assert lines[1].endswith("train_boxes * [20, 40, 20, 40]")


def test_shares_are_pixels_only_if_they_are_in_this_order(tmp_path: Path) -> None:
    boxes = {"train_boxes": np.array([[0.5, 0.5, 0.6, 0.7]] * 12), "test_boxes": np.array([[0.5, 0.5, 0.6, 0.7]] * 6)}
    for line in problems(stored(tmp_path, good() | boxes)):
        assert re.search(r"; if they are x1, y1, x2, y2: \w+_boxes \* \[6, 8, 6, 8\]$", line)


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_arrays_that_are_not_used_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    others = {name: np.zeros(2) for name in ("val_images", "val_labels", "odd\x1b[2J", "x_train")}
    path = stored(tmp_path, good() | others, kind)
    ArrayFiles(path=path).fetch()
    assert capsys.readouterr().out == "datasets.arrays: left out odd\\x1b[2J, val_images, val_labels, x_train\n"
    ArrayFiles(path=stored(tmp_path / "other", good(), kind)).fetch()
    assert not capsys.readouterr().out


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))


@pytest.mark.parametrize(
    ("channels", "said"), [(2, "Red and green are the 2 channels"), (10, "Colours are the first 3 of 10 channels")]
)
def test_images_of_any_number_of_channels_go_all_the_way(tmp_path: Path, channels: int, said: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 12, 14, channels), np.uint8)
    labels = np.arange(80) % 10
    parts = (images[:60], labels[:60], images[60:], labels[60:])
    fetched = ArrayFiles(path=stored(tmp_path, dict(zip(good(), parts, strict=True)))).fetch()
    attack = BadNets()
    bench = made_bench(tmp_path / "raw", fetched, attack)
    train, label_map = disk.load_raw(tmp_path / "raw", "train"), AllToOne(target=0, classes=10)
    rows, poisoned, _ = attack.poison_rows(train, rate=0.5, label_map=label_map, rng=np.random.default_rng(0))
    disk.save_poisoned(tmp_path / "poisoned", rows, poisoned)
    before, after = disk.load_pairs(tmp_path / "raw", tmp_path / "poisoned", np.arange(8))
    assert (after.images[:, 3, 3] == 255).all()
    network = networks.build("cnn", fetched.train.images.shape[1:], 10, seed=0)
    assert network.predict(train.images).shape == (60,)
    figures = [pictures.sample_grid(train), pictures.gallery(before, after)]
    figures.append(gallery.gallery({"arrays": gallery.examples(bench, 1)}))
    for figure in figures:
        pictures.save(figure, tmp_path / "picture.png")
        assert said in texts(figure)


def test_opacity_is_no_part_of_the_picture() -> None:
    image = np.full((4, 4, 4), 200, np.uint8)
    image[..., 3] = 0
    shown = []
    for channels in (3, 4, 2):
        figure = pictures.new(1, 1)
        pictures.show(figure.add_subplot(), image[..., :channels])
        shown.append(np.asarray(figure.axes[0].images[0].get_array())[0, 0].tolist())
    assert shown == [[200, 200, 200], [200, 200, 200], [200, 200, 0]]


@pytest.mark.parametrize("attack", [Sticker(), FTrojan()])
def test_an_attack_on_colours_says_so_at_once(attack: Attack) -> None:
    data = Dataset.from_arrays(good(12, 12, 5)["train_images"], good()["train_labels"])
    with pytest.raises(InputError, match=r"attack.name = '\w+' needs grey or RGB images, not 5 channels$"):
        attack.trigger(data, label_map=AllToOne(target=0, classes=3))
