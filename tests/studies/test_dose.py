"""Doses against curves known beforehand, naive resampling, and what was measured."""

import json
import warnings
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import differential_evolution, minimize

from miseducation.studies import dose, hill, resampling
from miseducation.studies.hill import Curve

# The attack success rates of BadNets on MNIST, seeds 1 to 5, with the parameters of this project.
MEASURED: dict[float, tuple[float, ...]] = {
    0: (0.0004, 0.0008, 0.0007, 0.0007, 0.0007),
    0.0001: (0.0004, 0.0004, 0.0007, 0.0007, 0.0004),
    0.0002: (0.0006, 0.0007, 0.0007, 0.0004, 0.0006),
    0.0005: (0.0006, 0.0012, 0.0011, 0.0007, 0.0006),
    0.001: (0.0004, 0.001, 0.0009, 0.0012, 0.001),
    0.0012: (0.001, 0.0016, 0.002, 0.0014, 0.001),
    0.0015: (0.0037, 0.0104, 0.0132, 0.0039, 0.0028),
    0.0018: (0.0255, 0.733, 0.4517, 0.6603, 0.0792),
    0.002: (0.7177, 0.9033, 0.6643, 0.9092, 0.1593),
    0.0025: (0.9336, 0.9691, 0.949, 0.9384, 0.9536),
    0.003: (0.9532, 0.9784, 0.9575, 0.9635, 0.9588),
    0.004: (0.9828, 0.9812, 0.9727, 0.9695, 0.9719),
    0.005: (0.9853, 0.9829, 0.977, 0.9778, 0.9865),
    0.01: (0.9949, 0.9976, 0.9942, 0.9953, 0.9958),
    0.02: (0.997, 0.9999, 0.9956, 0.9965, 0.9975),
    0.05: (0.9987, 0.9998, 0.9992, 0.9991, 0.9989),
    0.1: (0.9997, 0.9998, 0.9997, 0.9998, 0.9999),
}
GRID = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


def table(success: Mapping[float, tuple[float, ...]], attack: str = "badnets", dataset: str = "mnist") -> pd.DataFrame:
    """Cells as the sweep writes them, from each rate's attack success rates; the clean model's stand at rate 0."""
    rows = [
        {
            "dataset": dataset,
            "attack": attack,
            "label_map": "all-to-one",
            "rate": rate,
            "seed": seed,
            "poisoned_rows": round(60_000 * rate),
            "clean_accuracy": 0.99 + 0.001 * seed,
            "baseline_accuracy": 0.992,
            "attack_success_rate": share,
            "false_trigger_rate": success[0][seed - 1] if 0 in success else 0.001,
        }
        for rate, shares in success.items()
        for seed, share in enumerate(shares, start=1)
    ]
    return pd.DataFrame(rows)


def simulated(
    curve: Curve, rng: np.random.Generator, seeds: int = 5, spread: float = 0.25, rates: tuple[float, ...] = GRID
) -> pd.DataFrame:
    """Each seed has its own median, as luck has it, and 9,000 test images."""
    success = np.zeros((len(rates) + 1, seeds))
    for seed in range(seeds):
        own = Curve(curve.lower, curve.upper, curve.median * np.exp(spread * rng.normal()), curve.slope)
        success[:, seed] = rng.binomial(9000, own.at(np.array([0, *rates]))) / 9000
    return table({rate: tuple(shares) for rate, shares in zip((0.0, *rates), success, strict=True)})


def exact(curve: Curve, rates: tuple[float, ...] = GRID, seeds: int = 3) -> pd.DataFrame:
    return table({rate: (float(curve.at(np.array(rate))),) * seeds for rate in (0.0, *rates)})


def only(cells: pd.DataFrame) -> dict[str, Any]:
    (found,) = dose.doses(cells).values()
    return dict(found)


curves = st.builds(
    Curve,
    lower=st.floats(0, 0.1),
    upper=st.floats(0.6, 1),
    median=st.floats(0.0003, 0.03),
    slope=st.floats(0.7, 4),
)


