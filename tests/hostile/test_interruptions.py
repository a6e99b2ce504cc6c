"""Ctrl-C, `kill` and a closed terminal, at any moment of any stage: one line, 130, and earlier outputs as they were."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from miseducation.project import interruptions
from tests.conftest import PROJECT, Project

STAGES = sorted(path.stem for path in (PROJECT / "stages").glob("[a-z]*.py"))
COMMANDS = sorted(path.stem for path in (PROJECT / "miseducation/commands").glob("[a-z]*.py"))
MODULES = [f"stages.{name}" for name in STAGES] + [f"miseducation.commands.{name}" for name in COMMANDS]

# Sends a signal to its own process when a certain module is imported: at the same moment on any machine.
SITE = """
import os, signal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == os.environ["HIT_AT"]:
            os.environ["HIT_AT"] = ""
            os.kill(os.getpid(), int(os.environ["HIT_BY"]))

if sys.argv[:1] == ["-m"] and os.environ.get("HIT_AT"):
    sys.meta_path.insert(0, Finder)
"""


def hit(folder: Path, module: str, at: str, by: signal.Signals = signal.SIGINT, **variables: str) -> tuple[int, str]:
    """Exit status and output of `python -m <module>`, which gets a signal when it imports `at`."""
    (folder / "sitecustomize.py").write_text(SITE)
    told = {"PYTHONPATH": f"{folder}{os.pathsep}{PROJECT}", "HIT_AT": at, "HIT_BY": str(int(by)), **variables}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")} | told
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def press_ctrl_c(
    command: list[str], folder: Path, sign: str, by: signal.Signals = signal.SIGINT, **variables: str
) -> tuple[int, str]:
    """Exit status and output of a command whose group gets a signal, as by a terminal, once there is a file `sign`."""
    told = {**os.environ, "PYTHONPATH": str(PROJECT), **variables}
    told.pop("DVC_STAGE", None)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=told,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        while not (folder / sign).exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.killpg(process.pid, by)
        output, _ = process.communicate(timeout=60)
    return process.returncode, output


@pytest.mark.parametrize("module", MODULES)
def test_while_it_imports(module: str, tmp_path: Path) -> None:
    assert hit(tmp_path, module, "json") == (130, "\ninterrupted\n")


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
def test_of_other_kinds(by: signal.Signals, tmp_path: Path) -> None:
    assert hit(tmp_path, "stages.check", "pydantic", by) == (128 + by, "\ninterrupted\n")


@pytest.mark.parametrize("variables", [{"RANK": "0"}, {"RANK": "1"}, {"RANK": "1", "WORLD_SIZE": "2"}])
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_rank_that_containers_and_job_systems_speak_of_deafens_nobody(
    variables: dict[str, str], by: signal.Signals, tmp_path: Path
) -> None:
    assert hit(tmp_path, "stages.check", "pydantic", by, **variables) == (128 + by, "\ninterrupted\n")


def test_as_soon_as_there_is_a_line_of_ours(tmp_path: Path) -> None:
    assert hit(tmp_path, "stages.check", "miseducation.errors") == (130, "\ninterrupted\n")


def test_what_is_ignored_stays_so(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does it
    try:
        status, _ = hit(tmp_path, "stages.check", "pydantic", signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert status == 0


def test_who_imports_a_stage_keeps_their_handlers() -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    import stages.check  # noqa: F401

    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


STAGE = """
import sys, time
from pathlib import Path
from miseducation.project import command, interruptions
from tempfile import TemporaryDirectory

command.listen()

def stage():
    with TemporaryDirectory(dir=".") as folder:
        print(folder, flush=True)
        try:
            time.sleep(60)
        finally:
            {unwinding}

