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
        rests = f"a network that did not learn them reads {otherwise:,} as another class"
        rests += f", and the labels of {carried:,} carry over"
        if marked:
            obeyed = f"{each['mark_obeyed_at_least']:.0%}"
            rests += f"; {marked:,} share a mark that makes a network read this class in at least {obeyed} of the cases"
        lines.append(f"  {name}: {each['verdict']}; of {each['rows']:,} rows, {rests}")
    backdoor, wrong = told["backdoor_rows"], told["wrong_label_rows"]
    mark = f", {told['mark_rows']:,} for a mark" if told["mark_rows"] else ""
    lines.append(
        f"Of {told['rows']:,} rows, {backdoor:,} are flagged as part of a backdoor{mark}, {wrong:,} for a wrong label"
    )
    return "\n".join(lines)


def main() -> None:
    """Reads `metrics/audit`; prints the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warn-only", action="store_true", help="always end with status 0, whatever the verdict is")
    parser.add_argument("--fail-on", choices=["poisoned", "suspicious", "mislabelled"], default="poisoned")
    given = parser.parse_args()
    if not (METRICS / "verdict.json").is_file():
        raise InputError("no data set has been audited yet; run `make audit DATA=…`")
    told = read_json(METRICS / "verdict.json")
    print(
        command.plain(
            f"\n{text(told)}\n\n{METRICS / 'report.html'} shows the result, {METRICS / 'rows.csv'} lists the rows"
        )
    )
    if not given.warn_only and BAD.index(told["verdict"]) >= BAD.index(given.fail_on):
        sys.exit(1)


if __name__ == "__main__":
    command.run(main)
