"""What verdicts rest on, with readings made up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from miseducation.auditing.carry_over import Readings
from miseducation.auditing.verdict import BAD, FEWEST, LEVEL, judge, reasons, worst

CLASSES = 6
ROWS = 200  # a class


def situation(
    odd: int, *, won: int = 0, sure: float = 0.99, kinds: int = 5, seed: int = 0
) -> tuple[np.ndarray, Readings]:
    """Of class 0 some rows are odd: read as other classes, so surely, and so many of them are won back."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), ROWS)
    without = np.full((len(labels), CLASSES), 0.01)
    without[np.arange(len(labels)), labels] = rng.uniform(0.9, 0.97, len(labels))
    crossed = without.copy()
    candidates = np.arange(len(labels)) % 25 == 24
    candidates[:odd] = True
    for row in range(odd):
        without[row] = 0.01
        without[row, 1 + row % kinds] = sure
        crossed[row] = without[row]
        if row < won:
            crossed[row] = np.where(np.arange(CLASSES) == 0, 0.95, 0.01)
    none = np.zeros(len(labels), bool)
    return labels, Readings(candidates, without.astype(np.float32), crossed.astype(np.float32), none)


def verdict_of(*args: int, **more: float) -> str:
    labels, readings = situation(*args, **more)  # type: ignore[arg-type]
    judged = judge(labels, CLASSES, readings)
    assert all(each.verdict == "clean" for each in judged[1:])
    assert worst(each.verdict for each in judged) == judged[0].verdict
    return judged[0].verdict


@pytest.mark.parametrize(
    ("odd", "won", "more", "expected"),
    [
        (0, 0, {}, "clean"),
        (60, 58, {}, "poisoned"),
        (60, 58, {"kinds": 1}, "poisoned"),  # one class is under attack
        (60, 0, {}, "suspicious"),  # somebody put one label on pictures of all classes
        (60, 6, {}, "poisoned"),  # and some of it carries over
        (60, 0, {"kinds": 1}, "mislabelled"),
        (60, 6, {"kinds": 1}, "mislabelled"),
        (9, 0, {"kinds": 1}, "clean"),  # fewer than a twentieth of the class
        (9, 9, {"kinds": 1}, "suspicious"),
        (9, 7, {"kinds": 1}, "clean"),
        (FEWEST - 1, FEWEST - 1, {}, "clean"),
        (60, 41, {"kinds": 1}, "suspicious"),
        (60, 33, {"kinds": 1}, "mislabelled"),
        (60, 30, {"kinds": 1}, "mislabelled"),
        (60, 60, {"sure": 0.6}, "poisoned"),  # nothing that one could take for an ordinary row
        (60, 60, {"sure": 0.6, "kinds": 1}, "clean"),  # an odd kind of the class, such as high sneakers
        (60, 60, {"sure": 0.6, "kinds": 3}, "clean"),  # or such as a 1 with a foot, which looks like this and that
        (60, 40, {"sure": 0.6}, "clean"),
        (60, 0, {"sure": 0.6}, "clean"),
    ],
)
def test_a_verdict_needs_its_evidence(odd: int, won: int, more: dict[str, float], expected: str) -> None:
    assert verdict_of(odd, won=won, **more) == expected


def test_the_lower_end_is_that_of_clopper_and_pearson() -> None:
    labels, readings = situation(60, won=50)
    (found, *_) = judge(labels, CLASSES, readings)
    assert (found.unread, found.ordinary, found.carried, found.ordinary_carried) == (60, 60, 50, 50)
    assert found.low == pytest.approx(beta.ppf(LEVEL / CLASSES, 50, 11))


@given(st.integers(0, 150), st.data())
def test_more_that_carries_over_is_never_better(odd: int, data: st.DataObject) -> None:
    won = data.draw(st.integers(0, odd))
    more = data.draw(st.integers(won, odd))
    before, after = (judge(*_arguments(odd, each))[0] for each in (won, more))
    poisoned = [each.verdict == "poisoned" for each in (before, after)]
    assert poisoned != [True, False]
    assert before.low <= after.low
    assert before.low <= before.ordinary_carried / max(1, before.ordinary)


def _arguments(odd: int, won: int) -> tuple[np.ndarray, int, Readings]:
    labels, readings = situation(odd, won=won)
    return labels, CLASSES, readings


def test_what_is_flagged_says_why() -> None:
    for odd, won, expected in ((60, 55, {"backdoor": 60}), (60, 0, {"wrong label": 60}), (4, 0, {"wrong label": 4})):
        labels, readings = situation(odd, won=won)
        found = reasons(labels, judge(labels, CLASSES, readings), readings)
        assert {reason: int((found == reason).sum()) for reason in np.unique(found[found != ""])} == expected
        assert set(np.flatnonzero(found != "")) == set(range(odd))


def test_the_worst_class_is_the_verdict() -> None:
    assert [worst(BAD[: count + 1]) for count in range(4)] == list(BAD)
    assert worst([]) == "clean"


def test_errors_in_all_classes_are_not_aimed() -> None:
    """A careless crowd: a tenth of all labels is wrong, each class is taken for all others."""
    labels, readings = situation(0)
    without = readings.without.copy()
    wrong = np.arange(len(labels)) % 10 == 0
    shown = (labels + 1 + np.arange(len(labels)) // 10 % (CLASSES - 1)) % CLASSES
    without[wrong] = 0.01
    without[wrong, shown[wrong]] = 0.99
    found = Readings(readings.candidates | wrong, without, without, np.zeros(len(labels), bool))
    judged = judge(labels, CLASSES, found)
    assert {each.verdict for each in judged} == {"mislabelled"}
    assert (reasons(labels, judged, found)[wrong] == "wrong label").all()