command.run(lambda: None)  # an earlier one changes nothing
command.run(stage)
"""


@pytest.mark.parametrize(
    "unwinding",
    [
        "pass",
        "raise ImportError('as C++ does')",
        "raise OSError(28, 'full')",
        "return",
        "time.sleep(0.5)",  # in which a second one comes
    ],
)
def test_a_stage_lets_go_of_what_it_holds(unwinding: str, tmp_path: Path) -> None:
    told = {**os.environ, "PYTHONPATH": str(PROJECT)}
    told.pop("DVC_STAGE", None)
    with subprocess.Popen(
        [sys.executable, "-c", STAGE.format(unwinding=unwinding)],
        cwd=tmp_path,
        env=told,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        folder = process.stdout.readline().strip()
        assert (tmp_path / folder).is_dir()
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "\ninterrupted\n")
    assert not (tmp_path / folder).exists()


# Its last thread, or library, puts its things away while Python ends.
LATE = """
import atexit, os, sys, time
from miseducation.project import command

command.listen()

def put_away():
    open("there", "w").close()
    time.sleep(0.3)
    print("put away", flush=True)

def stage():
    atexit.register(put_away)

command.run(stage)
"""


def test_after_the_stage_libraries_put_their_things_away_and_outputs_stay(tmp_path: Path) -> None:
    (tmp_path / "dvc.py").write_text("open('restored', 'w').close()")
    late = f"import os\nos.environ['DVC_STAGE'] = 'late'{LATE}"
    assert press_ctrl_c([sys.executable, "-c", late], tmp_path, "there") == (130, "put away\n\ninterrupted\n")
    assert not (tmp_path / "restored").exists()


@pytest.mark.parametrize("how", ["swallows", "hangs"])
def test_what_follows_the_stage_stops_nobody_from_ending_it(how: str, tmp_path: Path) -> None:
    late = LATE.replace("time.sleep(0.3)", "time.sleep(60)" if how == "hangs" else "os.kill(os.getpid(), 15)")
    late = late.replace("command.listen()", "command.interruptions.PATIENCE = 1\ncommand.listen()")
    status, told = press_ctrl_c([sys.executable, "-c", late], tmp_path, "there")
    assert (status, told.removeprefix("put away\n")) in [(130, "\ninterrupted\n"), (143, "\ninterrupted\n")]


def test_processes_for_us_alone_do_not_hear_ctrl_c_and_we_hear_it_later() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), interruptions.for_us_alone():  # noqa: PT012
        subprocess.run(["sh", "-c", "kill -INT $$"], check=True)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)  # of a process, any of its threads may get it
        steps.append("to the end")
    assert steps == ["to the end"]


# Tidies up after Ctrl-C, which it counts, and goes on if it is told otherwise.
CHILD = """
trap "echo told" INT; trap "" HUP; trap "echo died; exit" TERM
touch there; for each in 1 2 3 4 5 6; do sleep 0.1; done; echo tidy
"""
ATTENDS = """
import sys
from miseducation.project import command, interruptions
command.listen()

def stage():
    status, output = interruptions.attend(["sh", "-c", sys.argv[1]], quiet=sys.argv[2:] == ["quiet"])
    print(output, "it goes on")

command.run(stage)
"""


@pytest.mark.parametrize("by", interruptions.ENDING)
@pytest.mark.parametrize("quiet", [[], ["quiet"]])
def test_a_program_that_we_attend_to_is_told_once_and_tidies_up_before_we_end(
    by: signal.Signals, quiet: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ATTENDS, CHILD, *quiet]
    shown = "" if quiet else "told\ntidy\n"
    assert press_ctrl_c(command, tmp_path, "there", by) == (128 + by, f"{shown}\ninterrupted\n")


def test_a_program_that_we_attend_to_ignores_what_we_do(tmp_path: Path) -> None:
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "-", sys.executable, "-c", ATTENDS, CHILD.replace("HUP", "USR1")]
    status, output = press_ctrl_c(command, tmp_path, "there", signal.SIGHUP)
    assert (status, output) == (0, "tidy\n it goes on\n")


def test_nothing_told_is_nothing_raised() -> None:
    before = [signal.getsignal(each) for each in interruptions.ENDING]
    assert interruptions.attend(["sh", "-c", "echo x; exit 3"], quiet=True) == (3, "x\n")
    with pytest.raises(OSError, match="nowhere"):
        interruptions.attend(["./nowhere"])
    assert [signal.getsignal(each) for each in interruptions.ENDING] == before


HELD = """
stages:
  held:
    cmd: python -m stages.held
    always_changed: true
    outs: [out.txt]
