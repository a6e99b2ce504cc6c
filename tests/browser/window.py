"""A window of a real browser, and what is wrong with the page in it."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Request, sync_playwright

NAMES = "chromium", "chromium-browser", "google-chrome"
# It looks up no other machine, so a request to one fails, and nothing leaves this one; it is heard all the same.
OPTIONS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
# Axe does not tell the contrast of single signs, nor of what is scrolled out of sight; of drawings it asks too much.
NOT_ASKED = "shortTextContent", "nonBmp", "elmPartiallyObscured"
DRAWINGS = "svg[role=img]"
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")
Scheme: TypeAlias = Literal["light", "dark"]
HEIGHT = 900
LEAST = 4.5  # WCAG 2, level AA
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
WITHOUT_TEXT = """[...document.querySelectorAll("img, svg[role=img]")]
    .filter(each => !(each.alt ?? each.ariaLabel ?? "").trim()).map(each => each.outerHTML.slice(0, 80))"""
NOT_SHOWN = "[...document.images].filter(each => !each.naturalWidth).map(each => each.src.slice(0, 80))"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
DRAWN = """[...document.querySelectorAll('svg text')].filter(each => each.textContent.trim())
    .map(each => [getComputedStyle(each).fill, getComputedStyle(document.body).backgroundColor, each.textContent])"""
# The texts at the height of each place with this text, from there to the right; none that is scrolled out of its box.
LINES = """label => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange(), texts = [];
    while (walk.nextNode()) {
        range.selectNode(walk.currentNode);
        const at = range.getBoundingClientRect();
        let around = walk.currentNode.parentElement, seen = at.width > 0 && walk.currentNode.textContent.trim();
        for (; around && seen; around = around.parentElement) {
            const box = around.getBoundingClientRect(), cut = getComputedStyle(around).overflow !== "visible";
            seen = !cut || (at.left < box.right && at.right > box.left && at.top < box.bottom && at.bottom > box.top);
        }
        if (seen) texts.push([walk.currentNode.textContent.trim(), at]);
    }
    return texts.filter(([text]) => text === label).map(([, start]) => texts
        .filter(([, at]) => at.left >= start.right && at.top < start.bottom && at.bottom > start.top)
        .sort(([, one], [, other]) => one.left - other.left).map(([text]) => text));
}"""
# Scrolls no further than to one of the places with this text, to another each turn.
SCROLL = """([label, turn]) => {
    const says = each => each.nodeType === Node.TEXT_NODE && each.textContent.trim() === label;
    const places = [...document.querySelectorAll("body *")].filter(each => [...each.childNodes].some(says));
    places[turn % places.length]?.scrollIntoView({ block: "nearest" });
}"""
OPEN_ALL = "for (const each of document.querySelectorAll('details')) each.open = true"


def program() -> str | None:
    """The browser that is installed here, or none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program(), args=OPTIONS)
        yield started
        started.close()


class Window:
    """With a profile of its own, as nobody has it who was there before; close it.

    Args:
        browser: What opens it.
        width: In pixels.
        pardoned: Parts of complaints in the console that are others' fault.
    """

    def __init__(self, browser: Browser, width: int = 1400, pardoned: tuple[str, ...] = ()) -> None:
        self._pardoned, self.heard = pardoned, list[str]()
        self._context = browser.new_context(viewport={"width": width, "height": HEIGHT})
        self._context.on("console", self._listen)
        self._context.on("weberror", lambda error: self.heard.append(f"error: {error.error}"))
        self._context.on("request", self._watch)
        self.page = self._context.new_page()

    def _listen(self, message: ConsoleMessage) -> None:
        told = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and not any(each in told for each in self._pardoned):
            self.heard.append(f"console: {told}")

    def _watch(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("file", "data", "blob") and address.hostname != "127.0.0.1":
            self.heard.append(f"asked another machine: {request.url}")

    def close(self) -> None:
        self._context.close()

    def look(self, width: int, scheme: Scheme) -> None:
        """Makes the window so wide, and the desk around it light or dark; the page may have to be opened again."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.emulate_media(color_scheme=scheme)

    def expect(self, label: str, values: Sequence[float], within: float = 20) -> None:
        """Waits until the numbers right of a text are these, as one reads a line of a table: as many, in this order.

        Args:
            label: The text, at any of its places.
            values: What to expect; the page may show them with fewer digits.
            within: Seconds to wait for them.

        Raises:
            AssertionError: If they are not.
        """
        lines: list[list[str]] = []
        for turn in range(round(4 * within)):
            self.page.evaluate(SCROLL, [label, turn])
            self.page.wait_for_timeout(250)  # tables draw what comes into sight a little later
            lines = [list(filter(NUMBER.fullmatch, line)) for line in self.page.evaluate(LINES, label)]
            if any(len(line) == len(values) and all(map(agrees, line, values)) for line in lines):
                return
        raise AssertionError(f"right of {label!r} stand {lines}, not {values}")

    def faults(self) -> list[str]:
        """What it heard so far, and what one who looks at the page now would miss; folded parts are unfolded."""
        self.page.evaluate(OPEN_ALL)
        found = list(self.heard)
        if (overflow := self.page.evaluate(OVERFLOW)) > 0:
            found.append(f"wider than the window by {overflow} pixels")
        found += [f"no text in place of the picture {each}" for each in self.page.evaluate(WITHOUT_TEXT)]
        found += [f"does not show the picture {each}" for each in self.page.evaluate(NOT_SHOWN)]
        for ink, paper, text in self.page.evaluate(DRAWN):
            if contrast(ink, paper) < LEAST:
                found.append(f"contrast of the drawn text {text!r}: {ink} on {paper}")
        told = Axe().run(self.page, {"exclude": [DRAWINGS]}, RULES).response
        for rule in told["violations"] + [each for each in told["incomplete"] if each["id"] == "color-contrast"]:
            found += [
                f"{rule['id']}: {node['failureSummary']} {node['html'][:200]}"
                for node in rule["nodes"]
                if not (rule in told["incomplete"] and _passed_over(node))
            ]
        return found


def _passed_over(node: dict[str, Any]) -> bool:
    return any(each["data"]["messageKey"] in NOT_ASKED for each in node["any"])


def agrees(shown: str, value: float) -> bool:
    """Whether a number on a page is this one, rounded to the digits that it is shown with.

    >>> agrees("0.966", 0.96636), agrees("0.97", 0.96636), agrees("0.96", 0.96636), agrees("3.9e-4", 0.000391)
    (True, True, False, True)
    """
    exponent = Decimal(shown).as_tuple().exponent
    assert isinstance(exponent, int)
    return abs(Decimal(shown) - Decimal(repr(value))) <= Decimal(5).scaleb(exponent - 1)


def contrast(one: str, other: str) -> float:
    """Of two colours as a browser tells them, by WCAG's formula.

    >>> contrast("rgb(0, 0, 0)", "rgb(255, 255, 255)")
    21.0
    >>> round(contrast("rgb(119, 119, 119)", "rgb(255, 255, 255)"), 2)
    4.48
    """
    dark, bright = sorted(map(_luminance, (one, other)))
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
