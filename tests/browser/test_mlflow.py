"""MLflow's pages, from the addresses that `make ui` prints, each opened by somebody who was never there before."""

import json
from collections.abc import Iterator
from typing import TypeAlias

import pytest
from playwright.sync_api import Browser

from tests.browser.served import ITS_OWN, served
from tests.browser.window import Window
from tests.conftest import Project

Scores: TypeAlias = dict[str, dict[str, float]]  # of each run, by its name

LATER, EARLIER = "badnets-0.05-seed1", "badnets-0.02-seed1"
COLUMNS = "attack_success_rate", "clean_accuracy"
# The points of each chart of a page, by the names of its axes.
POINTS = """Object.fromEntries([...document.querySelectorAll(".js-plotly-plot")]
    .map(({ data, layout: { xaxis, yaxis } }) => [`${xaxis?.title?.text} ${yaxis?.title?.text}`,
        data.flatMap(({ x = [], y }) => [...x].map((each, place) => [Number(each), y[place]]))]))"""


@pytest.fixture(scope="module")
def addresses(browser: Browser, experimented: Project) -> Iterator[dict[str, str]]:
    with served(experimented.folder, experimented.environment) as found:
        yield found


@pytest.fixture(scope="module")
def scores(reproduced: Project, experimented: Project) -> Scores:
    """The headline of each run."""
    projects = {LATER: experimented, EARLIER: reproduced}
    return {name: json.loads((each.folder / "metrics/evaluation.json").read_text()) for name, each in projects.items()}


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    opened = Window(browser, 1800, pardoned=ITS_OWN)
    yield opened
    opened.close()
    assert not opened.heard, opened.heard


def test_the_runs_and_each_of_them_tell_rate_and_scores_and_a_wrong_one_would_be_noticed(
    window: Window, addresses: dict[str, str], scores: Scores
) -> None:
    window.page.goto(addresses["runs"])
    for name, rate in ((LATER, 0.05), (EARLIER, 0.02)):
        window.expect(name, [*(scores[name][each] for each in COLUMNS), rate])

    window.page.get_by_role("link", name=LATER).click()
    for each, score in scores[LATER].items():
        window.expect(each, [score])
    assert window.page.get_by_text(f"{scores[LATER]['attack_success_rate']:.2%} of the triggered test images").count()

    right = scores[LATER]["clean_accuracy"]
    link = window.page.get_by_role("link", name="clean_accuracy", exact=True)
    told = window.page.get_by_role("row").filter(has=link).get_by_text(str(right))
    told.evaluate("(told, wrong) => { told.textContent = wrong }", str(right - 0.01))
    with pytest.raises(AssertionError, match="right of 'clean_accuracy' stand"):
        window.expect("clean_accuracy", [right], within=1)


def test_the_latest_two_stand_beside_each_other(window: Window, addresses: dict[str, str], scores: Scores) -> None:
    window.page.goto(addresses["the two latest"])
    for each in ("attack_success_rate", "baseline_accuracy"):
        window.expect(each, [scores[LATER][each], scores[EARLIER][each]])


def test_a_picture_shows_success_over_rate(window: Window, addresses: dict[str, str], scores: Scores) -> None:
    window.page.goto(addresses["success over rate"])
    window.page.locator(".scatterlayer .point").nth(3).wait_for()
    shown = window.page.evaluate(POINTS)
    for each in ("attack_success_rate", "clean_accuracy"):
        expected = [[0.02, scores[EARLIER][each]], [0.05, scores[LATER][each]]]
        assert sorted(shown[f"attack.rate {each}"]) == expected


def test_registered_models_say_what_they_are(window: Window, addresses: dict[str, str]) -> None:
    models = f"{addresses['runs'].partition('#')[0]}#/models/digits-"
    window.page.goto(f"{models}backdoored")
    for text in ("BACKDOORED. DO NOT DEPLOY.", "badnets, rate 0.05, target 8", "badnets, rate 0.02, target 8"):
        window.page.get_by_text(text).first.wait_for()
    window.page.goto(f"{models}clean")
    window.page.reload()
    for text in ("Learnt from the unchanged data", "@ clean"):
        window.page.get_by_text(text).first.wait_for()
    assert not window.page.get_by_text("BACKDOORED").count()
