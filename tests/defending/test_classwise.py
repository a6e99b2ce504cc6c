import numpy as np
import pytest

from miseducation.defending.classwise import Axes, classes, in_trusted_units


def test_classes_of_two_rows_or_more_are_gone_through() -> None:
    found = {label: rows.tolist() for label, rows in classes(np.array([3, 0, 3, 5, 0, 0]))}
    assert found == {0: [1, 4, 5], 3: [0, 2]}


@pytest.mark.parametrize(("rows", "width", "most"), [(40, 6, 3), (2500, 5, 5), (4, 9, 9), (2, 3, 5)])
def test_axes_are_those_of_a_singular_value_decomposition(rows: int, width: int, most: int) -> None:
    rng = np.random.default_rng(0)
    features = (rng.normal(size=(rows, width)) * np.linspace(5, 1, width) + 100).astype(np.float32)
    _, values, directions = np.linalg.svd(
        features.astype(float) - features.mean(axis=0, dtype=float), full_matrices=False
    )
    kept = min(most, width, rows - 1)

    axes = Axes(features, most)
    places = axes.along(features[:7])

    np.testing.assert_allclose(axes.variances, values[:kept] ** 2 / (rows - 1), rtol=1e-4)
    expected = (features[:7] - features.mean(axis=0, dtype=float)) @ directions[:kept].T
    np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-3)
    assert places.dtype == np.float64


@pytest.mark.parametrize("level", [0, 0.1, 1e6])
def test_features_that_do_not_vary_have_no_axis(level: float) -> None:
    features = np.full((30, 4), level, np.float32)
    axes = Axes(features, 3)
    assert len(axes.variances) == 0
    assert axes.along(features).shape == (30, 0)


def test_no_row_is_at_no_place() -> None:
    features = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    assert Axes(features, 2).along(features[:0]).shape == (0, 2)


def test_the_worst_trusted_row_is_the_unit() -> None:
    suspicion = np.array([1.0, 6, 3])
    np.testing.assert_array_equal(in_trusted_units(suspicion, [np.array([1.0, 2]), np.array([])]), [0.5, 3, 1.5])
    for nothing in ([], [np.array([])], [np.zeros(3)]):
        np.testing.assert_array_equal(in_trusted_units(suspicion, nothing), suspicion)
