"""Prints the results of the defences, or of those named. `make defend` starts with --check and ends with this."""

import argparse
import sys
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from miseducation.check import check_params
from miseducation.defending import tables
from miseducation.defending.section import DefencesSection, Kind
from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.files import read_json
from miseducation.project.params import read
from miseducation.tracking.checks import IncompleteError
from miseducation.tracking.defence_results import check_current

METRICS = Path("metrics")
DETECTION = {
    "auroc": "AUROC",
    "tpr_at_1pct_fpr": "found at 1 % FPR",
    "true_positive_rate": "found",
    "false_positive_rate": "false alarms",
    "clean_flagged_share": "alarms if clean",
}
MODELS = {
    "clean_accuracy": "clean accuracy",
    "attack_success_rate": "attack success",
    "removed_rows": "rows dropped",
    "clean_model_accuracy": "accuracy if clean",
}


def text(methods: dict[str, Any], undefended: dict[str, float]) -> str:
    """Both tables, in per cent, for people."""
    detection, models = tables.detection(methods), tables.models(methods, undefended)
    parts = []
    if len(detection):
        shown = detection[["detector", "kind", *DETECTION]].rename(columns=DETECTION)
        parts += ["Which detectors notice the poison?", _table(shown), ""]
    shown = models[["defence", *MODELS]].rename(columns=MODELS)
    parts += ["How well does the attack still work after each defence?", _table(shown)]
    return "\n".join(parts)


def _table(table: pd.DataFrame) -> str:
    def cell(column: str, value: Any) -> str:
        if pd.isna(value):
            return ""
        if column in ("AUROC", "rows dropped") or isinstance(value, str):
            return f"{value:.3f}" if isinstance(value, float) else str(value)
        return f"{value:.2%}"

    shown = pd.DataFrame({name: [cell(str(name), value) for value in table[name]] for name in table})
    others = [*shown][1:]
    return str(shown.rename(columns={name: f"  {name}" for name in others}).to_string(index=False))


def check(section: DefencesSection) -> None:
    """Makes all defences of their knobs, so that a mistake in the last is told before the first runs.

    Raises:
        InputError: If there is no such defence, or a knob is wrong.
    """
    check_params()  # names, before torch is imported for the knobs
    from miseducation.defences import defence

    for kind in get_args(Kind):
        for name in getattr(section, kind):
            defence(name, kind)


def main() -> None:
    """Reads what each defence came to, or looks through the section `defences`."""
    section = read(DefencesSection, "defences")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="sections of defences in params.yaml; the default is all")
    parser.add_argument("--check", action="store_true", help="only check the settings in params.yaml")
    given = parser.parse_args()
    if given.check:
        return check(section)
    names = given.names or section.names
    if unknown := [name for name in names if name not in section.names]:
        raise InputError(f"params.yaml has no defence {unknown[0]!r}; allowed: {', '.join(section.names)}")
    paths = {name: METRICS / "defences" / "methods" / f"{name}.json" for name in names}
    if missing := [name for name, path in paths.items() if not path.is_file()]:
        raise InputError(f"{missing[0]} has not run yet; run `make defend`")
    methods = {name: read_json(path) for name, path in paths.items()}
    print(f"\n{text(methods, read_json(METRICS / 'evaluation.json'))}\n")
    try:
        check_current(Path(), names)
    except IncompleteError as error:
        print(f"warning: {error}", file=sys.stderr)
    if given.names:
        print("`make defend` tries all defences, and writes tables and pictures to metrics/defences")
    else:
        print(
            "metrics/defences/report.html shows the result; tables and pictures are beside it, and the run is in MLflow"
        )
    return None


if __name__ == "__main__":
    command.run(main)
