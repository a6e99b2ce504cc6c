"""What goes wrong must cost no result: mistakes in the parameters, killed stages, a missing git."""

import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import Project, ran, results, runs


# One for each place where a mistake is found; tests/project/test_params.py has the others, without DVC.
@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"attack": {"target": 10}},
            "attack.target = 10 is not a class of this data set; allowed: a class number",
        ),
        ({"attack": {"name": "nobody"}}, "attack.name = 'nobody' is unknown; known attacks: adaptive_blend, "),
        ({"attack": {"rate": 0.04}, "noise": {"rate": 1}}, "noise is not a known section"),
    ],
)
def test_a_mistake_ends_in_one_line_and_costs_no_result(
    reproduced: Project, sections: dict[str, Any], message: str
) -> None:
    before = results(reproduced)
    reproduced.set_params(**sections)
    assert message in told(reproduced("dvc", "repro", fails=True))
    assert results(reproduced) == before
    reproduced("git", "checkout", "--quiet", "params.yaml")


def test_an_experiment_with_a_mistake_costs_none_either(reproduced: Project) -> None:
    before = results(reproduced)
    assert "attack.rate = 'abc'" in told(reproduced("dvc", "exp", "run", "-S", "attack.rate=abc", fails=True))
    assert results(reproduced) == before
    reproduced("git", "checkout", "--quiet", "params.yaml")


def told(output: str) -> str:
    """The one line that tells of a mistake."""
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in output
    assert len(ran(output)) == 1, "the first stage that runs finds it, whichever DVC takes first"
    return line


def test_a_stage_that_fails_keeps_its_earlier_results(reproduced: Project) -> None:
    before = results(reproduced)
    module = reproduced.folder / "stages/poison.py"
    code = module.read_text()
    half = "    save_triggered("
    assert half in code
    module.write_text(code.replace(half, f"    raise OSError(28, 'No space left on device')\n{half}"))
    output = reproduced("dvc", "repro", fails=True)
    assert "error: the disk is full" in output
    assert results(reproduced) == before
    module.write_text(code)
    assert ran(reproduced("dvc", "repro")) == ["track"]


# Seconds from the start of a stage's process to its end by SIGKILL: well within what it needs on any machine. One at
# the start, one in the middle, and the last, which DVC's cache does not hold.
KILLED_AFTER = {"download": 0.3, "train backdoored": 0.5, "track": 0.3}


def test_a_killed_stage_is_made_good_also_where_there_is_no_git(reproduced: Project, tmp_path: Path) -> None:
    wanted, archive = results(reproduced), Project(tmp_path / "archive", git=False)
    archive("dvc", "config", "--local", "core.no_scm", "true")
    for name, seconds in KILLED_AFTER.items():
        with subprocess.Popen(
            ["dvc", "repro"],
            cwd=archive.folder,
            env=archive.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as pipeline:
            assert kill_stage(pipeline.pid, f"-m stages.{name}", seconds), name
            assert pipeline.wait(300) != 0
    archive("dvc", "repro")
    assert results(archive) == wanted, "two copies, one of them killed three times, differ"
    assert len(runs(archive)) == 1


def kill_stage(pipeline: int, command: str, delay: float) -> bool:
    """Kills a stage's process some time after it has started; False if the pipeline ended without it."""
    parent = psutil.Process(pipeline)
    while parent.status() != psutil.STATUS_ZOMBIE:
        try:
            for child in parent.children(recursive=True):
                # DVC starts a shell whose one argument is the command; we want the Python that it starts.
                if command in " ".join(child.cmdline()[1:]) and child.name().startswith("python"):
                    time.sleep(delay)
                    child.kill()
                    return True
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.03)
    return False
