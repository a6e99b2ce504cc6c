"""Processes that are told their place and started together; here they are small ones, which know nothing of torch."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.interruptions import STARTER
from miseducation.training import ranks
from tests.hostile.test_interruptions import press_ctrl_c

# Writes what a rank is told to a file of its number.
TELL = "import json, os, sys; json.dump(dict(os.environ), open(f'{sys.argv[1]}/{os.environ[\"RANK\"]}', 'w'))"
# Rank 1 ends as it is told to; rank 0 would wait for ever.
END = "import os, signal, sys, time; {act} if os.environ['RANK'] == '1' else time.sleep(600)"
NOBODY = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", ranks.MEETING, STARTER}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """What this process's environment says of its place."""
    for name in NOBODY:
        monkeypatch.delenv(name, raising=False)
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, (0, 0, 0, 0)),
        ({"RANK": "3"}, (0, 0, 0, 0)),
        ({"WORLD_SIZE": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, (0, 0, 0, 0)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (8, 3, 8, 3)),
        ({"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}, (8, 5, 4, 1)),
    ],
    indirect=["told"],
)
@pytest.mark.usefixtures("told")
def test_a_rank_knows_its_place_by_torchruns_words(expected: tuple[int, ...]) -> None:
    assert (ranks.count(), ranks.number(), ranks.local_count(), ranks.local_number()) == expected


@pytest.mark.parametrize(
    ("told", "starter"),
    [
        ({}, []),
        ({"RANK": "0", "WORLD_SIZE": "1"}, [os.getppid()]),
        ({"RANK": "1", "WORLD_SIZE": "2", STARTER: "12345"}, [12345]),
    ],
    indirect=["told"],
)
@pytest.mark.usefixtures("told")
def test_a_rank_ends_with_who_started_it_and_no_other_process_does(
    starter: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: list[int] = []
    monkeypatch.setattr(command, "end_with", watched.append)
    ranks.end_with_starter()
    assert watched == starter


def test_each_rank_is_told_its_place_and_all_of_them_where_they_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@clean")
    for name in ("AN_OTHER", "OTHER"):
        monkeypatch.setenv(name, "is inherited")
    before = dict(os.environ)
    ranks.start("-c", TELL, str(tmp_path), processes=3)
    assert dict(os.environ) == before
    found: list[dict[str, Any]] = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(3)]
    for rank, environment in enumerate(found):
        assert (environment["RANK"], environment["LOCAL_RANK"]) == (str(rank), str(rank))
        assert environment["WORLD_SIZE"] == environment["LOCAL_WORLD_SIZE"] == "3"
        assert environment[STARTER] == str(os.getpid())
        assert environment["AN_OTHER"] == environment["OTHER"] == "is inherited"
        assert "DVC_STAGE" not in environment, "earlier outputs are put back by one process alone"
    (meeting,) = {environment[ranks.MEETING] for environment in found}
    assert meeting.startswith("file:///")
    assert not Path(meeting.removeprefix("file://")).parent.exists(), "it is tidied up"


def test_a_rank_that_fails_ends_all_with_its_status(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        ranks.start("-c", END.format(act="sys.exit(7)"), processes=2)
    assert ended.value.code == 7


def test_a_rank_that_is_killed_is_named() -> None:
    with pytest.raises(InputError, match=r"^process 1 of 2 was ended by SIGHUP; perhaps there was too little memory$"):
        ranks.start("-c", END.format(act="os.kill(os.getpid(), signal.SIGHUP)"), processes=2)


def test_ranks_that_cannot_all_be_started_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    popen = subprocess.Popen

    def second_fails(*arguments: Any, **options: Any) -> Any:
        if started:
            raise OSError("no more processes")
        started.append(popen(*arguments, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", second_fails)
    with pytest.raises(OSError, match="no more processes"):
        ranks.start("-c", END.format(act="None"), processes=2)
    assert started[0].returncode == -signal.SIGKILL


def test_only_the_starters_failure_puts_earlier_outputs_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What DVC removed before the stage, whose ranks end with an error that they have told."""
    called: list[list[str]] = []

    def run(arguments: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        called.append(arguments)
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr("subprocess.run", run)
    for rank in ({}, {"RANK": "0", "WORLD_SIZE": "2"}, {"RANK": "1", "WORLD_SIZE": "2"}, {"RANK": "1"}):
        for name in NOBODY:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DVC_STAGE", "train@clean")
        for name, value in rank.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit):
            command.run(lambda: sys.exit(7))
    # Not for torchrun's second rank; but a RANK alone is none of its.
    assert called == [[sys.executable, "-m", "dvc", "checkout", "--quiet", "--force", "train@clean"]] * 3


@pytest.mark.parametrize("then", ["", "from miseducation.project import command; command.listen()"])
def test_a_rank_leaves_ctrl_c_to_its_starter_from_the_first(then: str) -> None:
    press = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"
    ranks.start("-c", f"{press}\n{then}\n{press}", processes=2)


TOGETHER = """
import sys, time
from miseducation.project import command
command.listen()
from miseducation.training import ranks

def stage():
    if ranks.count():
        ranks.end_with_starter()
        open("there", "w").close()
        time.sleep(60)
        sys.exit("nobody has pressed it")
    ranks.start(*sys.argv, processes=2)

command.run(stage)
"""


def test_ctrl_c_among_ranks_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "together.py").write_text(TOGETHER)
    assert press_ctrl_c([sys.executable, "together.py"], tmp_path, "there") == (130, "\ninterrupted\n")
