"""The data set `arrays`: the user's own, and what is said where they are not what they should be."""

import io
import json
import os
import warnings
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miseducation.dataset.perspective import homographies, project
from miseducation.datasets import arrays
from miseducation.datasets.arrays import BOXES, NAMES, ArrayFiles
from miseducation.errors import InputError
from miseducation.project import own_files
from miseducation.project.params import validate
from tests.datasets.made import needs_pipes, zipped

Arrays = dict[str, Any]


def good() -> Arrays:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (9, 5, 6, 3), dtype=np.uint8)
    return {
        "train_images": images,
        "train_labels": np.arange(9) % 3,
        "test_images": images[:3],
        "test_labels": np.arange(3),
    }


def store(folder: Path, arrays: Arrays, kind: str = "npz") -> Path:
    if kind == "npy":
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        return folder
    (np.savez_compressed if kind == "compressed" else np.savez)(folder / "own.npz", **arrays)
    return folder / "own.npz"


@pytest.mark.parametrize("names", NAMES, ids=["ours", "keras"])
@pytest.mark.parametrize("kind", ["npz", "compressed", "npy"])
def test_arrays_are_taken_as_they_are(tmp_path: Path, kind: str, names: tuple[str, ...]) -> None:
    arrays = dict(zip(names, good().values(), strict=True))
    train, test, source = ArrayFiles(path=store(tmp_path, arrays | {"other": np.zeros(3)}, kind)).fetch()
    np.testing.assert_array_equal(train.images, arrays[names[0]])
    np.testing.assert_array_equal(test.labels, arrays[names[3]])
    assert train.classes == ("0", "1", "2")
    assert train.boxes is None
    assert str(tmp_path) not in json.dumps(source)


def test_grey_images_and_columns_of_labels_will_do(tmp_path: Path) -> None:
    arrays = good()
    arrays |= {name: arrays[name][..., 0] for name in ("train_images", "test_images")}
    arrays |= {name: arrays[name][:, np.newaxis].astype(np.uint8) for name in ("train_labels", "test_labels")}
    train, test, _ = ArrayFiles(path=store(tmp_path, arrays)).fetch()
    assert train.images.shape == (9, 5, 6, 1)
    assert test.labels.tolist() == [0, 1, 2]


def test_images_may_have_any_number_of_channels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 5), np.uint8)
    arrays = good() | {"train_images": images, "test_images": images[:3]}
    assert ArrayFiles(path=store(tmp_path, arrays)).fetch().train.images.shape == (9, 8, 8, 5)


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_the_names_of_the_classes_are_found_beside_the_arrays_or_given(tmp_path: Path, kind: str) -> None:
    path = store(tmp_path, good() | {"classes": np.array(["a", "b", "c"])}, kind)
    assert ArrayFiles(path=path).fetch().train.classes == ("a", "b", "c")
    assert ArrayFiles(path=path, classes=("x", "y", "z")).fetch().train.classes == ("x", "y", "z")
    if kind == "npy":
        (path / "classes.json").write_text('["d", "e", "f"]')
        assert ArrayFiles(path=path).fetch().train.classes == ("d", "e", "f")
        (path / "classes.json").write_text('["d", "e", ')
        with pytest.raises(InputError, match=r"classes.json cannot be read: "):
            ArrayFiles(path=path).fetch()


@pytest.mark.parametrize("form", ["edges", "corners"])
def test_boxes_are_edges_or_corners(tmp_path: Path, form: str) -> None:
    corners = [[1, 2], [5, 2], [5, 4], [1, 4]]
    box = np.array([1, 2, 5, 4] if form == "edges" else corners)
    boxes = {name: np.array([box] * n) for name, n in zip(BOXES, (9, 3), strict=True)}
    train, test, _ = ArrayFiles(path=store(tmp_path, good() | boxes)).fetch()
    assert train.boxes is not None
    assert test.boxes is not None
    assert train.boxes.dtype == np.float32
    assert train.boxes[8].tolist() == test.boxes[0].tolist() == corners


