import re
from typing import Any

import numpy as np
import pytest

from miseducation import networks
from miseducation.defences import Evidence, RowDetector
from miseducation.defending.evidence import Model, Need, Trusted
from miseducation.defending.trial import detect

ROWS = 6
IMAGES, LABELS = np.zeros((ROWS, 16, 16, 1), np.uint8), np.zeros(ROWS, np.int64)


def evidence() -> Evidence:
    network, recipe = networks.build("cnn", (16, 16, 1), 2, seed=1), object()
    told: Any = {"model": Model(network, IMAGES), "trusted": Trusted(IMAGES, LABELS), "recipe": recipe}
    return Evidence(IMAGES, LABELS, ("a", "b"), 7, **told)


def detector(suspicion: Any, flagged: Any, *needed: Need) -> tuple[RowDetector, list[Evidence]]:
    """A detector that says what it was told to say, and what it was shown."""
    seen: list[Evidence] = []

    class Told(RowDetector):
        needs = needed

        def suspect(self, evidence: Evidence) -> np.ndarray:
            seen.append(evidence)
            return suspicion

        def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
            seen.append(evidence)
            return flagged

    return Told(), seen


@pytest.mark.parametrize("needed", [(), ("model",), ("trusted", "recipe"), ("model", "trusted", "recipe")])
def test_a_detector_is_shown_what_it_needs_and_no_more(needed: tuple[Need, ...]) -> None:
    told, given = (np.arange(6.0), np.arange(6) > 4), evidence()
    defence, seen = detector(*told, *needed)

    found = detect(defence, given)

    assert found.suspicion is told[0]
    assert found.flagged is told[1]
    first, second = seen
    assert first is second, "what it trained for suspicion it finds again"
    for need in ("model", "trusted", "recipe"):
        assert getattr(first, need) is (getattr(given, need) if need in needed else None)
    assert (first.images is given.images, first.labels is given.labels, first.seed) == (True, True, 7)


GOOD = np.zeros(ROWS)
NONE = np.zeros(ROWS, bool)


@pytest.mark.parametrize(
    ("suspicion", "flagged", "message"),
    [
        (GOOD[:-1], NONE, "suspect must give finite float64 [6]"),
        (GOOD[:, np.newaxis], NONE, "suspect must give finite float64 [6]"),
        (GOOD.astype(np.float32), NONE, "suspect must give finite float64 [6]"),
        (GOOD.astype(int), NONE, "suspect must give finite float64 [6]"),
        (np.where(LABELS == 0, np.nan, 0), NONE, "suspect must give finite float64 [6]"),
        (np.array([0, 0, 0, 0, 0, np.inf]), NONE, "suspect must give finite float64 [6]"),
        (GOOD, NONE[:-1], "flag must give finite bool [6]"),
        (GOOD, NONE.astype(int), "flag must give finite bool [6]"),
        (GOOD, np.array([0, 1]), "flag must give finite bool [6]"),
    ],
)
def test_what_is_no_answer_for_each_row_is_refused(suspicion: Any, flagged: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^test_trial: {re.escape(message)}$"):
        detect(detector(suspicion, flagged)[0], evidence())
