"""The bootstrap over seeds: intervals of what was measured with a few of them. Pure functions of arrays.

All intervals are for 95 %, and are percentiles, expanded (Hesterberg 2015, doi:10.1080/00031305.2015.1089789): a few
seeds vary less than all that could have been drawn. In simulations with five seeds the interval of a mean held it in 90
to 91 % of the cases, where plain percentiles and BCa held it in 83 to 88 %; with ten seeds in 94 to 96 %. With three it
is 75 %, and nothing helps: no bootstrap knows of anything beyond the lowest and the highest seed.
"""

from itertools import combinations_with_replacement
from math import comb, sqrt

import numpy as np
from scipy.special import ndtr, stdtrit
from scipy.stats import bootstrap, multinomial

DRAWS = 9999  # resamples of a mean
REFITS = 1000  # resamples of what takes longer, at most


def confidence(n: int) -> float:
    """The share of the resamples of n seeds, 2 or more, in an interval as wide as Student's, if all is normal.

    >>> round(confidence(5), 4), round(confidence(100), 4)
    (0.9981, 0.9539)
    """
    return float(1 - 2 * ndtr(-sqrt(n / (n - 1)) * stdtrit(n - 1, 0.975)))


def interval_of_mean(values: np.ndarray) -> tuple[float, float]:
    """The interval of the mean of float64 `[n]`; NaN with fewer than two.

    >>> interval_of_mean(np.array([0.5, 0.5, 0.5]))
    (0.5, 0.5)
    """
    if len(values) < 2:
        return np.nan, np.nan
    level, rng = confidence(len(values)), np.random.default_rng(0)
    # BCa, SciPy's default, is not defined if all are equal.
    drawn = bootstrap((values,), np.mean, n_resamples=DRAWS, method="percentile", confidence_level=level, rng=rng)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def resamples(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Resamples of n seeds, for what is too slow to compute thousands of times.

    Up to six seeds there are fewer than `REFITS`, so each is there once and nothing is left to chance.

    Returns:
        How often each seed comes in each resample, int64 `[m, n]`, and as a weight, how often there is such a resample,
        float64 `[m]`.

    >>> resamples(2)
    (array([[2, 0],
           [1, 1],
           [0, 2]]), array([0.25, 0.5 , 0.25]))
    """
    if comb(2 * n - 1, n) > REFITS:
        return np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), REFITS), np.ones(REFITS)
    times = np.array([np.bincount(each, minlength=n) for each in combinations_with_replacement(range(n), n)])
    return times, multinomial.pmf(times, n, np.full(n, 1 / n))


def interval(values: np.ndarray, weights: np.ndarray, n: int) -> tuple[float, float]:
    """The interval of float64 `[m]`, perhaps infinite: what came of each of the weighted `resamples` of n seeds.

    Each end is one of the values: where some are infinite, there is nothing between those and the others.
    """
    tail = (1 - confidence(n)) / 2
    low, high = np.quantile(values, [tail, 1 - tail], weights=weights, method="inverted_cdf")
    return float(low), float(high)
