"""The pages that are opened from disk: the pipeline's, the audit's, and DVC's."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from miseducation.figures.audit import page as audit_page
from tests.browser.window import Window
from tests.conftest import Project
from tests.figures.test_audit import HOSTILE, case

CHARTS = "svg.marks[aria-label]"


def faults(browser: Browser, path: Path) -> dict[tuple[int, str], list[str]]:
    """What is wrong with a page on a phone and on a desk, in the light and in the dark."""
    found = {}
    for view in [(width, scheme) for width in (400, 1400) for scheme in ("light", "dark")]:
        window = Window(browser, *view)
        window.page.goto(path.as_uri())
        if "plots" in path.parent.name:
            window.page.locator(CHARTS).nth(5).wait_for()
        if wrong := window.faults():
            found[view] = wrong
        window.close()
    return found


def test_the_pages_of_a_result_have_no_fault(two_rates: Project, browser: Browser) -> None:
    found = {path.name: faults(browser, path) for path in (two_rates.folder / "metrics").rglob("*.html")}
    assert not any(found.values()), found


@pytest.mark.parametrize("verdict", ["clean", "poisoned"])
def test_the_audits_page_has_no_fault(browser: Browser, tmp_path: Path, verdict: str) -> None:
    names = tuple(name for name in HOSTILE if "\udcff" not in name)
    (tmp_path / "report.html").write_text(audit_page(*case(verdict, files=names)))
    assert not faults(browser, tmp_path / "report.html")


def test_dvcs_plots_need_no_network(two_rates: Project, browser: Browser) -> None:
    told = two_rates("dvc", "plots", "diff", "HEAD", "five-percent")
    (address,) = re.findall(r"^file://\S+$", told, re.MULTILINE)
    path = two_rates.folder / "dvc_plots/index.html"
    assert address == path.as_uri()
    assert not faults(browser, path)

    window = Window(browser)
    window.page.goto(address)
    window.page.locator(CHARTS).nth(5).wait_for()
    drawn = [each.get_attribute("aria-label") for each in window.page.locator(CHARTS).all()]
    assert "Backdoored model, attack success rate by true class" in drawn
    assert window.page.locator(f"{CHARTS} text", has_text="five-percent").count()
    window.close()
