"""What detection and repair came to, on the page of the result that they were tried on."""

from math import isnan

import pandas as pd

from miseducation.figures import pages
from miseducation.figures.pages import markup, named
from miseducation.figures.report import BEGIN, END
from miseducation.figures.report_words import Lines, percent

NONE = "none"  # the model as it was
REFERENCES = "oracle", "random"  # rows dropped by the truth, and by chance: no defences
LOW, GONE = 0.01, 0.05  # false alarms that are few; attack success that is next to nothing


def with_defences(page: str, detection: pd.DataFrame, models: pd.DataFrame, roc: bytes) -> str:
    """The page of a result, `report.page`, with what `make defend` found in the place that waits for it.

    Args:
        page: No name on it can hold the marks of that place, as names are escaped.
        detection: As `defending.tables.detection` makes it.
        models: As `defending.tables.models` makes it.
        roc: The picture of what each detector finds, a PNG file.
    """
    before, rest = page.split(BEGIN)
    told = (
        pages.environment()
        .get_template("defences.html")
        .render(
            detected=_detected(detection),
            left=_left(models),
            detectors=_detectors(detection),
            models=_models(models),
            roc=markup(
                pages.sheet(roc, "Poison found by each detector against its false alarms; the table has the numbers")
            ),
        )
    )
    return f"{before}{told}{rest.split(END)[1]}"


def _detected(table: pd.DataFrame) -> str:
    """In a sentence what those of training rows would have found by their own rule."""
    tried = table[(table["kind"] == "rows") & ~table["detector"].isin(REFERENCES)]
    noticed = tried[(tried["true_positive_rate"] >= 0.5) & (tried["false_positive_rate"] <= LOW)]
    if not len(tried):
        return "No detector of training rows was tried."
    if tried["true_positive_rate"].isna().all():
        return "Nothing is poisoned, so there is nothing that a detector could find."
    found = f"{len(noticed)} of {pages.many(len(tried), 'detector')} of training rows find at least half of the poison"
    return f"{found}, with false alarms on at most {percent(LOW)} of the other rows."


def _left(table: pd.DataFrame) -> str:
    """In a sentence behind how many defences next to nothing is left of the attack."""
    tried = table[~table["defence"].isin((NONE, *REFERENCES))]
    before = table.loc[table["defence"] == NONE, "attack_success_rate"].item()
    if before <= GONE:
        return f"Even without a defence, the attack succeeds in only {percent(before)} of the cases."
    gone = tried[tried["attack_success_rate"] <= GONE]
    if not len(gone):
        count = pages.many(len(tried), "defence")
        return f"With each of the {count}, the attack still succeeds in more than {percent(GONE)} of the cases."
    best = gone.sort_values("clean_accuracy", ascending=False, kind="stable").iloc[0]
    counted = (
        f"{len(gone)} of {pages.many(len(tried), 'defence')} reduce the attack's success to {percent(GONE)} or less."
    )
    right = f"{percent(best['clean_accuracy'])} of untouched pictures are read correctly"
    return f"{counted} Of these, {best['defence']} costs the least accuracy: {right}."


def _detectors(table: pd.DataFrame) -> Lines:
    shares = "true_positive_rate", "false_positive_rate", "tpr_at_1pct_fpr", "clean_flagged_share"
    return [
        [markup(named(row["detector"])), row["kind"], *(percent(row[name]) for name in shares), _number(row["auroc"])]
        for row in table.to_dict("records")
    ]


def _number(value: float) -> str:
    return "–" if isnan(value) else f"{value:.3f}"


def _models(table: pd.DataFrame) -> Lines:
    return [
        [
            markup(named(row["defence"])),
            *(percent(row[name]) for name in ("attack_success_rate", "clean_accuracy", "clean_model_accuracy")),
            *("–" if pd.isna(row[name]) else f"{row[name]:,}" for name in ("removed_rows", "removed_poisoned")),
        ]
        for row in table.to_dict("records")
    ]
