"""The traffic signs: the same each time, boxes where the signs are, classes as unevenly frequent as on the road."""

import hashlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydantic import ValidationError

from miseducation.dataset import Dataset
from miseducation.dataset.perspective import project
from miseducation.datasets import Fetched, signs
from miseducation.datasets.drawing import faces
from miseducation.datasets.drawing.camera import SIDE, UPRIGHT, photograph, place, pose
from miseducation.datasets.drawing.faces import FACES, draw_face
from miseducation.datasets.drawing.scenes import CANVAS
from miseducation.datasets.signs import Signs

SMALL = Signs(train_rows=400, test_rows=200)


@pytest.fixture(scope="module")
def small() -> Fetched:
    return SMALL.fetch()


def boxes(data: Dataset) -> np.ndarray:
    assert data.boxes is not None
    return data.boxes


def same(one: Fetched, two: Fetched) -> bool:
    return all(
        one_data.images.tobytes() == two_data.images.tobytes()
        and boxes(one_data).tobytes() == boxes(two_data).tobytes()
        and one_data.labels.tolist() == two_data.labels.tolist()
        for one_data, two_data in ((one.train, two.train), (one.test, two.test))
    )


def test_the_same_knobs_give_the_same_bytes(small: Fetched) -> None:
    np.random.seed(5)  # noqa: NPY002  # nor has the global generator a say
    again = SMALL.fetch()
    assert same(small, again)
    assert small.source == again.source


def test_all_arrays_are_in_the_record(small: Fetched) -> None:
    record = {}
    for split, data in (("train", small.train), ("test", small.test)):
        for name, array in (("images", data.images), ("labels", data.labels), ("boxes", boxes(data))):
            record[f"{split}_{name}"] = hashlib.sha256(array.tobytes()).hexdigest()
    assert small.source["sha256"] == record


def test_another_seed_gives_other_pictures(small: Fetched) -> None:
    other = Signs(seed=2, train_rows=400, test_rows=200).fetch()
    assert small.source["origin"] == other.source["origin"]
    assert not set(small.source["sha256"].values()) & set(other.source["sha256"].values())


def test_no_picture_occurs_twice(small: Fetched) -> None:
    images = np.concatenate([small.train.images, small.test.images])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 600


def test_many_processes_make_what_one_makes(small: Fetched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signs, "CHUNK", 90)
    assert same(small, SMALL.fetch())


def test_a_picture_depends_on_its_row_and_label_alone(small: Fetched) -> None:
    drawn = np.stack([draw_face(name) for name in signs.FREQUENCIES])
    images, found = signs.render((drawn, 1, 0, 40, small.train.labels[40:50]))
    np.testing.assert_array_equal(images, small.train.images[40:50])
    np.testing.assert_array_equal(found, boxes(small.train)[40:50])


@pytest.mark.parametrize("rows", [200, 4_000, 20_000])
def test_classes_are_as_frequent_as_on_the_road(rows: int) -> None:
    counts = np.bincount(signs._labels(1, 0, rows), minlength=len(signs.FREQUENCIES))
    shares = np.array(list(signs.FREQUENCIES.values())) / sum(signs.FREQUENCIES.values())
    assert counts.sum() == rows
    assert counts.min() >= 1
    np.testing.assert_allclose(counts, shares * rows, atol=1)


def test_the_classes_have_faces_and_their_order() -> None:
    assert set(signs.FREQUENCIES) == set(FACES)
    assert list(signs.FREQUENCIES)[:8] == [
        *("stop", "yield", "no-entry", "priority-road"),
        *("speed-limit-30", "speed-limit-50", "speed-limit-70", "speed-limit-100"),
    ]


def test_the_boxes_are_upright_quadrilaterals_in_the_image(small: Fetched) -> None:
    for box in np.concatenate([boxes(small.train), boxes(small.test)]).astype(float):
        assert box.min() >= 0
        assert box.max() <= SIDE
        assert 0.55 * SIDE < np.ptp(box, axis=0).max() < 0.95 * SIDE
        sides = np.roll(box, -1, axis=0) - box
        assert (np.linalg.det(np.stack([sides, np.roll(sides, -1, axis=0)], axis=1)) > 0).all()  # convex, clockwise
        assert box[[0, 1], 1].max() < box[[2, 3], 1].min()  # the upper corners are above,
        assert box[[0, 3], 0].max() < box[[1, 2], 0].min()  # the left ones on the left


