"""What a stage prints as a command, and how it ends."""

import argparse
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miseducation.errors import InputError
from miseducation.project import command
from tests.hostile.test_git import repository, run

FORGED = "\x1b[2J\x07a\x9b\u202eb\r\x00\x7f\u200bcaf\u00e9\n\tend"
SHOWN = "\\x1b[2J\\x07a\\x9b\\u202eb\\r\\x00\\x7f\\u200bcaf\u00e9\n\tend"


def stage_that(raises: BaseException) -> Callable[[], None]:
    def stage() -> None:
        raise raises

    return stage


@pytest.mark.parametrize("problem", [InputError(FORGED), OSError(28, "full", FORGED)])
def test_errors_have_no_control_characters(problem: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        command.run(stage_that(problem))
    assert SHOWN in capsys.readouterr().err


def test_nor_have_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    command.run(lambda: None)
    assert warnings.formatwarning(UserWarning(FORGED), UserWarning, "", 0) == f"warning: {SHOWN}\n"


def test_nor_has_an_argument_that_nobody_knows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", FORGED])
    with pytest.raises(SystemExit, match="2"):
        command.run(lambda: print(argparse.ArgumentParser().parse_args()))
    assert f"unrecognized arguments: {SHOWN}" in capsys.readouterr().err


def test_nor_has_what_nobody_caught(tmp_path: Path) -> None:
    program = f"from miseducation.project import command\ncommand.listen()\nraise ValueError({FORGED!a})"
    told = run("sh", "-c", '"$0" -c "$1" 2>&1 || true', sys.executable, program, cwd=Path.cwd())
    assert f"ValueError: {SHOWN}" in told


@pytest.mark.parametrize("lines", [1, 100_000])
def test_who_stops_reading_sees_no_traceback(lines: int, tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom miseducation.project import command\n"
        f"command.run(lambda: (time.sleep(0.5), [print(each) for each in range({lines})]))\n"
    )
    told = run("sh", "-c", '("$0" -c "$1" | true) 2>&1', sys.executable, program, cwd=Path.cwd())
    assert told == ""


@given(st.text())
def test_plain_text_is_printable_and_what_is_printable_stays(text: str) -> None:
    shown = command.plain(text)
    assert all(each.isprintable() or each in "\n\t" for each in shown)
    assert command.plain(shown) == shown


def test_a_copy_of_a_project_that_dvc_loses_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    origin = repository(tmp_path / "origin")
    run("git", "clone", "--quiet", "--depth=1", f"file://{origin}", "clone", cwd=tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "clone"))
    monkeypatch.chdir(origin)
    with pytest.raises(SystemExit, match="1"):
        command.run(stage_that(AssertionError("it has worked")))
    assert capsys.readouterr().err.startswith("error: this clone is shallow")
    monkeypatch.chdir(tmp_path / "clone")  # beside nothing
    done = []
    command.run(lambda: done.append(1))
    assert done
