"""How much poison is needed: scores by poisoning rate, and the rates at which an attack succeeds half or nearly always.

Pure functions of a study's cells, the rows of its `cells.csv`. Scores are shares, 0 to 1, NaN where a run failed; rates
are shares of the training rows, 0 to 1, and rate 0 is a clean control. A series is what was tried with one attack and
one label map. Intervals are those of `miseducation.studies.resampling`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from miseducation.studies.hill import Curve, fit
from miseducation.studies.resampling import interval, interval_of_mean, resamples

LEVELS = 0.50, 0.95  # attack success rates whose doses are told
SERIES = ["attack", "label_map"]
MEANS = ["attack_success_rate", "clean_accuracy"]  # what a finished cell has
ON_SLOPE = 0.05, 0.95  # where a mean tells of the slope, as a share of the way up
LEAST_RISE = 0.05  # of the response, below which there is no curve to speak of


def summarise(cells: pd.DataFrame, means: Sequence[str] = MEANS) -> pd.DataFrame:
    """The content of `summary.csv`: a row for each rate of each series, as they come, the rates rising.

    `n` counts the finished cells. The scores in `means` are their means, NaN without any; `…_low` and `…_high` are the
    ends of the interval, NaN with fewer than two.
    """
    rows = []
    for names, series in cells.groupby(["dataset", *SERIES], sort=False):
        for rate, runs in series.groupby("rate"):
            finished = runs.dropna(subset=MEANS).sort_values("seed")
            row = dict(zip(["dataset", *SERIES], names, strict=True)) | {"rate": rate, "n": len(finished)}
            for score in means:
                values = finished[score].dropna().to_numpy(float)  # a baseline may be missing
                low, high = interval_of_mean(values)
                row |= {score: values.mean() if len(values) else np.nan, f"{score}_low": low, f"{score}_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def doses(cells: pd.DataFrame) -> dict[str, Any]:
    """A data set's part of `dose.json`: for each "attack/label_map", the rate needed for each of `LEVELS`.

    `attack_success_rate_50` and `…_95` hold `rate`, `interval` and `bound`; `curve` holds the fields of a `Curve`.

    Nothing is told of rates that were not swept. Where a level is not reached at the highest, or is already at the
    lowest above 0, `rate` is null and `bound` says "> 0.1" or "< 0.0001". An end of an interval that lies out there is
    null: resamples of the seeds whose curve never comes to the level count as above, and enough of them make the upper
    end null. One seed has no interval.

    The curve decides, not the first mean that happens to be high enough. There is none, and `curve` is null, with fewer
    than three rates above 0, without an effect, if success does not rise with the rate, and if the means step from
    bottom to top with none in between: all that is known then is between which rates, "0.001 to 0.002".

    Raises:
        ValueError: If the cells are of several data sets.
    """
    if len(cells["dataset"].unique()) > 1:
        raise ValueError(f"the doses of one data set at a time, not of {', '.join(cells['dataset'].unique())}")
    series = cells.groupby(SERIES, sort=False)
    return {f"{attack}/{label_map}": of_series(runs) for (attack, label_map), runs in series}


class Response(NamedTuple):
    """What grows with the rate, a column of the cells: shares, 0 to 1.

    Attributes:
        score: The column.
        lower: What it is without poison: another column, or a share.
        levels: Those whose doses are told.
    """

    score: str
    lower: str | float
    levels: tuple[float, ...]

    def key(self, level: float) -> str:
        """The name of a level, such as attack_success_rate_95 for 0.95."""
        return f"{self.score}_{level * 100:g}"


SUCCESS = Response("attack_success_rate", "false_trigger_rate", LEVELS)


class _Series(NamedTuple):
    """The finished cells above rate 0 of one series."""

    rates: np.ndarray  # float64 [r], rising
    response: np.ndarray  # float64 [r, s], of each seed; 0 where there is none
    there: np.ndarray  # bool [r, s], where there is one
    lower: np.ndarray  # float64 [s], the response of each seed without poison

    @classmethod
    def of(cls, cells: pd.DataFrame, response: Response = SUCCESS) -> "_Series":
        lower = cells[response.lower] if isinstance(response.lower, str) else response.lower
        finished = cells.assign(lower=lower)[cells["rate"] > 0].dropna(subset=[response.score, "lower"])
        table = finished.pivot_table(index="rate", columns="seed", values=response.score)
        ends = finished.groupby("seed")["lower"].mean()  # which is the same at all rates
        rates, found = table.index.to_numpy(float), table.to_numpy(float)
        return cls(rates, np.nan_to_num(found), ~np.isnan(found), ends.to_numpy(float))

    def means(self) -> np.ndarray:
        """Over the seeds at each rate, float64 `[r]`."""
        return self.response.sum(axis=1) / self.there.sum(axis=1)

    def curve(self, times: np.ndarray, start: Curve | None = None) -> Curve:
        """Of a resample in which each seed comes so many times, `[s]`."""
        counts = self.there @ times
        some = counts > 0
        means, weights = (self.response @ times)[some] / counts[some], counts[some] / times.sum()
        return fit(self.rates[some], means, weights, float(self.lower @ times / times.sum()), start)


def of_series(cells: pd.DataFrame, response: Response = SUCCESS) -> dict[str, Any]:
    """As `doses`, of the cells of one series and of any response."""
    series = _Series.of(cells, response)
    rates, means, seeds = series.rates, series.means(), len(series.lower)
    whole = series.curve(np.ones(seeds)) if len(rates) > 2 else None
    if whole is None or not _is_shown(whole, rates, means):
        unknown: dict[str, Any] = {"rate": None, "interval": None}
        places = {response.key(level): unknown | {"bound": place(level, rates, means)} for level in response.levels}
        return places | {"curve": None}
    found: dict[str, Any] = {}
    times, weights = resamples(seeds)
    curves = [series.curve(each, whole) for each in times] if seeds > 1 else []
    for level in response.levels:
        rate = whole.rate_for(level)
        bound = f"< {rates[0]:g}" if rate < rates[0] else f"> {rates[-1]:g}" if rate > rates[-1] else None
        at = np.array([each.rate_for(level) for each in curves])
        ends = [_swept(end, rates) for end in interval(at, weights, seeds)] if curves else None
        found[response.key(level)] = {"rate": _swept(rate, rates), "interval": ends, "bound": bound}
    return found | {"curve": {name: _short(value) for name, value in asdict(whole).items()}}


def key(level: float) -> str:
    """The name of a level of the attack success rate, see `Response.key`."""
    return SUCCESS.key(level)


def _is_shown(curve: Curve, rates: np.ndarray, means: np.ndarray) -> bool:
    """Whether the means show the curve: it rises, one of them lies on its slope, and it tells them apart."""
    rise = curve.upper - curve.lower
    on_slope = (means > curve.lower + ON_SLOPE[0] * rise) & (means < curve.lower + ON_SLOPE[1] * rise)
    misfit, spread = ((means - curve.at(rates)) ** 2).sum(), ((means - means.mean()) ** 2).sum()
    return bool(rise >= LEAST_RISE and on_slope.any() and misfit < spread / 2)


def place(level: float, rates: np.ndarray, means: np.ndarray) -> str | None:
    """A `bound`: between which rates the means first come to a level, in words; None without any."""
    reached = np.flatnonzero(means >= level)
    if not len(reached):
        return f"> {rates[-1]:g}" if len(rates) else None
    after = reached[0]
    return f"{rates[after - 1]:g} to {rates[after]:g}" if after else f"< {rates[0]:g}"


def _swept(rate: float, rates: np.ndarray) -> float | None:
    return _short(rate) if rates[0] <= rate <= rates[-1] else None


def _short(value: float) -> float:
    return float(f"{value:.4g}")  # no sweep tells more