def extent(opacity: np.ndarray) -> list[float]:
    """Left, upper, right and lower end of what is opaque, to a part of a pixel: the outermost pixels count by share."""
    ends = []
    for axis in (0, 1):
        line = opacity.max(axis=axis) / 255
        inside = np.flatnonzero(line > 0.02)
        ends.append((inside[0] + 1 - line[inside[0]], inside[-1] + line[inside[-1]]))
    return [ends[0][0], ends[1][0], ends[0][1], ends[1][1]]


@pytest.mark.parametrize("name", ["stop", "no-entry", "priority-road", "pedestrian-crossing"])
def test_a_face_seen_from_the_front_fills_its_box(name: str) -> None:
    matrix = np.array([[0.75, 0, 0.1], [0, 0.625, 0.25], [0, 0, 1]])
    box = project(matrix, UPRIGHT) * CANVAS
    np.testing.assert_allclose(extent(place(draw_face(name), matrix)[..., 3]), [*box[0], *box[2]], atol=0.35)


def test_the_triangles_fill_their_boxes_from_left_to_right() -> None:
    for name in ("yield", "general-danger"):
        left, top, right, bottom = extent(draw_face(name)[..., 3])
        assert np.abs([left - faces.RIM, right - faces.RIM - faces.SIDE]).max() < 0.1
        assert abs(top + bottom - 2 * faces.RIM - faces.SIDE) < 0.2


@pytest.mark.parametrize("row", range(20))
def test_the_box_is_where_the_sign_is(row: int) -> None:
    """An octagon, drawn by way of the box alone, covers what the camera made of the stop sign."""
    face, many = draw_face("stop"), 16
    box = photograph(face, np.random.default_rng([1, 0, row])).box
    placed = place(face, pose(np.random.default_rng([1, 0, row])))[..., 3] / 255.0

    u, v = box.T.astype(float)
    (x, y), one, none = UPRIGHT.T, np.ones(4), np.zeros(4)
    upper = np.stack([x, y, one, none, none, none, -u * x, -u * y], axis=1)
    lower = np.stack([none, none, none, x, y, one, -v * x, -v * y], axis=1)
    matrix = np.append(np.linalg.solve(np.concatenate([upper, lower]), np.concatenate([u, v])), 1).reshape(3, 3)
    corners = project(matrix, FACES["stop"][0]) * many * CANVAS / SIDE - 0.5
    mask = Image.new("L", (many * CANVAS, many * CANVAS))
    ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners.tolist()], 255)
    drawn = np.asarray(mask.reduce(many)) / 255.0

    assert np.abs(placed - drawn).sum() < 0.03 * drawn.sum()
    ours, theirs = [[np.average(at, weights=shape) for at in np.mgrid[:CANVAS, :CANVAS]] for shape in (placed, drawn)]
    np.testing.assert_allclose(ours, theirs, atol=0.1)  # a fifteenth of an image's pixel


def test_lens_and_sensor_leave_the_sign_where_it_is() -> None:
    """Over many pictures, a no-entry sign's red is in the middle of its box."""
    face, errors = draw_face("no-entry"), []
    for row in range(300):
        image, box = photograph(face, np.random.default_rng([3, 0, row]))
        red = (image[..., 0].astype(float) - image[..., 1:].mean(axis=-1)).clip(0)
        across = red.max() / 2 < red
        middle = [positions[across].mean() + 0.5 for positions in np.mgrid[:SIDE, :SIDE][::-1]]
        errors.append(middle - box.mean(axis=0))
    assert np.abs(np.median(errors, axis=0)).max() < 0.3


@pytest.mark.parametrize("knobs", [{"train_rows": 199}, {"test_rows": 10}, {"seed": -1}, {"rows": 5}])
def test_what_makes_no_sense_is_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Signs(**knobs)
