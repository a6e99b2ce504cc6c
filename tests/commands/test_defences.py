"""`make defend` says what is wrong with any defence before the first one runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miseducation.commands import defences
from miseducation.errors import InputError
from tests.conftest import copy_pipelines


@pytest.mark.parametrize(
    ("kind", "section", "told"),
    [
        ("detectors", {"strpi": {}}, "defences.detectors = 'strpi' is unknown; known defences: "),
        ("detectors", {"clp": {}}, "clp is in both defences.detectors and defences.repairs"),
        ("detectors", {"fine_tune": {}}, "defences.detectors.fine_tune is of another kind; allowed: defences.repairs"),
        ("repairs", {"clp": {"deviatoins": 2}}, "defences.repairs.clp.deviatoins is not a known key"),
        ("repairs", {"clp": {"deviations": -1}}, "defences.repairs.clp.deviations = -1: "),
    ],
)
def test_a_mistake_is_told(
    kind: str,
    section: dict[str, Any],
    told: str,
    set_params: Callable[[str, Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy_pipelines(Path())
    chosen = {"detectors": {"confidence": {}}, "scanners": {}, "repairs": {"clp": {}}, kind: section}
    for each, named in chosen.items():
        set_params(f"defences.{each}", named)
    monkeypatch.setattr(sys, "argv", ["defences", "--check"])
    with pytest.raises(InputError, match=f"^params.yaml: {told}"):
        defences.main()


def test_without_a_mistake_nothing_is_told(
    set_params: Callable[[str, Any], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy_pipelines(Path())
    monkeypatch.setattr(sys, "argv", ["defences", "--check"])
    defences.main()
    assert capsys.readouterr() == ("", "")