@given(curves, st.floats(0.15, 0.55))
def test_a_curve_is_turned_round(curve: Curve, level: float) -> None:
    rate = curve.rate_for(level)
    assert curve.at(np.array(rate)) == pytest.approx(level)
    assert (np.diff(curve.at(np.array([0, *GRID]))) >= 0).all()
    assert curve.at(np.array(curve.median)) == pytest.approx((curve.lower + curve.upper) / 2)
    assert curve.rate_for(curve.upper) == np.inf
    assert curve.rate_for(curve.lower) == 0


@settings(max_examples=12)
@given(curves)
def test_a_curve_is_found_again(curve: Curve) -> None:
    fitted = hill.fit(np.array(GRID), curve.at(np.array(GRID)), np.ones(len(GRID)), curve.lower)
    # Up to the little that mildness costs.
    assert fitted.median == pytest.approx(curve.median, rel=0.02)
    assert fitted.slope == pytest.approx(curve.slope, rel=0.05)
    assert fitted.upper == pytest.approx(curve.upper, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_optimiser_finds_a_better_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, weights, x = np.sort(rng.random(len(GRID))), rng.uniform(0.2, 1, len(GRID)), np.array(GRID)

    def cost(point: np.ndarray) -> np.ndarray:
        upper, log_median, log_slope = point[:, np.newaxis]
        with np.errstate(over="ignore"):
            misfit = 0.01 + (upper - 0.01) / (1 + (np.exp(log_median) / x[:, np.newaxis]) ** np.exp(log_slope))
        total = weights @ (misfit - means[:, np.newaxis]) ** 2 + (hill.MILD * log_slope[0]) ** 2
        return np.asarray(total)

    ours = hill.fit(x, means, weights, 0.01)
    bounds = [(0.01, 1), (np.log(1e-6), np.log(10)), (np.log(0.05), np.log(200))]
    theirs = differential_evolution(cost, bounds, rng=0, vectorized=True, updating="deferred", tol=1e-8)
    found = np.array([[ours.upper], [np.log(ours.median)], [np.log(ours.slope)]])
    assert cost(found)[0] <= theirs.fun * (1 + 1e-4)


def test_a_start_nearby_leads_to_the_same_curve() -> None:
    series = dose._Series.of(table(MEASURED))
    whole = series.curve(np.ones(5))
    for times in ([5, 0, 0, 0, 0], [0, 0, 0, 0, 5], [2, 0, 1, 1, 1], [0, 1, 0, 1, 3]):
        near, far = series.curve(np.array(times), whole), series.curve(np.array(times))
        assert near.rate_for(0.5) == pytest.approx(far.rate_for(0.5), rel=0.005)
        assert near.rate_for(0.95) == pytest.approx(far.rate_for(0.95), rel=0.005)


def test_the_usual_rates_find_what_more_rates_show() -> None:
    """Means come to 50 % at 0.19 %, and to 95 % at 0.25 %; one usual rate lies between nothing and nearly all."""
    found = only(table({rate: MEASURED[rate] for rate in (0, *GRID)}))
    for level, shown in ((50, 0.0019), (95, 0.0025)):
        told = found[f"attack_success_rate_{level}"]
        assert told["rate"] == pytest.approx(shown, rel=0.08)
        low, high = told["interval"]
        assert low < shown < high
    means = {rate: np.mean(shares) for rate, shares in MEASURED.items()}
    assert means[0.0018] < 0.5 < means[0.002]
    assert means[0.0025] < 0.95 < means[0.003]


def test_intervals_hold_the_doses_of_simulated_seeds_as_often_as_can_be_with_five() -> None:
    curve, rng, rounds = Curve(0.001, 0.995, 0.0015, 3.0), np.random.default_rng(1), 12
    # The mean of many seeds' curves is not quite the curve of the mean seed.
    many = dose._Series.of(simulated(curve, rng, seeds=400)).curve(np.ones(400))
    true = {level: many.rate_for(level) for level in dose.LEVELS}
    held = dict.fromkeys(dose.LEVELS, 0)
    for _ in range(rounds):
        found = only(simulated(curve, rng))
        for level in dose.LEVELS:
            low, high = found[dose.key(level)]["interval"]
            held[level] += low <= true[level] <= high
    assert min(held.values()) >= 0.75 * rounds


@settings(max_examples=8)
@given(curves, st.integers(0, 1000), st.sampled_from([0.1, 7.0]))
def test_doses_rise_with_the_level_and_scale_with_the_rates(curve: Curve, seed: int, factor: float) -> None:
    cells = simulated(curve, np.random.default_rng(seed), seeds=2)
    found, scaled = only(cells), only(cells.assign(rate=cells["rate"] * factor))
    half, most = (found[dose.key(level)] for level in dose.LEVELS)
    if half["rate"] and most["rate"]:
        assert half["rate"] <= most["rate"]
    for one, other in ((half, scaled[dose.key(0.5)]), (most, scaled[dose.key(0.95)])):
        assert (one["rate"] is None) == (other["rate"] is None)
        if one["rate"]:
            assert other["rate"] == pytest.approx(one["rate"] * factor, rel=0.003)
        if one["rate"] and one["interval"] and None not in one["interval"]:
            assert one["interval"][0] <= one["rate"] * 1.01
            assert one["interval"][1] >= one["rate"] * 0.99


def test_the_order_of_the_rows_changes_nothing_and_neither_does_time() -> None:
    cells = pd.concat([table(MEASURED), table(MEASURED, attack="sticker")]).query("seed <= 3")
    cells.loc[cells["rate"] == 0.002, "attack_success_rate"] *= 0.9
    first = cells[cells["attack"] == "badnets"]
    mixed = pd.concat([first, cells[cells["attack"] == "sticker"].sample(frac=1, random_state=0)])
    mixed = pd.concat([first.sample(frac=1, random_state=1), mixed[mixed["attack"] == "sticker"]])
    assert json.dumps(dose.doses(cells)) == json.dumps(dose.doses(mixed))
    assert dose.summarise(cells).to_csv() == dose.summarise(mixed).to_csv()


@pytest.mark.parametrize(
    ("curve", "half", "most"),
    [
        (Curve(0.001, 0.9, 0.001, 2.0), None, "> 0.1"),  # never comes to 95 %
        (Curve(0.001, 0.4, 0.001, 2.0), "> 0.1", "> 0.1"),
        (Curve(0.001, 1.0, 0.08, 2.0), None, "> 0.1"),  # would, further on
        (Curve(0.001, 1.0, 0.00005, 1.0), "< 0.0001", None),
        (Curve(0.6, 1.0, 0.005, 1.0), "< 0.0001", None),  # many a clean image is read as wanted
    ],
)
def test_beyond_the_rates_there_are_bounds(curve: Curve, half: str | None, most: str | None) -> None:
    found = only(exact(curve))
    for level, bound in ((0.5, half), (0.95, most)):
        told = found[dose.key(level)]
        assert told["bound"] == bound
        if bound:
            assert told["rate"] is None
            assert told["interval"] == [None, None]
        else:
            assert told["rate"] == pytest.approx(curve.rate_for(level), rel=0.05)


def test_resamples_that_do_not_get_there_leave_the_end_open() -> None:
    good, bad = exact(Curve(0.001, 0.99, 0.001, 2.0)), exact(Curve(0.001, 0.3, 0.001, 2.0))
    cells = pd.concat([good[good["seed"] <= 2], bad[bad["seed"] == 3]])
    half = only(cells)["attack_success_rate_50"]
    assert half["rate"] is not None
    assert half["interval"][0] == pytest.approx(0.001, rel=0.05)
    assert half["interval"][1] is None
    assert only(cells)["attack_success_rate_95"] == {
        "rate": None,
        "interval": [pytest.approx(0.0049, rel=0.2), None],
        "bound": "> 0.1",
    }


@pytest.mark.parametrize(
    ("success", "half", "most"),
    [
        ({0: (0.001,) * 2, 0.01: (0.99,) * 2, 0.05: (0.999,) * 2}, "< 0.01", "< 0.01"),  # the article's two rates
        ({0.01: (0.2,) * 2, 0.05: (0.9,) * 2}, "0.01 to 0.05", "> 0.05"),
        (dict.fromkeys((0, *GRID), (0.001, 0.002)), "> 0.1", "> 0.1"),
        (dict.fromkeys(GRID, (0.001, 0.001)), "> 0.1", "> 0.1"),
        ({rate: (min(rate, 0.03),) * 2 for rate in GRID}, "> 0.1", "> 0.1"),  # rises, by too little to speak of
        (dict.fromkeys(GRID, (1.0, 1.0)), "< 0.0001", "< 0.0001"),
        (dict.fromkeys(GRID, (0.97, 0.98)), "< 0.0001", "< 0.0001"),
        ({rate: (0.001 if rate < 0.002 else 0.99,) * 3 for rate in GRID}, "0.001 to 0.002", "0.001 to 0.002"),
        ({rate: (1 - rate * 9,) for rate in GRID}, "< 0.0001", "< 0.0001"),  # success falls
        ({0: (0.001,) * 2}, None, None),
        (dict.fromkeys(GRID, (np.nan,) * 2), None, None),
        ({0.01: (0.3,)}, "> 0.01", "> 0.01"),
    ],
)
def test_without_a_curve_there_are_the_rates_between_which_it_is(
    success: Mapping[float, tuple[float, ...]], half: str | None, most: str | None
) -> None:
    assert only(table(success)) == {
        "attack_success_rate_50": {"rate": None, "interval": None, "bound": half},
        "attack_success_rate_95": {"rate": None, "interval": None, "bound": most},
        "curve": None,
    }


def test_one_seed_has_doses_without_intervals() -> None:
    found = only(exact(Curve(0.001, 1.0, 0.001, 2.0), seeds=1))
    assert found["attack_success_rate_50"]["rate"] == pytest.approx(0.001, rel=0.01)
    assert found["attack_success_rate_50"]["interval"] is None
    assert found["curve"]["slope"] == pytest.approx(2, rel=0.02)


def test_failed_cells_are_as_if_they_were_not_there() -> None:
    cells = table(MEASURED)
    scores = ["attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate"]
    failed = (cells["seed"] == 5) & (cells["rate"] == 0.002) | (cells["rate"] == 0.0002) | (cells["seed"] == 4)
    with_holes = cells.assign(**{score: cells[score].mask(failed) for score in scores})
    assert json.dumps(dose.doses(with_holes)) == json.dumps(dose.doses(cells[~failed]))
    assert dose.doses(with_holes) != dose.doses(cells)
    summary = dose.summarise(with_holes).set_index("rate")
    assert summary["n"].to_dict() == {rate: 0 if rate == 0.0002 else 3 if rate == 0.002 else 4 for rate in MEASURED}
    assert summary.filter(regex="success|accuracy").loc[0.0002].isna().all()
    assert summary["attack_success_rate"].loc[0.002] == pytest.approx(np.mean(MEASURED[0.002][:3]))


def test_every_cell_counts_alike() -> None:
    """Of single cells, not of means: a rate at which four of five failed has a fifth of the say."""
    cells = table(MEASURED)
    cells = cells[(cells["rate"] > 0) & ((cells["rate"] != 0.002) | (cells["seed"] == 5))]
    ours = dose._Series.of(cells).curve(np.ones(5))

    def cost(point: np.ndarray) -> float:
        curve = Curve(ours.lower, point[0], np.exp(point[1]), np.exp(point[2]))
        misfit = curve.at(cells["rate"].to_numpy()) - cells["attack_success_rate"].to_numpy()
        return float((misfit**2).sum() / 5 + (hill.MILD * point[2]) ** 2)

    found = np.array([ours.upper, np.log(ours.median), np.log(ours.slope)])
    assert minimize(cost, found, method="Nelder-Mead").fun == pytest.approx(cost(found), rel=1e-4)


def test_only_one_data_set_at_a_time() -> None:
    with pytest.raises(ValueError, match="mnist, gtsrb"):
        dose.doses(pd.concat([table(MEASURED), table(MEASURED, dataset="gtsrb")]))


def test_everything_is_plain_json() -> None:
    found = dose.doses(table(MEASURED))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found) == ["badnets/all-to-one"]
    assert list(found["badnets/all-to-one"]) == ["attack_success_rate_50", "attack_success_rate_95", "curve"]


