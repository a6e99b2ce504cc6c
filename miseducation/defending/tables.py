"""The tables of the defences, from what each came to: which would have noticed, and what is left of the attack."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

KINDS = {"rows": "rows", "inputs": "inputs", "classes": "model"}  # what was told apart, and what that is called
MODEL = ["clean_accuracy", "attack_success_rate", "robust_accuracy"]
DETECTION = [
    *("detector", "kind", "needs", "auroc", "average_precision", "tpr_at_1pct_fpr", "flagged_rows"),
    *("true_positive_rate", "false_positive_rate", "clean_flagged_share"),
]
MODELS = ["defence", *MODEL, "removed_rows", "removed_poisoned", "clean_model_accuracy"]


Scores: TypeAlias = Mapping[str, Mapping[str, float]]


def compared(tried: Scores, control: Scores) -> dict[str, dict[str, float]]:
    """The scores of a defence, and beside them its price: what it does to a clean model and its training set.

    Args:
        tried: `trial.Tried.scores` on the backdoored model.
        control: The same on the clean one.

    Returns:
        Those of the former, with `clean_flagged_share` of rows, inputs and classes, and of the model
        `clean_model_accuracy`.
    """
    found = {part: dict(scores) for part, scores in tried.items()}
    for part, scores in control.items():
        if part == "model":
            found[part]["clean_model_accuracy"] = scores["clean_accuracy"]
        elif "false_positive_rate" in scores:
            found[part]["clean_flagged_share"] = scores["false_positive_rate"]
    return found


def detection(methods: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The content of `detection.csv`: a row for each detector and kind of what it looks at.

    Scores are shares, 0 to 1, and missing where they cannot be told. The "rows" of kind "model" are its classes.

    Args:
        methods: The content of each `metrics/defences/methods/<name>.json`, in the order of the table.
    """
    found = [
        {"detector": name, "kind": kind, "needs": " ".join(given["needs"]) or "nothing", **given[part]}
        for part, kind in KINDS.items()
        for name, given in methods.items()
        if part in given
    ]
    return pd.DataFrame(found, columns=DETECTION).astype({"flagged_rows": "Int64"})


def models(methods: Mapping[str, Mapping[str, Any]], undefended: Mapping[str, float]) -> pd.DataFrame:
    """The content of `models.csv`: what is left of attack and use behind each defence; `none` is the model as it was.

    `clean_model_accuracy` is that of the clean model after the same defence: its price where nothing was to be done.

    Args:
        methods: As in `detection`.
        undefended: The content of `metrics/evaluation.json`.
    """
    none = {key: undefended[key] for key in MODEL if key in undefended}
    none |= {"clean_model_accuracy": undefended["baseline_accuracy"], "removed_rows": 0, "removed_poisoned": 0}
    found = [{"defence": name, **given["model"]} for name, given in methods.items() if "model" in given]
    types = {name: "Int64" for name in MODELS if name.startswith("removed")}
    return pd.DataFrame([{"defence": "none", **none}, *found], columns=MODELS).astype(types)
