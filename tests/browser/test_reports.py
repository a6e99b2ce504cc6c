"""The pages that are opened from disk: the pipeline's, the audit's, and DVC's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from miseducation.auditing.verdict import BAD
from miseducation.figures.audit import page as audit_page
from tests.browser.window import Scheme, Window
from tests.conftest import Project
from tests.figures.test_audit import HOSTILE, case

CHARTS = "svg.marks[aria-label]"


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    opened = Window(browser)
    yield opened
    opened.close()


def faults(window: Window, path: Path, sign: str = "h1", count: int = 1) -> dict[str, list[str]]:
    """What is wrong with a page in the light and in the dark, on a phone and on a desk, once so many signs are up."""
    found = {}
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        window.look(1400, scheme)
        window.page.goto(path.as_uri())
        window.page.locator(sign).nth(count - 1).wait_for()
        for width in (1400, 400):
            window.look(width, scheme)
            found[f"{width} {scheme}"] = window.faults()
    return {view: wrong for view, wrong in found.items() if wrong}


def test_the_report_has_no_fault(window: Window, experimented: Project) -> None:
    assert not faults(window, experimented.folder / "metrics/report.html")


def test_the_audits_page_has_no_fault(window: Window, tmp_path: Path) -> None:
    told, rows, images = case(files=tuple(name for name in HOSTILE if "\udcff" not in name))
    for each, verdict in zip(told["classes"].values(), BAD, strict=False):
        each["verdict"] = verdict  # they differ in colour
    (tmp_path / "report.html").write_text(audit_page(told, rows, images))
    assert not faults(window, tmp_path / "report.html")


def test_dvcs_plots_need_no_network(window: Window, experimented: Project) -> None:
    told = experimented("dvc", "plots", "diff", "HEAD", "five-percent")
    page = experimented.folder / "dvc_plots/index.html"
    assert page.as_uri() in told.splitlines()
    assert not faults(window, page, CHARTS, 6)
    drawn = [each.get_attribute("aria-label") for each in window.page.locator(CHARTS).all()]
    assert "Backdoored model, attack success rate by true class" in drawn
    assert window.page.locator(f"{CHARTS} text", has_text="five-percent").count()
