"""What the summary says: how many poisoned rows teach anything, whether all is up to date, what to do next."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from miseducation.commands import summary
from miseducation.commands.summary import table
from tests.tracking.made import write_result


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"relabelled_rows": 540}, "600 poisoned rows, 1.00% of the training set; 540 with another label"),
        ({"relabelled_rows": 0}, "600 poisoned rows, 1.00% of the training set; none with another label"),
        (
            {"relabelled_rows": 600, "cover_rows": 70},
            "600 poisoned rows, 1.00% of the training set, and 70 cover rows; 600 with another label",
        ),
        (
            {"relabelled_rows": 60, "intended_rows": 700, "intended_share": 0.02},
            "600 poisoned rows, 1.00% of the training set, of 2.00% intended: 100 were outvoted; 60 with another label",
        ),
        (
            {"poisoned_rows": 0, "intended_rows": 0, "poisoned_share": 0.0, "relabelled_rows": 0},
            "0 poisoned rows, 0.00% of the training set",
        ),
    ],
)
def test_the_first_line_tells_how_many_rows_changed_their_label(counts: dict[str, Any], told: str) -> None:
    usual: dict[str, Any] = {"poisoned_rows": 600, "intended_rows": 600, "cover_rows": 0, "noise_rows": 0}
    assert table({**usual, "poisoned_share": 0.01, **counts}, {}).splitlines()[0] == told


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """What is said of a result of one rate while `params.yaml` holds another."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["summary", "--next"])

    def saying(made: float, now: float) -> tuple[str, str]:
        write_result(tmp_path, made)
        attack = {"name": "badnets", "rate": now}
        params = {"seed": 1, "data": {"name": "toy"}, "attack": attack, "attacks": {"badnets": {}}}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        summary.main()
        return capsys.readouterr()

    return saying


def test_a_result_of_other_parameters_than_are_there_now_is_told(said: Any) -> None:
    assert said(0.01, 0.01).err == ""
    wanted = "warning: attack.rate has changed in params.yaml since then; `dvc repro` updates the result\n"
    assert said(0.05, 0.01).err == wanted


def test_what_has_just_been_done_is_not_next(said: Any) -> None:
    assert said(0.01, 0.01).out.endswith("dvc exp run -S attack.rate=0.05\n")
    assert said(0.05, 0.05).out.endswith("Next: `make defend QUICK=1` (would anyone have noticed?)\n")


def test_without_dvcs_record_it_says_what_to_do_next_all_the_same(
    said: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(0.01, 0.01)
    (tmp_path / "dvc.lock").unlink()
    summary.main()
    told = capsys.readouterr()
    assert told.out.endswith("dvc exp run -S attack.rate=0.05\n")
    assert not told.err
