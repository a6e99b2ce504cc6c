"""Takes the docs' pictures of MLflow: `python -m tests.browser.screenshots`, after `make repro` and experiments."""

import sys
from pathlib import Path

import yaml
from playwright.sync_api import Page

from benchmarks.scratch import environment
from tests.browser.served import served
from tests.browser.window import Window, browser

DOCS = Path("docs")
WIDTH = 1300
# Of the assistant, and of what tells that this is a view of ours.
BANNERS = "button[aria-label='Close']", "button[aria-label='Hide banner']"
DIFFERENCES = "button[aria-label='Parameters - Show diff only']", "button[aria-label='Metrics - Show diff only']"


def take(page: Page, name: str, sign: str, *clicked: str, top: str = "") -> None:
    """Takes a picture of what is in sight.

    Args:
        page: Where.
        name: The end of the picture's name.
        sign: What has come up when the page is there: text, or a CSS selector.
        clicked: Selectors of what to click before.
        top: A selector of what to scroll to.
    """
    page.locator(sign).first.wait_for()
    page.wait_for_timeout(2000)  # charts move into place, banners come up
    for each in (*BANNERS, *clicked):
        for button in page.locator(each).all():
            button.click()
    if top:
        page.locator(top).evaluate("each => each.scrollIntoView()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)
    page.screenshot(path=DOCS / f"mlflow_{name}.png", scale="css")
    print(DOCS / f"mlflow_{name}.png")


def main() -> None:
    """Writes a picture of each page that `make ui` names, of the newest run, and of the backdoored model."""
    name = yaml.safe_load(Path("params.yaml").read_text())["data"]["name"]
    with served(Path(), environment()) as addresses, browser() as started:
        if "the two latest" not in addresses:
            sys.exit("There is one run alone: dvc exp run -S attack.rate=0.05 makes another.")
        window = Window(started, WIDTH)
        window.page.goto(addresses["runs"])
        take(window.page, "runs", "text=badnets-")
        window.page.goto(addresses["success over rate"])
        window.page.reload()
        take(window.page, "sweep", ".scatterlayer .point")
        window.page.goto(addresses["the two latest"])
        take(window.page, "compare", "text=Run details", *DIFFERENCES, top="text=Run details")
        window.page.goto(addresses["runs"])
        window.page.locator("a[href*='/runs/']").first.click()
        take(window.page, "run", "text=Show more", "text=Show more")
        window.page.goto(f"{addresses['runs'].partition('#')[0]}#/models/{name}-backdoored")
        take(window.page, "model", "text=DO NOT DEPLOY")
        window.close()


if __name__ == "__main__":
    main()
