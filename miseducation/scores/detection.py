"""How well a detector tells poison from the rest: pure functions of arrays."""

from typing import NamedTuple

import numpy as np


class Truth(NamedTuple):
    """What a detector is scored by, which no defender knows; some rows may be neither.

    Attributes:
        poison: bool `[n]`, the rows that teach the trigger: poisoned, and with another label than their true one. Where
            none has another, as with clean labels, all that are poisoned.
        rest: bool `[n]`, the rows that nobody touched.
    """

    poison: np.ndarray
    rest: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, true_labels: np.ndarray, poisoned: np.ndarray, roles: np.ndarray) -> "Truth":
        """Of a training set.

        Args:
            labels: int64 `[n]`, what was learnt.
            true_labels: int64 `[n]`, what the pictures show.
            poisoned: bool `[n]`, the rows that the attacker touched.
            roles: str `[k]`, of those k rows, in their order: "poison", or what came with it.
        """
        poison = poisoned.copy()
        poison[poisoned] = roles == "poison"
        wrong = poison & (labels != true_labels)
        return cls(wrong if wrong.any() else poison, ~poisoned)


def scores(suspicion: np.ndarray, flagged: np.ndarray, truth: Truth) -> dict[str, float]:
    """How well a detector of rows did: `ranking` and `flags`, by the rows that count, see `Truth`.

    Args:
        suspicion: float64 `[n]`, higher is worse.
        flagged: bool `[n]`.
        truth: Of these rows.
    """
    counted = truth.poison | truth.rest
    poison = truth.poison[counted]
    rows = {"flagged_rows": int(flagged.sum())}  # of all
    return ranking(suspicion[counted], poison) | flags(flagged[counted], poison) | rows


def ranking(suspicion: np.ndarray, poison: np.ndarray) -> dict[str, float]:
    """How well suspicion puts the poison first, whatever the threshold.

    Args:
        suspicion: float64 `[n]`, higher is worse.
        poison: bool `[n]`.

    Returns:
        `auroc` (below a half: the order is the wrong way round), `average_precision`, and `tpr_at_1pct_fpr`, the
        largest share of the poison that is found at up to 1 % false positives; all 0 to 1. None are there where all or
        no rows are poison.
    """
    if poison.all() or not poison.any():
        return {}

    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    false, true, _ = roc_curve(poison, suspicion, drop_intermediate=False)
    return {
        "auroc": float(roc_auc_score(poison, suspicion)),
        "average_precision": min(1.0, float(average_precision_score(poison, suspicion))),  # a sum of many shares
        "tpr_at_1pct_fpr": float(true[false <= 0.01].max()),
    }


def flags(flagged: np.ndarray, poison: np.ndarray) -> dict[str, float]:
    """What a detector's own rule finds: `flagged_rows`, and the shares of the poison and of the rest among them.

    `true_positive_rate` is there where there is poison; `false_positive_rate` where there is something else.
    """
    rates = {"true_positive_rate": flagged[poison], "false_positive_rate": flagged[~poison]}
    shares = {name: float(among.mean()) for name, among in rates.items() if len(among)}
    return {"flagged_rows": int(flagged.sum()), **shares}
