"""The browser, where there is one, and what to look at: a result at two rates."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import window
from tests.conftest import Prepare, Project, reproduce

BEFORE = "evaluation-before.json"  # the scores at the first rate


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if window.program() is None:
        pytest.skip(f"no browser is installed: none of {', '.join(window.NAMES)}")
    with window.browser() as started:
        yield started


@pytest.fixture(scope="module")
def two_rates(browser: Browser, prepare: Prepare) -> Project:
    """A project with results at 2 % and, the later one, at 5 %; nobody changes them."""

    def make(folder: Path) -> Project:
        project = prepare("reproduced", reproduce).copy(folder)
        shutil.copy(folder / "metrics/evaluation.json", folder / BEFORE)
        project("dvc", "exp", "run", "-S", "attack.rate=0.05", "--name", "five-percent")
        return project

    return prepare("two-rates", make)