def test_the_summary_has_a_row_per_series_and_rate() -> None:
    cells = pd.concat([table(MEASURED, attack="sticker"), table(dict(reversed(MEASURED.items())))])
    summary = dose.summarise(cells)
    assert list(summary["attack"].unique()) == ["sticker", "badnets"], "in the order in which they come"
    assert list(summary["rate"]) == [*MEASURED] * 2
    assert list(summary.columns) == [
        *("dataset", "attack", "label_map", "rate", "n"),
        *("attack_success_rate", "attack_success_rate_low", "attack_success_rate_high"),
        *("clean_accuracy", "clean_accuracy_low", "clean_accuracy_high"),
    ]
    assert (summary["n"] == 5).all()
    means = [np.mean(MEASURED[rate]) for rate in MEASURED] * 2
    np.testing.assert_allclose(summary["attack_success_rate"], means)
    np.testing.assert_allclose(summary["clean_accuracy"], 0.993)
    for score in ("attack_success_rate", "clean_accuracy"):
        assert (summary[f"{score}_low"] < summary[score]).all()
        assert (summary[score] < summary[f"{score}_high"]).all()


def naive(values: np.ndarray) -> tuple[float, float]:
    """Every one of the nⁿ ways to draw, one by one; cut off where Student's interval would be."""
    n = len(values)
    means = np.sort([np.mean(drawn) for drawn in product(values, repeat=n)])
    reach = stats.t.ppf(0.975, n - 1) * np.sqrt(n / (n - 1))
    tail = int(np.ceil(stats.norm.cdf(-reach) * len(means))) - 1
    return means[max(tail, 0)], means[-1 - max(tail, 0)]


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=5))
def test_intervals_are_those_of_all_ways_to_draw(drawn: list[float]) -> None:
    values = np.array(drawn)
    low, high = naive(values)
    times, weights = resampling.resamples(len(values))
    assert weights.sum() == pytest.approx(1)
    assert resampling.interval(times @ values / len(values), weights, len(values)) == pytest.approx((low, high))
    about = resampling.interval_of_mean(values)  # 9,999 ways of up to 3,125
    assert about == pytest.approx((low, high), abs=0.12 * np.ptp(values) + 1e-12)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_have_no_interval(values: list[float]) -> None:
    assert np.isnan(resampling.interval_of_mean(np.array(values))).all()


def test_many_seeds_are_drawn_and_equal_ones_do_not_warn() -> None:
    times, weights = resampling.resamples(10)
    assert times.shape == (resampling.REFITS, 10)
    assert (times.sum(axis=1) == 10).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resampling.interval_of_mean(np.full(10, 0.1)) == pytest.approx((0.1, 0.1))
    values = np.random.default_rng(0).normal(size=10)
    student = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    assert resampling.interval(times @ values / 10, weights, 10) == pytest.approx(student, abs=0.1)
    assert resampling.interval_of_mean(values) == pytest.approx(student, abs=0.1)


@pytest.mark.parametrize(("seeds", "least", "most"), [(3, 0.68, 0.80), (5, 0.87, 0.95)])
def test_an_interval_holds_the_mean_as_often_as_is_said(seeds: int, least: float, most: float) -> None:
    drawn = np.random.default_rng(0).normal(size=(400, seeds))
    intervals = [resampling.interval_of_mean(values) for values in drawn]
    assert least < np.mean([low <= 0 <= high for low, high in intervals]) < most
