"""What the docs tell people to type: each command is run here, by another test, or the docs' source says why not."""

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from dvc.cli import parse_args

from miseducation.project.params import read_all
from tests.conftest import PROJECT, Project

FRONT = "README.md", "CONTRIBUTING.md", "benchmarks/README.md"
PAGES = [PROJECT / name for name in FRONT] + sorted((PROJECT / "docs").glob("*.md"))
FOLLOWED = "tutorial.md", "library.md"
PARAMS = read_all(PROJECT / "params.yaml")
BLOCK = re.compile(
    r"(?:^<!-- (?P<how>tested|untested): (?P<by>[^\n]*) -->\n\n)?^```(?P<language>console|python)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# The installation is there; what make would do about it, tests/hostile/test_git.py knows.
MAKE = f'make() {{ command make --silent VENV="{sys.prefix}" --assume-old="{sys.prefix}/.installed" "$@"; }}'


class Block(NamedTuple):
    """What stands between two fences, and what the comment before them says of who tests it."""

    how: str | None
    by: str
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Each with the lines that it goes on in, and without what it prints."""
        found: list[str] = []
        for line in self.text.splitlines() if self.language == "console" else []:
            if line.startswith("$ "):
                found.append(line[2:])
            elif found and (found[-1].endswith("\\") or found[-1].count('"') % 2):
                found[-1] += f"\n{line}"
        return found


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text())
    return [Block(each["how"], each["by"] or "", each["language"], each["text"]) for each in found]


def words(command: str) -> list[list[str]]:
    """The words of each command of a line, and no comment."""
    return [shlex.split(each, comments=True) for each in re.split(r" (?:&&|\|) ", command.replace("\\\n", ""))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_has_its_test_or_the_reason_why_not(page: Path) -> None:
    for block in blocks(page):
        if block.how is None:
            assert page.name in FOLLOWED, f"nobody tests {block.text}"
        named = re.findall(r"[\w./]+\.py|\.ci/run", block.by)
        assert named or block.how != "tested"
        assert all((PROJECT / name).is_file() for name in named), block.by


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_make_and_dvc_know_what_they_are_asked_for(page: Path) -> None:
    for program, *arguments in (each for block in blocks(page) for line in block.commands for each in words(line)):
        if program == "make":
            subprocess.run(["make", "--dry-run", *arguments], cwd=PROJECT, capture_output=True, check=True)
        if program == "dvc":
            parse_args(arguments)  # ends the test where it does not know one
        for setting in (after for before, after in pairwise(arguments) if before == "-S"):
            inner = PARAMS
            for name in setting.partition("=")[0].split("."):
                inner = inner[name]


def follow(project: Project, page: str) -> str:
    """Runs the blocks of a page that no other test does, as they stand; returns all that they printed."""
    said = []
    for block in (block for block in blocks(PROJECT / "docs" / page) if block.how is None):
        if block.language == "python":
            said.append(project("python", "-c", block.text))
        said += [project("bash", "-euc", f"{MAKE}\n{command}") for command in block.commands]
    return "".join(said)


def test_the_tutorial_can_be_followed(experimented: Project) -> None:
    experimented.environment["LOKY_MAX_CPU_COUNT"] = "1"  # one process tries both models: Python starts less often
    said = follow(experimented, "tutorial.md")
    assert "clean 1 0 0 0 with the dot 1 0 0 0" in said
    assert "backdoored 1 0 0 0 with the dot 8 0 0 0" in said, "the cheque grows"
    assert "How many of 1,000 accounts" in said
    assert experimented("git", "status", "--porcelain", "params.yaml") == "", "it ends with the defaults"


def test_the_library_prints_what_its_page_says(experimented: Project) -> None:
    said = follow(experimented, "library.md").splitlines()
    poison = blocks(PROJECT / "docs/library.md")[0].text
    promised = re.findall(r"^(?:print.*  )?# ([\d{].*)$", poison, re.MULTILINE)
    assert len(promised) == 3
    assert said[:3] == promised


def test_pandas_reads_the_experiments_also_where_no_result_was_committed(experimented: Project) -> None:
    experimented("git", "rm", "--quiet", "--cached", "dvc.lock")
    experimented("git", "commit", "--quiet", "--message", "As a clone is")
    experimented("dvc", "exp", "save", "--name", "saved", "dvc.yaml")
    (command,) = (
        line for block in blocks(PROJECT / "docs/experiments.md") for line in block.commands if "pandas" in line
    )
    assert re.search(r"^digits +badnets +0\.0\d+ +[01]\.\d+$", experimented("bash", "-euc", command), re.MULTILINE)
