"""What an audit would have said of a study's cells, against the audit itself."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.auditing.audit import audit, summary
from miseducation.auditing.section import AuditSection
from miseducation.dataset.disk import save_raw
from miseducation.datasets import Fetched
from miseducation.defending.evidence import order
from miseducation.studies import engines
from miseducation.studies.prepare import prepare
from miseducation.studies.section import read_study
from stages import study
from tests.studies.study_projects import Here, made_bench

MINE: dict[str, Any] = {
    "datasets": ["digits"],
    "attacks": ["badnets"],
    "rates": [0, 0.1],
    "seeds": [1],
    "measured": ["scores", "audit"],
    "overrides": {"digits": {"train": {"epochs": 1}}},
}
# Learnt in a few steps.
PATCH = {"pixels": [], "patch": {"position": [3, 3], "shape": [4, 4]}, "colour": 255}


def test_a_study_tells_what_the_audit_itself_says(
    set_params: Callable[[str, Any], None], digits: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("data/studies/mine/digits")
    made_bench(folder, digits)
    save_raw(folder, digits.train, digits.test[:150])  # all rows, as marks are not sought among a few hundred
    set_params("compute", {"device": "cpu", "precision": "float32", "threads": 1})
    set_params("audit", {"data": "digits", "steps": 40})
    set_params("attacks.badnets", PATCH)
    set_params("studies", {"mine": MINE})
    monkeypatch.setattr(engines, "chosen", Here)
    monkeypatch.setattr(sys, "argv", ["study", "mine"])
    study.main()
    cells = pd.read_csv("metrics/mine/cells.csv")

    bench = prepare("mine", read_study("mine"), "digits", folder)
    arm = bench.arms[0]
    poison = arm.attack.poison_rows(
        bench.train, rate=0.1, label_map=arm.label_map, rng=np.random.default_rng(1), mode="replace"
    )
    seen = poison.laid_over(bench.train, "replace")[order(len(bench.train), 1)]
    section = AuditSection(data="digits", steps=40)
    found = audit(seen.images, seen.labels, seen.classes, section, bench.compute, seed=1)
    wrong, backdoor = seen.labels != seen.true_labels, found.reasons == "backdoor"

    (told,) = cells.query("attack == 'badnets' and rate == 0.1").to_dict("records")
    said = summary(found, seen.labels, seen.classes)["verdict"]
    assert said == "poisoned"
    assert backdoor[wrong].mean() > 0.9
    for verdict in ("poisoned", "suspicious", "mislabelled"):
        assert told[f"audit.{verdict}"] == (verdict == said)
    assert told["audit.found"] == backdoor[wrong].mean()
    assert told["audit.found_as_error"] == (found.reasons == "wrong label")[wrong].mean()
    assert told["audit.found_as_mark"] == (found.reasons == "mark")[wrong].mean()
    assert told["audit.flagged_share"] == found.flagged.mean()
    counted = backdoor & (wrong | ~seen.poisoned)
    precision = wrong[counted].mean() if counted.any() else np.nan
    assert told["audit.precision"] == pytest.approx(precision, nan_ok=True)
    clean = cells[cells["rate"] == 0]
    assert clean[["audit.found", "audit.precision"]].isna().all(axis=None)
    lines = (Path("metrics/mine") / "audit.md").read_text().splitlines()
    assert "| none | – | – | clean | – | – | – | – |" in lines
    (line,) = (line for line in lines if line.startswith("| badnets | 10 % |"))
    as_errors, as_mark = ((found.reasons == reason)[wrong].mean() for reason in ("wrong label", "mark"))
    shares = [precision, backdoor[wrong].mean(), as_errors, as_mark]
    assert line.endswith(f"| {said} | {' | '.join('–' if np.isnan(x) else f'{100 * x:.1f} %' for x in shares)} |")
    assert not (Path("metrics/mine") / "blind_window.md").exists(), "an audit is no detector"
