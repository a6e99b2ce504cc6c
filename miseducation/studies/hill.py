"""The dose-response curve of an attack: how its success grows with the poisoning rate. Pure functions of arrays.

Rates are shares of the training rows, 0 to 1; attack success rates (ASR) are shares of test rows, 0 to 1.
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np
from scipy.optimize import least_squares
from scipy.special import expit

MILD = 0.01  # the misfit, in ASR at one rate, that is put up with for a curve that is less steep by a factor of e
BEYOND = 7.0  # how far from the rates a median may lie, in powers of e: a thousandfold
SLOPES = 0.05, 200.0  # the least and the greatest
STARTS = 2.0, 10.0  # slopes from which the fit sets out


@dataclass(frozen=True)
class Curve:
    """The log-logistic curve, or Hill curve (Ritz et al. 2015, doi:10.1371/journal.pone.0146021).

    ASR(rate) = lower + (upper − lower) ÷ (1 + (median ÷ rate)^slope)

    Attributes:
        lower: What a clean model gives, the false trigger rate, 0 to 1.
        upper: What the attack comes to with poison enough, `lower` to 1.
        median: The rate half-way up, above 0.
        slope: How steep it is, above 0: the odds of the upper end against the lower grow with this power of the rate.

    >>> curve = Curve(lower=0.0, upper=1.0, median=0.002, slope=2.0)
    >>> curve.at(np.array([0.0, 0.002, 0.006]))
    array([0. , 0.5, 0.9])
    >>> round(curve.rate_for(0.9), 6)
    0.006
    """

    lower: float
    upper: float
    median: float
    slope: float

    def at(self, rates: np.ndarray) -> np.ndarray:
        """The ASR at each rate, 0 included: float64 of the same shape, `lower` to `upper`."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is as far down as can be, which is right
            return self.lower + (self.upper - self.lower) * expit(self.slope * (np.log(rates) - log(self.median)))

    def rate_for(self, level: float) -> float:
        """The rate at which the ASR comes to `level`: 0 if it is there without poison, infinite if it never is."""
        if level <= self.lower:
            return 0.0
        if level >= self.upper:
            return float("inf")
        odds = log(level - self.lower) - log(self.upper - level)
        return exp(min(log(self.median) + odds / self.slope, 700.0))  # the greatest power that is a number


def fit(rates: np.ndarray, means: np.ndarray, weights: np.ndarray, lower: float, start: Curve | None = None) -> Curve:
    """The curve next to the means, by weighted least squares.

    A sweep may step from nothing to nearly all between two or three rates, and any slope above some fits that. So a
    steeper curve costs a little (`MILD`): of those that fit alike it is the mildest, and a slope that the data do show
    hardly changes. Why this curve, and where it is weak, stands in `docs/architecture.md`.

    Args:
        rates: float64 `[r]`, above 0, rising.
        means: float64 `[r]`, the mean ASR at each.
        weights: float64 `[r]`, how much each counts, above 0: the share of the seeds that it is a mean of, 0 to 1.
        lower: The false trigger rate, 0 to 1: it was measured, so it is not fitted.
        start: A curve to set out from, if one is known to be near; without it, several are tried.
    """
    x, root, room = np.log(rates), np.sqrt(weights), 1 - lower

    def misfit(parameters: np.ndarray) -> np.ndarray:
        share, middle, steepness = parameters
        curve = lower + share * room * expit(np.exp(steepness) * (x - middle))
        return np.append(root * (curve - means), MILD * steepness)

    def jacobian(parameters: np.ndarray) -> np.ndarray:
        share, middle, steepness = parameters
        slope, away = np.exp(steepness), x - middle
        up = expit(slope * away)
        along = share * room * up * (1 - up) * slope  # how the curve changes as it moves to the left
        changes = np.column_stack([room * up, -along, along * away])
        return np.vstack([root[:, np.newaxis] * changes, [0, 0, MILD]])

    starts = [(0.9, middle, log(slope)) for middle in x for slope in STARTS]
    if start:
        starts = [((start.upper - start.lower) / max(1 - start.lower, 1e-9), log(start.median), log(start.slope))]
    least, most = (0.0, x[0] - BEYOND, log(SLOPES[0])), (1.0, x[-1] + BEYOND, log(SLOPES[1]))
    found = [least_squares(misfit, np.clip(each, least, most), jacobian, bounds=(least, most)) for each in starts]
    share, middle, steepness = min(found, key=lambda each: each.cost).x
    return Curve(lower, lower + float(share) * room, exp(middle), exp(steepness))
