"""Which rows to ask about: those that several detectors find odd, each in its own way, for their class."""

import numpy as np
from scipy.stats import median_abs_deviation

from miseducation.defences import Evidence
from miseducation.defences.label_free_neighbours import LabelFreeNeighbours
from miseducation.defending.classwise import Axes, classes, deviations
from miseducation.defending.clusters import beyond
from miseducation.defending.views import losses

SHARE = 0.03  # of the usual class's rows that a detector may name: without them a network still learns what is to learn
EXCESS = 2.5  # times that share, from which a class is not the usual one, and its rows fall into two kinds
DIMENSIONS = 10  # components of each class's features in which clusters are sought, and rows that each takes
CLUSTERED = 1000  # rows of a class that clusters are sought among; more tell them no better
SAME = 1e-6  # spread of a class below which its rows lie in one place
ROUNDS = 100  # of telling these apart, at most; a few do


def suspicions(evidence: Evidence, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """What each detector thinks of each row, float64 `[n]`, higher is worse; none of them needs trusted rows.

    `label_free_neighbours` is the defence of that name: whether rows that look alike have other labels.
    `activation_clustering` is that defence's: how far on the smaller side of two clusters a row's features are.
    `spectral_signatures` is that one's without trusted rows: how odd the model's features are among those of the
    label, in squared deviations. `loss` is the cross-entropy, in nats.

    Args:
        evidence: With the model that learnt the rows.
        probabilities: float32 `[n, K]`, how each row is read, for its loss.
    """
    model, odd, apart = evidence.the_model(), np.zeros(len(evidence)), np.zeros(len(evidence))
    for _, rows in classes(evidence.labels):
        features = model.features[rows]
        away = deviations(features)
        if away is None:
            continue
        odd[rows] = away(features) ** 2
        axes = Axes(features, min(DIMENSIONS, max(1, len(rows) // DIMENSIONS)))
        white = axes.along(features) / np.sqrt(axes.variances)
        apart[rows] = beyond(white, seed=int(evidence.rng().integers(2**31)), most=CLUSTERED)
    return {
        "activation_clustering": apart,
        "label_free_neighbours": LabelFreeNeighbours().suspect(evidence),
        "spectral_signatures": odd,
        "loss": losses(probabilities, evidence.labels),
    }


def named(suspicions: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, np.ndarray]:
    """The rows that stand out by each detector's suspicion, float64 `[n]`, see `standing_out`: bool `[n]` each.

    A small cluster stands out by the spread of the whole class, which is that of the large one, down to the rows
    half-way to it. A large one stands out by the spread within the two, as then that of the class is their distance.
    """
    found = {name: standing_out(each, labels) for name, each in suspicions.items()}
    clusters = suspicions["activation_clustering"]
    by_spread = np.zeros(len(labels))
    for _, rows in classes(labels):
        own = clusters[rows]
        by_spread[rows] = (own - np.median(own)) / max(median_abs_deviation(own), SAME)
    found["activation_clustering"] = standing_out(by_spread, labels) | standing_out(clusters, labels, few=False)
    return found


def standing_out(suspicion: np.ndarray, labels: np.ndarray, *, few: bool = True) -> np.ndarray:
    """The rows that stand out by a suspicion, float64 `[n]`, in their class, by what is usual in others: bool `[n]`.

    A few of the usual class do; none, if not `few`. Where many more of a class do, it holds rows of two kinds, and all
    of the odder kind stand out: what is left of it would teach a network as well as all of it.
    """
    found = np.zeros(len(labels), bool)
    usual = float(np.median([np.quantile(suspicion[rows], 1 - SHARE) for _, rows in classes(labels)] or [np.inf]))
    for _, rows in classes(labels):
        own = suspicion[rows]
        above = own > usual
        if above.mean() > EXCESS * SHARE:
            above |= own > _between(own, above)
        elif not few:
            continue
        found[rows] = above & (own > np.median(own))  # or nothing would be left that a network could learn the class by
    return found


def _between(values: np.ndarray, above: np.ndarray) -> float:
    """The middle between the means of two kinds, which start as those above and the others: two means, on a line."""
    middle = np.inf
    for _ in range(ROUNDS):
        if above.all():
            break
        middle = float((values[above].mean() + values[~above].mean()) / 2)
        if ((values > middle) == above).all():
            break
        above = values > middle
    return middle
