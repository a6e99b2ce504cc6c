"""The picture of how much poison it takes must be readable whatever the study found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.text import Text

from miseducation.figures import dose_response, pictures
from miseducation.studies import dose
from miseducation.studies.hill import Curve
from tests.figures.test_pictures import misplaced
from tests.studies.test_dose import GRID, MEASURED, exact, simulated, table

ARTICLE = ((0.01, 0.95, 0.99), (0.05, 0.99, 0.99))


def drawn(cells: pd.DataFrame, article: tuple[tuple[float, float, float], ...] = ()) -> Figure:
    return dose_response.dose_response(cells, dose.summarise(cells), dose.doses(cells), article)


def several(count: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    medians = np.geomspace(0.0003, 0.03, count)
    each = [simulated(Curve(0.001, 0.98, median, 2.0), rng, seeds=2) for median in medians]
    return pd.concat([cells.assign(attack=f"attack-of-$some$_length-{i}") for i, cells in enumerate(each)])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


@pytest.mark.parametrize(
    "cells",
    [
        table(MEASURED),
        several(2),
        several(12),
        exact(Curve(0.001, 1.0, 0.0005, 2.0), seeds=1),
        exact(Curve(0.001, 1.0, 0.02, 2.0), seeds=2),
        exact(Curve(0.001, 0.3, 0.02, 2.0)),
        exact(Curve(0.001, 1.0, 0.00003, 2.0)),
        table({0.01: (0.99, 0.995), 0.05: (0.999, 1.0)}),
        table({0.01: (0.99,)}),
        table({rate: (0.001 if rate < 0.002 else 0.99,) * 2 for rate in GRID}),
        table({0: (0.01, 0.02)}),
        table({0: (0.01, 0.02), 0.002: (0.1, 0.2), 0.008: (0.5, 0.6)}),
        table({0: (0.01, 0.02), 0.0045: (0.1, 0.2), 0.009: (0.5, 0.6)}),
        table(dict.fromkeys((0, *GRID), (np.nan, np.nan))).assign(clean_accuracy=np.nan, baseline_accuracy=np.nan),
    ],
)
def test_no_text_lies_on_another_or_is_cut_off(cells: pd.DataFrame, recwarn: pytest.WarningsRecorder) -> None:
    assert not misplaced(drawn(cells, ARTICLE))
    assert not recwarn.list


def test_the_picture_says_what_was_found() -> None:
    found = texts(drawn(table({rate: MEASURED[rate] for rate in (0, *GRID)}), ARTICLE))
    assert "50 % at 0.183 % (0.161 % to 0.24 %)" in found
    assert {"0", "0.01 %", "0.1 %", "1 %", "10 %"} <= set(found)
    assert {"How much poison it takes: mnist", dose_response.STARS} <= set(found)
    assert "95 %: above 10 %" in texts(drawn(exact(Curve(0.001, 0.9, 0.001, 2.0))))


def test_what_is_not_there_is_not_explained() -> None:
    found = texts(drawn(table({0.01: (0.99, 0.995), 0.05: (0.999, 1.0)})))
    assert not {"0", dose_response.STARS, "fitted log-logistic curve"} & set(found)
    assert {"1 %", "2 %", "5 %"} <= set(found), "a single decade would leave one tick"


def test_each_score_stands_where_it_belongs() -> None:
    upper, lower = drawn(table(MEASURED), ARTICLE).axes
    for ax, success in ((upper, True), (lower, False)):
        lines = [line.get_xydata() for line in ax.lines if len(line.get_xydata()) == len(MEASURED) - 1]  # type: ignore[arg-type]
        means = [np.mean(MEASURED[rate]) if success else 0.993 for rate in MEASURED if rate]
        np.testing.assert_allclose(np.asarray(lines[0]), np.transpose([[rate for rate in MEASURED if rate], means]))
        stars = [np.asarray(line.get_xydata()) for line in ax.lines if line.get_marker() == "*"]
        np.testing.assert_allclose(np.concatenate(stars), [each[:2] if success else each[::2] for each in ARTICLE])
    assert upper.get_xscale() == "log"
    assert np.ptp(lower.get_ylim()) >= dose_response.LEAST_SPAN, "noise must not look like a loss"


def test_the_fitted_curve_goes_through_its_doses() -> None:
    cells = exact(Curve(0.001, 1.0, 0.002, 2.0))
    upper, _ = drawn(cells).axes
    (fitted,) = [np.asarray(line.get_xydata()) for line in upper.lines if len(np.asarray(line.get_xdata())) == 400]
    marks = [tuple(mark) for line in upper.lines if line.get_marker() == "D" for mark in np.asarray(line.get_xydata())]
    assert [mark[1] for mark in marks] == [0.5, 0.95]
    for rate, level in marks:
        assert np.interp(np.log(rate), np.log(fitted[:, 0]), fitted[:, 1]) == pytest.approx(level, abs=0.002)


def test_an_interval_that_leaves_the_rates_ends_in_an_arrow() -> None:
    good, bad = exact(Curve(0.001, 0.99, 0.001, 2.0)), exact(Curve(0.001, 0.3, 0.001, 2.0))
    upper, _ = drawn(pd.concat([good[good["seed"] <= 2], bad[bad["seed"] == 3]])).axes
    points = {str(line.get_marker()): np.asarray(line.get_xydata()) for line in upper.lines}
    ends = {marker: points[marker][0] for marker in ("|", "<", ">") if marker in points}
    assert set(ends) == {"|", ">"}
    assert ends[">"] == pytest.approx([0.1, 0.5])


def test_no_two_of_many_series_look_alike() -> None:
    figure = drawn(several(12))
    looks = {
        (str(line.get_color()), str(line.get_marker()))
        for line in figure.axes[0].lines
        if str(line.get_label()).startswith("attack-of")
    }
    assert len(looks) == 12
    assert not any(same_color(colour, "white") for colour, _ in looks)


def test_the_same_study_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        pictures.save(drawn(table(MEASURED), ARTICLE), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
