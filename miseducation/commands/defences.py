"""Prints what the defences came to: `make defend` ends with it. Names choose some of them."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from miseducation.defending import tables
from miseducation.defending.section import DefencesSection
from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.files import read_json
from miseducation.project.params import read

METRICS = Path("metrics")
DETECTION = {
    "auroc": "AUROC",
    "tpr_at_1pct_fpr": "found at 1 %",
    "true_positive_rate": "found",
    "false_positive_rate": "false alarms",
    "clean_flagged_share": "on clean data",
}
MODELS = {
    "clean_accuracy": "clean accuracy",
    "attack_success_rate": "attack success",
    "removed_rows": "rows dropped",
    "clean_model_accuracy": "price: clean model",
}


def text(methods: dict[str, Any], undefended: dict[str, float]) -> str:
    """Both tables, in per cent, for people."""
    detection, models = tables.detection(methods), tables.models(methods, undefended)
    parts = []
    if len(detection):
        shown = detection[["detector", "kind", *DETECTION]].rename(columns=DETECTION)
        parts += ["Who notices? Shares of what is poisoned, and of what is not:", _table(shown), ""]
    shown = models[["defence", *MODELS]].rename(columns=MODELS)
    parts += ["What is left behind each defence?", _table(shown)]
    return "\n".join(parts)


def _table(table: pd.DataFrame) -> str:
    def cell(column: str, value: Any) -> str:
        if pd.isna(value):
            return ""
        if column in ("AUROC", "rows dropped") or isinstance(value, str):
            return f"{value:.3f}" if isinstance(value, float) else str(value)
        return f"{value:.2%}"

    shown = pd.DataFrame({name: [cell(str(name), value) for value in table[name]] for name in table})
    return str(shown.to_string(index=False))


def main() -> None:
    """Reads what each defence came to."""
    every = read(DefencesSection, "defences").names
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="sections of defences in params.yaml; all, if none is named")
    names = parser.parse_args().names or every
    if unknown := [name for name in names if name not in every]:
        raise InputError(f"{unknown[0]!r} is no defence of params.yaml; allowed: {', '.join(every)}")
    paths = {name: METRICS / "defences" / "methods" / f"{name}.json" for name in names}
    if missing := [name for name, path in paths.items() if not path.is_file()]:
        raise InputError(f"{missing[0]} has not run yet; `make defend` runs it")
    methods = {name: read_json(path) for name, path in paths.items()}
    print(f"\n{text(methods, read_json(METRICS / 'evaluation.json'))}")


if __name__ == "__main__":
    command.run(main)