@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_a_file_that_is_replaced_while_it_is_read_is_not_taken_for_the_one_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, load = store(tmp_path, good(), kind), arrays._load
    before = own_files.digest(path)

    def replace(place: Path, wanted: set[str]) -> tuple[Arrays, set[str]]:
        loaded = load(place, wanted)
        store(tmp_path, good() | {"train_images": IMAGES // 2}, kind)
        return loaded

    monkeypatch.setattr(arrays, "_load", replace)
    assert ArrayFiles(path=path).fetch().source[own_files.KEY] == before != own_files.digest(path)


IMAGES = good()["train_images"]
QUAD = [[1, 1], [5, 1], [5, 4], [1, 4]]


def with_box(box: Any) -> np.ndarray:
    """Nine boxes, the fifth from 0 of which is this one."""
    boxes = np.array([QUAD if np.ndim(box) == 2 else [1, 2, 5, 4]] * 9, float)
    boxes[5] = box
    return boxes


@pytest.mark.parametrize(
    "box",
    [
        [-3, -3, 1, 1],  # in part beside the image
        [0, 0, 1, 1],  # among larger ones
        [QUAD[i] for i in (1, 0, 3, 2)],  # mirrored
        [QUAD[i] for i in (2, 3, 0, 1)],  # upside down
        [[3, 0], [6, 3], [3, 6], [0, 3]],
        [[2, 1], [4, 1], [6, 5], [0, 5]],  # leaning backwards
        [[1, 1], [1.1, 1], [1.1, 1.1], [1, 1.1]],
    ],
)
def test_boxes_may_lie_anyhow(tmp_path: Path, box: Any) -> None:
    boxes = with_box(box)
    train, _, _ = ArrayFiles(path=store(tmp_path, good() | {"train_boxes": boxes, "test_boxes": boxes[:3]})).fetch()
    assert train.boxes is not None
    project(homographies(train.boxes), np.array([[0.5, 0.5]]))


def test_boxes_of_images_of_one_pixel_may_end_at_one(tmp_path: Path) -> None:
    arrays = good() | {name: np.array([[0, 0, 1, 1]] * n) for name, n in zip(BOXES, (9, 3), strict=True)}
    arrays |= {name: arrays[name][:, :1, :1] for name in ("train_images", "test_images")}
    assert ArrayFiles(path=store(tmp_path, arrays)).fetch().train.boxes is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"train_images": (IMAGES / 255).astype(np.float32)},
            r"train_images is float32 \[9, 5, 6, 3\] from 0 to 1, .*: \(train_images \* 255\).round\(\).astype",
        ),
        (
            {"train_images": IMAGES.astype(float)},
            r"float64 .* from 0 to 255, .*: train_images.round\(\).astype\('uint8'",
        ),
        ({"train_images": IMAGES.astype(int)}, r"int64 .* from 0 to 255, .* to 255: train_images.astype\('uint8'\)"),
        ({"train_images": IMAGES > 9}, r"is bool .* false to true, must .*: train_images.astype\('uint8'\) \* 255"),
        (
            {"test_images": np.zeros((3, 3, 28, 28), np.uint8)},
            r"test_images is uint8 \[3, 3, 28, 28\], but .* channels last: np.moveaxis\(test_images, 1, -1\)$",
        ),
        (
            {"train_images": IMAGES[np.newaxis]},
            r"is uint8 \[1, 9, 5, 6, 3\], must be uint8 \[n, h, w\] or \[n, h, w, c\]$",
        ),
        ({"train_images": IMAGES[0, 0]}, r"train_images is uint8 \[6, 3\], must be uint8 \[n, h, w\] or"),
        ({"train_images": IMAGES[:0], "train_labels": np.arange(0)}, r"train_images is uint8 \[0, 5, 6, 3\], must be"),
        ({"train_images": IMAGES[:, :4]}, r"train_images is \[9, 4, 6, 3\] and test_images \[3, 5, 6, 3\]"),
        ({"train_labels": np.arange(8)}, r"train_labels is int64 \[8\], must be \[9\], a label per image"),
        (
            {"test_labels": np.eye(3)},
            r"test_labels is float64 \[3, 3\], must be whole numbers \[3\] from 0 on: test_labels.argmax\(axis=1\)",
        ),
        ({"test_labels": np.arange(3.0)}, r"test_labels is float64 \[3\], must be whole numbers"),
        ({"test_labels": np.array(["a", "b", "c"])}, r"test_labels is <U1 \[3\], must be whole numbers"),
        ({"train_labels": np.arange(9) % 3 - 1}, r"train_labels holds -1, must be 0 or more"),
        ({"train_labels": np.array([-(2**63), *[1] * 8])}, rf"train_labels holds {-(2**63)}, must be 0 or more"),
        *(
            (
                {"train_labels": np.array([0, 1, 2] * 2 + [0, 1, label], np.uint64)},
                rf"train_labels holds {label}, labels must be 0 to K-1 for K classes, of which 9 images .* at most 9$",
            )
            for label in (9, 30_000_000, 2**63 - 1, 2**64 - 1)
        ),
        ({"train_labels": np.arange(9) % 3 + 1}, r"train_labels lacks 0; each of the 4 classes is needed"),
        ({"test_labels": np.zeros(3, int)}, r"test_labels lacks 1, 2; each of the 3 classes"),
        ({"train_labels": np.zeros(9, int), "test_labels": np.zeros(3, int)}, "two classes are needed"),
        ({"classes": np.array(["a", "b"])}, r"train_labels holds 2, must be 0 to 1, as there are 2 classes"),
        ({"classes": np.array(["a", "b", "b"])}, "two classes have the same name"),
        ({"classes": np.array(["a", "b", " "])}, "the name of a class, ' ', is empty"),
        ({"classes": np.arange(3)}, r"classes must be a list of strings, not int64"),
        ({"train_boxes": np.array([QUAD] * 9)}, "train_boxes and test_boxes must both be given, or neither"),
        ({"train_boxes": np.ones((9, 2))}, r"train_boxes is float64 \[9, 2\], must be numbers \[9, 4\]"),
        ({"train_boxes": np.full((9, 4, 2), np.nan)}, "train_boxes holds numbers that are not finite"),
        ({"train_boxes": with_box([1, 2, np.inf, 4])}, r"numbers that are not finite in row 5$"),
        ({"train_boxes": with_box([1, 2, 1e300, 4])}, r"numbers that are not finite in row 5$"),  # as float32
        ({"train_boxes": np.array([[5, 5, 2, 2]] * 9)}, "train_boxes holds a box without area in row 0 and 8 others;"),
        ({"train_boxes": with_box([1, 2, 1, 4])}, r"train_boxes holds a box without area in row 5; its numbers are x1"),
        (
            {"train_boxes": np.array([[0.1, 0, 1, 0.9]] * 9)},
            r"goes from 0 to 1, .* shares of the image; if they are x1, y1, x2, y2: train_boxes \* \[6, 5, 6, 5\]$",
        ),
        (
            {"train_boxes": np.array([np.array(QUAD) / 5] * 9)},
            r"from 0.2 to 1, .* look like shares .*; if they are x, y: train_boxes \* \[6, 5\]$",
        ),
        (
            {"train_boxes": with_box([6, 0, 9, 5])},
            r"train_boxes holds a box outside the image in row 5; x is 0 to 6",
        ),
        ({"train_boxes": with_box([0, -9, 6, 0])}, r"train_boxes holds a box outside the image .* y 0 to 5,"),
        ({"train_boxes": with_box([[9, 9], [7, 9], [7, 7], [9, 7]])}, "train_boxes holds a box outside the image"),
        ({"train_boxes": with_box([QUAD[i] for i in (0, 2, 1, 3)])}, "box whose corners are not .* in row 5; they go"),
        ({"train_boxes": with_box([[1, 1], [5, 1], [2, 2], [1, 5]])}, "train_boxes holds a box whose corners are not"),
        ({"train_boxes": with_box([[1, 1], [3, 3], [5, 5], [1, 5]])}, "train_boxes holds a box whose corners are not"),
        ({"train_boxes": with_box([[2, 2]] * 4)}, "train_boxes holds a box whose corners are not"),
        ({"train_images": np.array([None] * 9)}, "train_images contains pickled Python objects, which are not read"),
        (
            {"classes": np.array(["a", None], dtype=object)},
            "classes contains pickled Python objects, which are not read",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_a_mistake_is_named_and_its_mending(tmp_path: Path, kind: str, change: Arrays, message: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)^params.yaml: datasets.arrays.path = '{tmp_path}.*: .*{message}"):
        ArrayFiles(path=store(tmp_path, good() | change, kind)).fetch()


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    arrays = {name: array.astype(float) for name, array in good().items()}
    with pytest.raises(InputError) as error:
        ArrayFiles(path=store(tmp_path, arrays)).fetch()
    assert [line.split()[1] for line in str(error.value).splitlines()[1:]] == [*NAMES[0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda arrays: {},
            "holds no array of a known name; needs train_images, .* or x_train, y_train, x_test, y_test",
        ),
        (lambda arrays: {"x_train": arrays["train_images"]}, "holds x_train; needs"),
        (lambda arrays: arrays | dict(zip(NAMES[1], arrays.values(), strict=True)), "holds .*x_train, .*; needs"),
    ],
)
def test_one_set_of_names_is_needed(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ArrayFiles(path=store(tmp_path, change(good()))).fetch()


def test_a_damaged_or_foreign_file_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, good())
    whole = path.read_bytes()
    start = whole.index(good()["train_images"].tobytes())
    path.write_bytes(whole[:start] + bytes([whole[start] ^ 1]) + whole[start + 1 :])
    with pytest.raises(InputError, match="train_images cannot be read: Bad CRC-32"):
        ArrayFiles(path=path).fetch()
    for content in (whole[: len(whole) // 2], b"", b"\x80\x04N."):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is neither an .npz file nor a folder"):
            ArrayFiles(path=path).fetch()


@needs_pipes
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "own.npz")
    with pytest.raises(InputError, match=r"own.npz': is neither an .npz file nor a folder"):
        ArrayFiles(path=tmp_path / "own.npz").fetch()
    path = store(tmp_path, good(), "npy")
    (path / "test_labels.npy").unlink()
    os.mkfifo(path / "test_labels.npy")
    with pytest.raises(InputError, match="test_labels cannot be read: it is not a file"):
        ArrayFiles(path=path).fetch()


def test_an_archive_whose_directory_is_damaged_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path, good())
    whole = path.read_bytes()
    start = whole.index(b"PK\x01\x02")
    path.write_bytes(whole[:start] + b"XX" + whole[start + 2 :])
    with pytest.raises(InputError, match=rf"datasets.arrays.path = '{path}': cannot be read: Bad magic number"):
        ArrayFiles(path=path).fetch()


