"""The house: which wings there are, who may import whom, and how long a file may be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.scratch import copy_project
from tests.conftest import PROJECT

WINGS = {path.parent.name for path in PROJECT.glob("miseducation/*/__init__.py")}


def test_the_map_names_every_wing_and_no_other() -> None:
    rows = re.findall(r"^\| `miseducation/(\w+)/`", (PROJECT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(WINGS)
    told = re.findall(r"^    \"([\w| ]+)\",$", (PROJECT / "pyproject.toml").read_text(), re.MULTILINE)
    levels = [set(level.split(" | ")) for level in reversed(told)]
    places = [next(number for number, level in enumerate(levels) if wing in level) for wing in rows]
    assert places == sorted(places), "the map goes from the ground up, as the layers in pyproject.toml do"


@pytest.mark.parametrize("wing", sorted(WINGS))
def test_the_tests_mirror_the_house(wing: str) -> None:
    assert list((PROJECT / "tests" / wing).glob("test_*.py"))


def test_no_module_is_long() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in PROJECT.glob("miseducation/**/*.py")}
    assert not {str(path): count for path, count in lines.items() if count > 200}


def lint(folder: Path) -> str:
    program = str(Path(sys.executable).parent / "lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("miseducation/dataset/images.py", "from miseducation.attacks import Attack", "imports only wings below"),
        ("miseducation/scores/shares.py", "import miseducation.figures.pictures", "imports only wings below"),
        ("miseducation/poisoning/draws.py", "from miseducation.poisoning import attack", "make no circle"),
        ("miseducation/check.py", "import stages.train", "knows nothing of the stages"),
        ("stages/report.py", "    from stages import train", "Nor a stage of another"),
    ],
)
def test_an_import_that_climbs_is_told(tmp_path: Path, file: str, line: str, told: str) -> None:
    copy_project(tmp_path)
    path = tmp_path / file
    indented = f"\n\ndef late() -> None:\n    {line.strip()}\n"
    path.write_text(path.read_text() + indented)
    broken = re.findall(r"^(.*) BROKEN$", lint(tmp_path), re.MULTILINE)
    assert any(told in contract for contract in broken), broken


def test_nobody_climbs() -> None:
    assert lint(PROJECT) == ""
