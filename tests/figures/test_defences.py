"""The pictures of the defences: whatever there is to show, or is not."""

from pathlib import Path

import numpy as np
import pytest

from miseducation.figures import defences, pictures
from miseducation.scores.detection import Truth

ROWS = 40
POISON = np.arange(ROWS) % 10 == 0
NONE, ALL = np.zeros(ROWS, bool), np.ones(ROWS, bool)
TRUTHS = {
    "some": Truth(POISON, ~POISON),
    "neither": Truth(POISON, ~POISON & (np.arange(ROWS) > 5)),
    "no poison": Truth(NONE, ALL),
    "all poison": Truth(ALL, NONE),
}
RNG = np.random.default_rng(0)
SUSPICIONS = {
    "usual": RNG.normal(size=ROWS),
    "constant": np.ones(ROWS),
    "vast": np.where(POISON, 1e300, -1e300),
    "few": np.where(POISON, 1.0, 0.0),
    "$odd$": RNG.random(ROWS),
}


@pytest.mark.parametrize(
    ("truth", "names"),
    [*((truth, ["usual"]) for truth in TRUTHS.values()), (TRUTHS["some"], []), (TRUTHS["some"], list(SUSPICIONS))],
)
def test_suspicions_and_curves_are_drawn(truth: Truth, names: list[str], tmp_path: Path) -> None:
    found = {name: SUSPICIONS[name] for name in names}
    flagged = {name: suspicion > 0.5 for name, suspicion in found.items()}
    figure = defences.suspicions(found, truth)
    assert sum(ax.axison for ax in figure.axes) == len(names), "a panel for each detector, and no empty one"
    pictures.save(figure, tmp_path / "suspicion.png")
    figure = defences.roc(found, flagged, truth)
    curves = len(names) if truth.poison.any() and truth.rest.any() else 0
    assert (
        len({line.get_label() for line in figure.axes[0].lines if not str(line.get_label()).startswith("_")}) == curves
    )
    pictures.save(figure, tmp_path / "roc.png")


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_features_are_drawn(truth: Truth, tmp_path: Path) -> None:
    pictures.save(defences.projection(RNG.normal(size=(ROWS, 2)), truth, "$8_$"), tmp_path / "projection.png")


@pytest.mark.parametrize(("scanners", "channels"), [(0, 1), (1, 3), (2, 1)])
def test_the_worst_trigger_comes_first(scanners: int, channels: int, tmp_path: Path) -> None:
    masks, patterns = RNG.random((3, 8, 9)), 255 * RNG.random((3, 8, 9, channels))
    found = {f"scanner{number}": (masks, patterns, np.array([0.5, 7.0, -1.0])) for number in range(scanners)}
    figure = defences.triggers(found, np.zeros((8, 9)), ["a", "$b$", "c"])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["the real\ntrigger", "$b$\n7.0", "a\n0.5", "c\n-1.0"] * scanners
    pictures.save(figure, tmp_path / "triggers.png")
