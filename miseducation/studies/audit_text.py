"""What audits said of a study's training sets, for people: `audit.md`. Pure functions of its cells."""

import pandas as pd

from miseducation.auditing.verdict import BAD
from miseducation.studies.dose import SERIES
from miseducation.studies.dose_text import percent
from miseducation.studies.table_text import NONE, table

HEAD = """# What audits say: the study {name}

Written by `make study NAME={name}`. An audit gets only the training set: it does not know the attack and has no trusted
rows. Numbers are means over the seeds; a dash means that there is nothing to measure.

- "Succeeds" is the success rate of the attack on the study's model, which the audit does not know.
- "Verdict" is that on the whole data set, with the number of seeds if there are several.
- "Precision" is the share of poison among the rows that are flagged as part of a backdoor. Rows that the attacker
  touched but that are not poison, such as cover rows, do not count here.
- "Found" is the share of the poison that is flagged as part of a backdoor.
- "As wrong labels" is the share of the poison that is flagged for a wrong label instead.
- "As a mark" is the share of the poison that is flagged for a mark which the network hardly responds to."""


def markdown(name: str, cells: pd.DataFrame) -> str:
    """The content of `audit.md`, of the rows of `cells.csv`: a table for each data set."""
    blocks = [HEAD.format(name=name)]
    for dataset, rows in cells.dropna(subset="audit.poisoned").groupby("dataset", sort=False):
        lines = []
        clean = rows[rows["rate"] == 0].drop_duplicates("seed")
        if len(clean):
            lines.append({"attack": "none", "rate": NONE, "succeeds": NONE, **_said(clean)})
        for (attack, *_), each in rows[rows["rate"] > 0].groupby([*SERIES, "rate"], sort=False):
            line = {"attack": str(attack), "rate": percent(float(each["rate"].iloc[0]))}
            lines.append({**line, "succeeds": _share(each["attack_success_rate"]), **_said(each)})
        blocks += [f"## {dataset}", table(lines)]
    return "\n\n".join(blocks) + "\n"


def _said(cells: pd.DataFrame) -> dict[str, str]:
    counts = {verdict: int(cells[f"audit.{verdict}"].sum()) for verdict in BAD[:0:-1]}
    counts["clean"] = len(cells) - sum(counts.values())
    several = len(cells) > 1
    said = ", ".join(f"{verdict} {count}" if several else verdict for verdict, count in counts.items() if count)
    shares = {
        "precision": "precision",
        "found": "found",
        "as wrong labels": "found_as_error",
        "as a mark": "found_as_mark",
    }
    return {"verdict": said} | {head: _share(cells[f"audit.{column}"]) for head, column in shares.items()}


def _share(values: pd.Series) -> str:
    return NONE if values.isna().all() else f"{100 * values.mean():.1f} %"
