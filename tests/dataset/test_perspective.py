"""Textures lie where their corners say: against areas that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miseducation.dataset import perspective
from miseducation.dataset.perspective import homographies, lay, project

UNIT = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
WHITE = np.array([[[255.0, 1.0]]])  # one texel: grey level and opacity
BLACK = np.zeros((1, 20, 30, 1), np.uint8)


def quadrilaterals() -> st.SearchStrategy[np.ndarray]:
    """Convex ones: a square whose corners are moved by less than a quarter of its side, turned and scaled."""
    shifts = st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8).map(lambda each: np.reshape(each, (4, 2)))
    return st.builds(
        lambda moved, angle, side: (
            (UNIT + moved - 0.5) @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * side
            + [15, 10]
        ),
        shifts,
        st.floats(0, 2 * np.pi),
        st.floats(1, 12),
    )


def area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


@given(quadrilaterals())
def test_the_unit_squares_corners_go_to_the_corners(corners: np.ndarray) -> None:
    np.testing.assert_allclose(project(homographies(corners[None]), UNIT)[0], corners, atol=1e-9)


@given(quadrilaterals())
def test_the_centre_goes_to_where_the_diagonals_cross(corners: np.ndarray) -> None:
    # Straight lines stay straight: true of a homography, and not of a bilinear blend of the corners.
    a, b, c, d = corners
    along = np.linalg.solve(np.stack([c - a, b - d], axis=1), b - a)[0]
    centre = project(homographies(corners[None]), np.array([[0.5, 0.5]]))[0, 0]
    np.testing.assert_allclose(centre, a + along * (c - a), atol=1e-6)


@given(quadrilaterals())
def test_a_texture_covers_the_area_between_its_corners(corners: np.ndarray) -> None:
    laid = lay(WHITE, BLACK, corners[None])
    # Sides that lie along the samples, 8 to a pixel, gain or lose up to half a one over their whole length.
    assert laid.sum() / 255 == pytest.approx(area(corners), abs=0.35 + 0.03 * area(corners))


def test_pixels_on_the_edge_are_blended_by_how_much_of_them_is_covered() -> None:
    corners = np.array([[[2.5, 3], [4, 3], [4, 4.25], [2.5, 4.25]]])
    laid = lay(WHITE, BLACK, corners)[0, ..., 0] / 255
    expected = np.zeros((20, 30))
    expected[3, 2:4] = 0.5, 1
    expected[4, 2:4] = 0.125, 0.25
    np.testing.assert_allclose(laid, expected, atol=1 / 255)


def test_a_texture_stands_as_its_corners_do() -> None:
    texture = np.array([[[1.0, 1], [2, 1]], [[3, 1], [4, 1]]])  # 1 2 over 3 4
    square = np.array([[10, 5], [14, 5], [14, 9], [10, 9]])
    turned = np.roll(square, -1, axis=0)  # a quarter turn: its upper left corner is the square's upper right one
    upright, quarter = lay(texture, np.repeat(BLACK, 2, axis=0), np.stack([square, turned]))
    assert upright[5:9:2, 10:14:2, 0].tolist() == [[1, 2], [3, 4]]
    assert quarter[5:9:2, 10:14:2, 0].tolist() == [[3, 1], [4, 2]]


def test_what_is_transparent_lets_the_image_through() -> None:
    image = np.full((1, 4, 4, 3), 200, np.uint8)
    texture = np.array([[[0.0, 100, 50, 0.5]]])
    whole = np.array([[[0, 0], [4, 0], [4, 4], [0, 4]]])
    assert lay(texture, image, whole)[0].reshape(-1, 3).tolist() == [[100, 150, 125]] * 16
    assert image.min() == 200


@pytest.mark.parametrize("far", [(-2, -2), (28, 18), (100, 100), (-100, 3)])
def test_what_lies_outside_is_cut_off(far: tuple[int, int]) -> None:
    corners = np.array([[0, 0], [4, 0], [4, 4], [0, 4]]) + far
    laid = lay(WHITE, BLACK, corners[None])[0, ..., 0]
    expected = np.zeros_like(laid)
    for x in range(far[0], far[0] + 4):
        for y in range(far[1], far[1] + 4):
            if 0 <= x < 30 and 0 <= y < 20:
                expected[y, x] = 255
    np.testing.assert_array_equal(laid, expected)


def test_each_image_has_its_own_place_whatever_else_is_in_the_batch() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 20, 30, 3), dtype=np.uint8)
    corners = UNIT * rng.uniform(1, 20, (300, 1, 1)) + rng.uniform(-5, 25, (300, 1, 2))
    texture = rng.uniform(0, 1, (5, 4, 4)) * [255, 255, 255, 1]
    whole = lay(texture, images, corners)
    for row in (0, 7, 299):
        np.testing.assert_array_equal(lay(texture, images[row : row + 1], corners[row : row + 1])[0], whole[row])


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [1, 1], [2, 2], [3, 3]],  # in a line
        [[0, 0], [4, 4.0001], [8, 8], [2, 2]],  # all but in a line
        [[3, 3], [3, 3], [3, 3], [3, 3]],
        [[0, 0], [4, 4], [4, 0], [0, 4]],  # a bow tie
        [[0, 0], [4, 0], [1, 1], [0, 4]],  # a dent
        [[0, 0], [1e39, 0], [1e39, 1e39], [0, 1e39]],
        [[0, 0], [np.nan, 0], [4, 4], [0, 4]],
    ],
)
def test_corners_between_which_nothing_flat_can_lie_are_refused(corners: list[list[float]]) -> None:
    fine = [[0, 0], [4, 0], [4, 4], [0, 4]]
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="is not a convex quadrilateral"):
        lay(WHITE, np.repeat(BLACK, 2, axis=0), np.array([fine, corners]).astype(np.float32))


@given(quadrilaterals())
def test_a_quadrilateral_may_be_mirrored(corners: np.ndarray) -> None:
    # So that no sample, all of which are rational, lies on an edge: there the order of the corners decides.
    corners = corners + np.array([np.pi, np.e]) / 1000
    mirrored = corners[::-1]
    laid = lay(WHITE, np.repeat(BLACK, 2, axis=0), np.stack([corners, mirrored]))
    np.testing.assert_array_equal(laid[0], laid[1])


@pytest.mark.parametrize("samples", [2**10, 2**14])
def test_windows_may_be_gone_through_in_bands(samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 20, 30, 3), dtype=np.uint8)
    corners = UNIT * rng.uniform(1, 20, (20, 1, 1)) + rng.uniform(-5, 25, (20, 1, 2))
    texture = rng.uniform(0, 1, (5, 4, 4)) * [255, 255, 255, 1]
    whole = lay(texture, images, corners)
    monkeypatch.setattr(perspective, "AT_ONCE", samples)
    np.testing.assert_array_equal(lay(texture, images, corners), whole)