"""
HELD_STAGE = """
from miseducation.project import command
{early}
from pathlib import Path

def main():
    Path("out.txt").write_text("half of the new")
    {late}
    Path("out.txt").write_text("whole")

if __name__ == "__main__":
    command.run(main)
"""
# DVC runs a stage by the user's shell, or else by /bin/sh.
SHELLS = [path for path in ("/bin/sh", "/bin/bash", "/bin/zsh") if Path(path).exists()]
PAUSE = "open('there', 'w').close(); import time; time.sleep(60)"


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one stage, which has run once; no test changes its output."""
    project = object.__new__(Project)
    project._settle(tmp_path_factory.mktemp("held"))
    (project.folder / "miseducation").symlink_to(PROJECT / "miseducation")
    shutil.copytree(PROJECT / "stages", project.folder / "stages")
    (project.folder / "stages/held.py").write_text(HELD_STAGE.format(early="", late=""))
    (project.folder / "dvc.yaml").write_text(HELD)
    project("dvc", "init", "--quiet", "--no-scm")
    project("dvc", "repro", "--quiet")
    return project


@pytest.mark.parametrize(
    ("early", "late", "shell"),
    [(PAUSE, "", SHELLS[0]), *(("", PAUSE, shell) for shell in SHELLS)],
    ids=["imports", *(f"writes in {shell}" for shell in SHELLS)],
)
def test_dvc_has_the_earlier_outputs_back(early: str, late: str, shell: str, held: Project) -> None:
    (held.folder / "stages/held.py").write_text(HELD_STAGE.format(early=early, late=late))
    (held.folder / "there").unlink(missing_ok=True)
    with subprocess.Popen(
        ["dvc", "repro"],
        cwd=held.folder,
        env=held.environment | {"SHELL": shell},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as pipeline:
        while not (held.folder / "there").exists():
            assert pipeline.poll() is None
            time.sleep(0.02)
        os.killpg(pipeline.pid, signal.SIGINT)
        output, _ = pipeline.communicate(timeout=60)
    assert "\ninterrupted; no earlier output of held is lost\n" in output
    # Ctrl-C reaches the shell, too. Once we have ended, bash hands our status on; dash ends by the signal itself.
    statuses = "130" if shell == "/bin/bash" else "130|-2"
    assert re.search(rf"exited with ({statuses})$", output, re.MULTILINE)
    assert "Traceback" not in output
    assert (held.folder / "out.txt").read_text() == "whole"


def test_a_stage_that_cannot_be_imported_keeps_them_too(held: Project) -> None:
    (held.folder / "stages/held.py").write_text("import nowhere\n")
    assert "No module named 'nowhere'" in held("dvc", "repro", fails=True)
    assert (held.folder / "out.txt").read_text() == "whole"


def test_the_first_run_of_a_stage_has_none(held: Project) -> None:
    (held.folder / "dvc.lock").unlink()
    environment = held.environment | {"DVC_STAGE": "held"}
    (held.folder / "stages/held.py").write_text("import os\nos.kill(os.getpid(), 2)\n")
    command = [sys.executable, "-m", "stages.held"]
    done = subprocess.run(command, cwd=held.folder, env=environment, capture_output=True, text=True, check=False)
    told = "interrupted; DVC had no outputs to restore; `dvc checkout held` says more"
    assert (done.returncode, done.stderr) == (130, f"\n{told}\n")
