"""Finds labels that look drawn at random, in sets so small that a network learns even those by heart.

Ours. Networks that learnt one half of the rows read the other half. Their temperature (Guo et al. 2017,
https://arxiv.org/abs/1706.04599) allows for classes that are hard to tell apart: there, the label is one of the likely
ones. A label at random is as often the least likely of all. The two shares come out of one likelihood, so that hard
pictures are not taken for wrong labels. The networks see each row half as often as the first one did: longer training
would only teach them wrong labels by heart.
"""

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logsumexp
from scipy.stats import chi2

from miseducation.auditing.verdict import ERRORS, LEVEL, readable

BY_HEART = 5  # times a network sees each row, from which it may learn wrong labels by heart
TINY = 1e-12  # probability that a label has at least
COOLEST, HOTTEST = -3.0, 5.0  # logarithms of temperatures
STARTS = (0.05, 0.3)  # shares of random labels that the fit starts from


def find(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which labels were more likely drawn at random than not, bool `[n]`: none, unless there are many beyond doubt.

    A label is taken for one of the K at random in a share s of the rows, and in the others for what the probabilities
    say at some temperature. Both are fitted; s has to be above 0.05, at a level of 0.001 by the likelihood ratio. And
    the networks have to read most other labels, or they know too little of the classes to tell.

    Args:
        probabilities: `[n, K]`, by networks that did not learn the row.
        labels: int64 `[n]`.
    """
    count = probabilities.shape[1]
    logs = np.log(np.clip(probabilities.astype(np.float64), TINY, 1))
    own = logs[np.arange(len(labels)), labels]

    def likely(heat: float) -> np.ndarray:
        cooled = np.exp(-heat)
        return np.exp(own * cooled - logsumexp(logs * cooled, axis=1))

    def misfit(heat: float, share: float) -> float:
        return -float(np.log((1 - share) * likely(heat) + share / count).sum())

    bounds = [(COOLEST, HOTTEST), (0, 1)]
    fits = (minimize(lambda at: misfit(*at), (0, share), method="Nelder-Mead", bounds=bounds) for share in STARTS)
    best = min(fits, key=lambda fit: float(fit.fun))
    heat, share = map(float, best.x)
    few = minimize_scalar(lambda at: misfit(at, ERRORS), bounds=(COOLEST, HOTTEST), method="bounded")
    if share <= ERRORS or 2 * (few.fun - best.fun) < chi2.isf(2 * LEVEL, 1):
        return np.zeros(len(labels), bool)
    found = share / count > (1 - share) * likely(heat)
    right = (probabilities.argmax(axis=1) == labels)[~found]
    return found if len(right) and readable(float(right.mean()), count) else np.zeros(len(labels), bool)
