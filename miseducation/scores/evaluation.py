"""All scores of a clean and a backdoored model: `evaluation.json`, `details.json` and `per_class.csv` of `metrics`.

Pure functions of the data sets and of what the models answered.
"""

from collections.abc import Mapping
from math import isfinite
from typing import TypeAlias

import numpy as np
import pandas as pd

from miseducation.dataset import Dataset
from miseducation.scores import shares, visibility

# int64 `[n]` for each of ("clean", "backdoored") × ("untouched", "triggered"), and for ("backdoored", "decoys").
Predictions: TypeAlias = Mapping[tuple[str, str], np.ndarray]
# What stands in `metrics/evaluation.json`; the rest is in `details.json`. They are few, so that DVC's table of
# experiments has room for the parameters in which they differ, such as `attack.rate`.
HEADLINE = (
    *("attack_success_rate", "clean_accuracy", "baseline_accuracy", "false_trigger_rate", "robust_accuracy"),
    "poisoned_rows",
)


def proportions(
    test: Dataset, triggered: Dataset, attackable: np.ndarray, predictions: Predictions
) -> dict[str, shares.Share]:
    """The scores that are shares of test rows, the attack success rate first: MLflow opens on the first one.

    Args:
        test: The untouched test set.
        triggered: The same with the trigger on every image; `labels` are what the attacker wants.
        attackable: bool `[n]`, the triggered rows on which the attack is scored.
        predictions: What the models answered; none, `[0]`, to decoys where there are none.
    """
    everywhere = np.ones_like(attackable)
    fooled, untouched = predictions["backdoored", "triggered"], predictions["backdoored", "untouched"]
    wary, baseline = predictions["clean", "triggered"], predictions["clean", "untouched"]
    found = {
        "attack_success_rate": shares.attack_success_rate(fooled, triggered.labels, attackable),
        "clean_accuracy": shares.accuracy(untouched, test.true_labels),
        "baseline_accuracy": shares.accuracy(baseline, test.true_labels),
        "false_trigger_rate": shares.attack_success_rate(wary, triggered.labels, attackable),
        "robust_accuracy": shares.robust_accuracy(fooled, triggered.true_labels, attackable),
        "attack_success_rate_all": shares.attack_success_rate(fooled, triggered.labels, everywhere),
        "source_accuracy": shares.accuracy(untouched, test.true_labels, attackable),
        "baseline_source_accuracy": shares.accuracy(baseline, test.true_labels, attackable),
        "other_accuracy": shares.accuracy(untouched, test.true_labels, ~attackable),
        "baseline_other_accuracy": shares.accuracy(baseline, test.true_labels, ~attackable),
        "side_effect_rate": shares.side_effect_rate(untouched, fooled, attackable),
    }
    if len(decoyed := predictions["backdoored", "decoys"]):
        found["other_trigger_rate"] = shares.attack_success_rate(decoyed, triggered.labels, attackable)
    return {name: share for name, share in found.items() if share.rows}  # all-to-all attacks all: there are no others


def counts(manifest: pd.DataFrame, clean_rows: int) -> dict[str, float]:
    """How many rows a manifest names. `intended` ones include those whose wrong label did not last.

    `relabelled` ones have another label than the true one: not those of the poisoned that show the class wanted anyway.
    """
    rows = clean_rows + int(manifest["added"].sum())
    roles = {role: int((manifest["role"] == role).sum()) for role in ("poison", "outvoted", "cover", "noise")}
    intended = roles["poison"] + roles["outvoted"]
    return {
        "poisoned_rows": roles["poison"],
        "poisoned_share": roles["poison"] / rows,
        "relabelled_rows": int((manifest["label"] != manifest["true_label"]).sum()),
        "intended_rows": intended,
        "intended_share": intended / rows,
        "cover_rows": roles["cover"],
        "noise_rows": roles["noise"],
    }


def visible(before: np.ndarray, after: np.ndarray, prefix: str = "") -> dict[str, float]:
    """How much a trigger shows, as far as it can be told: `psnr` and `ssim`; nothing where there is none."""
    if np.array_equal(before, after):
        return {}
    found = {"psnr": visibility.psnr(before, after), "ssim": visibility.ssim(before, after)}
    return {f"{prefix}{name}": value for name, value in found.items() if isfinite(value)}


def per_class(test: Dataset, triggered: Dataset, attackable: np.ndarray, predictions: Predictions) -> pd.DataFrame:
    """A row per class: its test rows, and each model's scores on them; see `proportions`."""
    count, labels = len(test.classes), test.true_labels
    untouched, baseline = predictions["backdoored", "untouched"], predictions["clean", "untouched"]
    fooled = predictions["backdoored", "triggered"] == triggered.labels
    return pd.DataFrame(
        {
            "class": test.classes,
            "rows": np.bincount(labels, minlength=count),
            "clean_accuracy": shares.per_class(untouched == labels, labels, count),
            "baseline_accuracy": shares.per_class(baseline == labels, labels, count),
            "attack_success_rate": shares.per_class(fooled[attackable], labels[attackable], count),
        }
    )
