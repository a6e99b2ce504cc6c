"""The picture of each attack's success has a panel for each series, and is readable with many of them."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from miseducation.figures.success_by_rate import success_by_rate
from miseducation.studies.dose import summarise
from tests.figures.test_pictures import misplaced

RATES = (0.001, 0.005, 0.01, 0.05, 0.1)


def made(attacks: int, datasets: int, rates: tuple[float, ...] = RATES) -> pd.DataFrame:
    """A study that nobody made: the first attack cannot be at the highest rate; each has two label maps."""
    rng, rows = np.random.default_rng(0), []
    for dataset in [f"data set {number}" for number in range(datasets)]:
        for attack in range(attacks):
            for rate in rates:
                for seed in (1, 2, 3):
                    values = rng.random(2) if attack or rate < 0.1 else np.full(2, np.nan)
                    label_map = ("one-to-one", "clean-label")[attack % 2]
                    rows.append((dataset, f"some_attack_{attack // 2}", label_map, rate, seed, *values))
    columns = ["dataset", "attack", "label_map", "rate", "seed", "clean_accuracy", "attack_success_rate"]
    return pd.DataFrame(rows, columns=columns)


def panels(axes: list[Axes]) -> dict[tuple[str, str], Axes]:
    return {(ax.get_title(loc="left"), ax.get_title(loc="right")): ax for ax in axes if ax.get_visible()}


@pytest.mark.parametrize(
    ("attacks", "datasets", "rates"),
    [(1, 1, RATES), (2, 2, RATES), (3, 1, (0, *RATES)), (11, 2, RATES), (12, 7, RATES), (1, 1, (0.01,)), (2, 1, (0,))],
)
def test_no_text_lies_on_another_or_is_cut_off(
    attacks: int, datasets: int, rates: tuple[float, ...], recwarn: pytest.WarningsRecorder
) -> None:
    cells = made(attacks, datasets, rates)
    figure = success_by_rate(cells, summarise(cells))
    assert not misplaced(figure)
    assert panels(figure.axes).keys() == set(zip(cells["attack"], cells["label_map"], strict=True))
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for ax in figure.axes}) == 1
    assert not recwarn.list


def test_each_panel_shows_its_own_series() -> None:
    cells = made(4, 2, (0, *RATES))
    summary = summarise(cells)
    axes = panels(success_by_rate(cells, summary).axes)
    for (attack, label_map), ax in axes.items():
        lines = [np.asarray(line.get_xydata()) for line in ax.lines if line.get_marker() == "o"]
        for line, dataset in zip(lines, ("data set 0", "data set 1"), strict=True):
            ours = (summary["attack"] == attack) & (summary["label_map"] == label_map)
            means = summary[ours & (summary["dataset"] == dataset) & (summary["rate"] > 0)].dropna()
            np.testing.assert_array_equal(line, means[["rate", "attack_success_rate"]].to_numpy())
        crosses = [line for line in ax.lines if line.get_marker() == "x" and len(np.asarray(line.get_xdata()))]
        failed = (attack, label_map) == ("some_attack_0", "one-to-one")
        assert [np.asarray(line.get_xydata()).tolist() for line in crosses] == [[[0.1, 0]]] * 2 * failed
