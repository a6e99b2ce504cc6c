"""What `make audit` ends with: the verdict in a few lines, and a status that CI can use."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from miseducation.auditing.verdict import BAD, MEANING
from miseducation.commands import audit
from miseducation.errors import InputError


def written(verdict: str, marked: int = 0) -> None:
    """A verdict of two classes, the second of which is at fault."""
    each: dict[str, Any] = {"verdict": "clean", "rows": 600, "read_otherwise_rows": 3, "carried_over_rows": 1}
    each |= {"marked_rows": 0, "mark_obeyed_at_least": 0.0}
    other = each | {"verdict": verdict, "read_otherwise_rows": 1234, "carried_over_rows": 1200}
    other |= {"marked_rows": marked, "mark_obeyed_at_least": 0.071}
    told = {"verdict": verdict, "rows": 1200, "backdoor_rows": 1234, "mark_rows": marked, "wrong_label_rows": 5}
    Path("metrics/audit").mkdir(parents=True, exist_ok=True)
    Path("metrics/audit/verdict.json").write_text(json.dumps(told | {"classes": {"go": each, "st\x1b[2Jop": other}}))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def status(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["audit", *arguments])
    try:
        audit.main()
    except SystemExit as end:
        return int(str(end.code))
    return 0


@pytest.mark.parametrize("verdict", BAD)
def test_it_fails_where_the_data_are_as_bad_as_one_says(
    verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(verdict)
    assert status(monkeypatch) == (verdict == "poisoned")
    assert status(monkeypatch, "--warn-only") == 0
    for least in BAD[1:]:
        assert status(monkeypatch, "--fail-on", least) == (BAD.index(verdict) >= BAD.index(least))
    told = capsys.readouterr().out
    assert told.startswith(f"\n{verdict}: {MEANING[verdict]}\n")  # type: ignore[index]
    assert "\x1b" not in told
    assert ("reads 1,234 as another class" in told) == (verdict != "clean")
    assert "  go:" not in told


def test_marks_are_told_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    written("suspicious", marked=2000)
    status(monkeypatch)
    told = capsys.readouterr().out
    assert "; 2,000 share a mark that makes a network read this class in at least 7% of the cases" in told
    assert "flagged as part of a backdoor, 2,000 for a mark, 5 for a wrong label" in told


def test_without_an_audit_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no data set has been audited yet; run `make audit DATA=…`"):
        status(monkeypatch)
