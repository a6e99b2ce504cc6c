"""Who looks for faults must find those that are there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.window import Scheme, Window

DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
PAGE = """<!DOCTYPE html><html lang="en"><head><title>Page</title><meta name="viewport" content="width=device-width">
<style>:root {{ color-scheme: light dark; }} body {{ background: Canvas; color: CanvasText; }}</style></head>
<body><main><h1>Page</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Window]:
    opened = Window(browser, 400)
    yield opened
    opened.close()


def faults(window: Window, folder: Path, body: str, scheme: Scheme = "light") -> list[str]:
    (folder / "page.html").write_text(PAGE.format(body))
    window.look(400, scheme)
    window.heard.clear()
    window.page.goto((folder / "page.html").as_uri())
    return window.faults()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('<p style="color: #999">grey on white</p>', "color-contrast: "),
        ('<details><summary>More</summary><p style="color: #999">grey on white</p></details>', "color-contrast: "),
        ('<p style="background: linear-gradient(red, blue)">who can tell?</p>', "color-contrast: "),
        (
            '<svg role="img" aria-label="x"><text y="20" fill="#999">grey</text></svg>',
            "contrast of the drawn text 'grey'",
        ),
        ('<div style="width: 401px">wide</div>', "wider than the window by "),
        (f'<img src="{DOT}">', "no text in place of the picture "),
        ('<svg role="img"></svg>', "no text in place of the picture <svg"),
        ('<img src="lost.png" alt="a picture">', "does not show the picture "),
        ("<script>throw new Error('planted')</script>", "error: planted"),
        ("<script>console.error('planted')</script>", "console: planted"),
        ("<script>fetch('https://example.org/planted')</script>", "asked another machine: https://example.org/planted"),
        ('<link rel="stylesheet" href="http://example.org/x.css">', "asked another machine: http://example.org/x.css"),
    ],
)
def test_a_planted_fault_is_found(window: Window, tmp_path: Path, body: str, told: str) -> None:
    found = faults(window, tmp_path, body)
    assert any(told in each for each in found), found


def test_what_is_too_dark_in_the_dark_alone_is_found(window: Window, tmp_path: Path) -> None:
    body = '<p style="color: #555">dark grey</p>'
    assert not faults(window, tmp_path, body)
    assert faults(window, tmp_path, body, "dark")


def test_a_page_without_fault_has_none(window: Window, tmp_path: Path) -> None:
    assert not faults(window, tmp_path, f'<p>Text</p><img src="{DOT}" alt="a dot">')
