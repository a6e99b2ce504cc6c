"""Prints what an audit found; `make audit` ends with it. Ends with 1 if the data are poisoned: CI stops there."""

import argparse
import sys
from pathlib import Path
from typing import Any

from miseducation.auditing.verdict import BAD, MEANING
from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.files import read_json

METRICS = Path("metrics/audit")


def text(told: dict[str, Any]) -> str:
    """The verdict, and a line for each class that is not clean."""
    lines = [f"{told['verdict']}: {MEANING[told['verdict']]}"]
    for name, each in told["classes"].items():
        if each["verdict"] == "clean":
            continue
        otherwise, carried, marked = (each[f"{key}_rows"] for key in ("read_otherwise", "carried_over", "marked"))
        rests = f"{otherwise:,} are read otherwise by who did not learn them, and the label of {carried:,} carries over"
        if marked:
            rests += (
                f"; {marked:,} share a mark that a network obeys in {each['mark_obeyed_at_least']:.0%} of cases or more"
            )
        lines.append(f"  {name}: {each['verdict']}; of {each['rows']:,} rows {rests}")
    backdoor, wrong = told["backdoor_rows"], told["wrong_label_rows"]
    mark = f", {told['mark_rows']:,} for a mark" if told["mark_rows"] else ""
    lines.append(
        f"{backdoor:,} of {told['rows']:,} rows are flagged as a backdoor's{mark}, {wrong:,} for a wrong label"
    )
    return "\n".join(lines)


def main() -> None:
    """Reads `metrics/audit`; prints the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warn-only", action="store_true", help="end with 0 whatever the verdict is")
    parser.add_argument("--fail-on", choices=["poisoned", "suspicious", "mislabelled"], default="poisoned")
    given = parser.parse_args()
    if not (METRICS / "verdict.json").is_file():
        raise InputError("no data have been audited yet; `make audit DATA=…` does it")
    told = read_json(METRICS / "verdict.json")
    print(command.plain(f"\n{text(told)}\n\n{METRICS / 'report.html'} shows it, {METRICS / 'rows.csv'} lists the rows"))
    if not given.warn_only and BAD.index(told["verdict"]) >= BAD.index(given.fail_on):
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