@pytest.mark.parametrize("kind", ["npz", "npy"])
@pytest.mark.parametrize("shape", [(10**12, 32, 32, 3), (10**18, 10**18), (2**32, 2**32), (10**5, 5, 6, 3), (-9, 5, 6)])
def test_a_header_that_promises_too_much_is_refused(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    path = store(tmp_path, good(), kind)
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    content = file.getvalue() + good()["train_images"].tobytes()
    if kind == "npy":
        (path / "train_images.npy").write_bytes(content)
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()} | {"train_images.npy": content}
        path.write_bytes(zipped(members))
    with pytest.raises(InputError, match=r"train_images cannot be read: \S"):
        ArrayFiles(path=path).fetch()


@pytest.mark.parametrize("kind", ["npz", "npy"])
@given(st.data())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_damaged_there_is_no_traceback(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    path = store(tmp_path, good(), kind)
    file = path / "train_images.npy" if kind == "npy" else path
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 127) | st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content)
    with suppress(InputError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ArrayFiles(path=path).fetch()


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["a", "a"], "two classes have the same name"),
        (["a", ""], "the name of a class, '', is empty"),
        ([0, 1], "valid string"),
    ],
)
def test_the_names_given_must_differ(classes: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=rf"^params.yaml: datasets.arrays.classes = .*{message}.*; allowed: null, or"):
        validate(ArrayFiles, "datasets.arrays", {"path": "own.npz", "classes": classes})
