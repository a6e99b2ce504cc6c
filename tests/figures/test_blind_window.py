"""The picture of the blind window shows each attack's row and each detector's sign where the table has them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from miseducation.figures import blind_window, pictures
from tests.figures.test_pictures import misplaced

RATES = [0.001, 0.003, 0.01, 0.05]
NONE: dict[str, Any] = {"dose": np.nan, "dose_low": np.nan, "dose_high": np.nan, "bound": ""}


def row(detector: str, attack: dict[str, Any], noticed: dict[str, Any], ends: tuple[float, float], **more: Any) -> Any:
    told = {
        f"{whose}_{name}": each
        for whose, of in (("attack", attack), ("detector", noticed))
        for name, each in of.items()
    }
    place = {"dataset": "mnist", "attack": "a", "label_map": "all-to-one", "detector": detector, "lost_at": np.nan}
    return place | told | {"blind_from": ends[0], "blind_to": ends[1]} | more


def known(dose: float, low: float = np.nan, high: float = np.nan) -> dict[str, Any]:
    return {"dose": dose, "dose_low": low, "dose_high": high, "bound": ""}


def bound(text: str) -> dict[str, Any]:
    return NONE | {"bound": text}


def drawn(*rows: dict[str, Any]) -> Axes:
    (ax,) = blind_window.blind_window(pd.DataFrame(rows), RATES).axes
    return ax


def colour_at(ax: Axes, rate: float) -> str | None:
    """The colour of the row at a rate: that of the last of the patches that lie there."""
    y = np.mean(ax.get_ylim())
    there = [each for each in ax.collections if each.get_paths()[0].contains_point((rate, float(y)))]
    return to_hex(there[-1].get_facecolor()[0]) if there else None  # type: ignore[arg-type]


def signs(ax: Axes, marker: str) -> list[float]:
    found = [line for line in ax.lines if line.get_marker() == marker]
    return [float(np.asarray(line.get_xdata())[0]) for line in found]


def test_the_stretch_that_nobody_notices_is_red() -> None:
    attack = known(0.002, 0.0015, 0.0025)
    ax = drawn(
        row("late", attack, known(0.02, 0.01), (0.002, 0.02)),
        row("later", attack, bound("> 0.05"), (0.002, 0.05)),
        row("late + later", attack, bound("< 0.001"), (0.002, 0.002)),  # which is drawn nowhere
    )
    assert [colour_at(ax, rate) for rate in (0.0015, 0.0021, 0.019, 0.021, 0.06)] == [
        None,
        *[blind_window.BLIND] * 2,
        *[blind_window.WORKS] * 2,
    ]
    assert signs(ax, "o") == [0.02]
    assert signs(ax, ">") == [pytest.approx(0.05 * np.sqrt(blind_window.AROUND))]
    intervals = [np.asarray(line.get_xdata()).tolist() for line in ax.lines if len(np.asarray(line.get_xdata())) == 2]
    assert [0.0015, 0.0025] in intervals
    assert [0.01, 0.05 * blind_window.AROUND] in intervals, "beyond the highest rate"


def test_what_a_detector_loses_again_is_red_again() -> None:
    ax = drawn(row("one", bound("< 0.001"), bound("0.001 to 0.003"), (0.001, 0.001), lost_at=0.01))
    assert [colour_at(ax, rate) for rate in (0.0009, 0.0011, 0.009, 0.02)] == [
        *(blind_window.BLIND, *[blind_window.WORKS] * 2, blind_window.BLIND)
    ]
    assert signs(ax, "x") == [0.01]
    assert signs(ax, "o") == [pytest.approx(np.sqrt(0.001 * 0.003))]


@pytest.mark.parametrize(("noticed", "colour"), [("", blind_window.BLIND), ("< 0.001", blind_window.WORKS)])
def test_what_is_beyond_the_rates_fills_the_row(noticed: str, colour: str) -> None:
    ax = drawn(row("one", bound("< 0.001"), bound(noticed), (0.001, np.nan)))
    assert {colour_at(ax, rate) for rate in (0.0009, 0.01, 0.06)} == {colour}


def test_an_attack_that_never_works_is_told() -> None:
    ax = drawn(row("one", bound("> 0.05"), known(0.01), (np.nan, np.nan)))
    assert not ax.collections
    assert [text.get_text() for text in ax.texts] == ["less than half succeeds up to 5 %"]


def many(attacks: int, detectors: int, rates: list[float]) -> Figure:
    rng, rows = np.random.default_rng(0), []
    for attack in range(attacks):
        begin = known(*np.sort(rng.choice(np.geomspace(rates[0], rates[-1], 50), 3))[[1, 0, 2]])
        for detector in range(detectors):
            noticed = known(rates[0]) if detector % 2 else bound(f"> {rates[-1]}")
            more = {"attack": f"some_attack_{attack}", "label_map": "clean-label"}
            rows.append(row(f"some_detector_{detector}", begin, noticed, (begin["dose"], rates[-1])) | more)
    return blind_window.blind_window(pd.DataFrame(rows), rates)


@pytest.mark.parametrize(
    ("attacks", "detectors", "rates"),
    [(1, 1, [0.01]), (1, 1, RATES), (11, 13, RATES), (3, 7, [0.0001, 0.0003, 0.001, 0.0015, 0.002, 0.003, 0.1])],
)
def test_no_text_lies_on_another_or_is_cut_off(
    attacks: int, detectors: int, rates: list[float], recwarn: pytest.WarningsRecorder
) -> None:
    figure = many(attacks, detectors, rates)
    assert not misplaced(figure)
    assert len(figure.axes[0].get_yticks()) == attacks
    assert figure.get_figwidth() * 110 <= 1400, "as `pictures.save` writes it"
    assert len({tuple(pictures.look(each).values()) for each in range(detectors)}) == detectors
    assert not recwarn.list
