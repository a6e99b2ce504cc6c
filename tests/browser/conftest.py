"""The browser, where there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import window


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
