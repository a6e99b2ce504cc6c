"""Which rows are taken: as many as asked, of those that may be, no row twice, and less of them is part of more."""

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miseducation.errors import InputError
from miseducation.poisoning.draws import Companions, Mode, draw
from miseducation.poisoning.label_maps import AllToOne, LabelMap, OneToOne

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(4), 50))
ONE_TO_ONE = OneToOne(target=1, source=2, classes=4)
ALL_TO_ONE = AllToOne(target=1, classes=4)


def drawn(
    label_map: LabelMap = ONE_TO_ONE,
    companions: Companions | None = None,
    seed: int = 7,
    labels: np.ndarray = LABELS,
    **shares: Any,
) -> list[tuple[str, np.ndarray]]:
    usual: dict[str, Any] = {"rate": 0.1, "cover": 0.0, "mode": "replace", "attack": "some"}
    rng = np.random.default_rng(seed)
    return [(role, rows) for role, rows in draw(labels, label_map, companions, rng=rng, **{**usual, **shares})]


companions = st.none() | st.builds(
    Companions, role=st.sampled_from(["cover", "noise"]), ratio=st.floats(0, 3), spared=st.booleans()
)


@given(
    rate=st.floats(0, 0.2),
    cover=st.floats(0, 0.2),
    companions=companions,
    mode=st.sampled_from(["replace", "add"]),
    labels=st.lists(st.integers(0, 3), min_size=20, max_size=300).map(np.array),
)
def test_rows_are_as_many_as_asked_and_of_those_that_may_be_taken(
    rate: float, cover: float, companions: Companions | None, mode: Mode, labels: np.ndarray
) -> None:
    shares = [rate, cover] + ([rate * companions.ratio] if companions else [])
    whole = len(labels) if mode == "replace" else len(labels) / (1 - sum(shares))
    try:
        ends = drawn(companions=companions, labels=labels, rate=rate, cover=cover, mode=mode)
    except InputError:
        return
    assert [role for role, _ in ends] == ["poison", "cover"] + ([companions.role] if companions else [])
    for share, (_, rows) in zip(shares, ends, strict=True):
        assert len(rows) == pytest.approx(share * whole, abs=0.5 + 1e-9)
    taken = np.concatenate([rows for _, rows in ends])
    assert len(set(taken)) == len(taken)
    assert (labels[ends[0][1]] == 2).all()
    assert (labels[ends[1][1]] != 2).all()
    if companions and companions.spared:
        assert (labels[ends[2][1]] != 2).all()


def test_companions_come_from_all_rows_that_are_left_or_from_the_spared_ones() -> None:
    everybody = drawn(companions=Companions("noise", 7), rate=0.125, cover=0)
    assert [len(rows) for _, rows in everybody] == [25, 0, 175]
    (_, poison), (_, cover), (_, beside) = drawn(companions=Companions("noise", 2), rate=0.1, cover=0.2)
    assert set(LABELS[beside]) == {0, 1, 2, 3}
    assert not set(beside) & (set(poison) | set(cover))
    spared = drawn(companions=Companions("cover", 4, spared=True), rate=0.125, cover=0)[2][1]
    assert len(spared) == 100
    assert set(LABELS[spared]) == {0, 3}, "not the class wanted, whose label the trigger would confirm"


def test_cover_rows_are_not_of_the_class_wanted() -> None:
    assert set(LABELS[drawn(cover=0.5)[1][1]]) == {0, 3}


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_less_is_the_beginning_of_more_and_what_comes_after_does_not_move_what_came_before(mode: Mode) -> None:
    def rows(end: int, **shares: Any) -> list[int]:
        return list(drawn(mode=mode, **shares)[end][1])

    assert 0 < len(rows(0, rate=0.03)) < len(rows(0, rate=0.06))
    assert rows(0, rate=0.06)[: len(rows(0, rate=0.03))] == rows(0, rate=0.03)
    assert rows(1, cover=0.2)[: len(rows(1, cover=0.1))] == rows(1, cover=0.1)
    assert len(rows(1, cover=0.2)) > len(rows(1, cover=0.1)) > 0
    for other in ({"cover": 0.2}, {"companions": Companions("noise", 1)}):
        few, more = sorted([rows(0), rows(0, **other)], key=len)
        assert more[: len(few)] == few


def test_the_seed_draws_the_rows_in_no_order() -> None:
    first, again, other = (drawn(seed=seed, cover=0.2) for seed in (7, 7, 8))
    for end in (0, 1):
        assert first[end][1].tolist() == again[end][1].tolist()
        assert first[end][1].tolist() != other[end][1].tolist()
        assert first[end][1].tolist() != sorted(first[end][1])


def test_half_a_row_is_one() -> None:
    assert [len(drawn(rate=rate)[0][1]) for rate in (0.0025, 0.0074, 0.0076)] == [1, 1, 2]
    with pytest.raises(InputError, match="less than one of 200"):
        drawn(rate=0.0024)


def test_shares_are_of_all_that_is_learnt_from() -> None:
    """10 % and 20 % of 286, of which 200 are the clean ones; and with companions of 333."""
    assert [len(rows) for _, rows in drawn(rate=0.1, cover=0.2, mode="add")] == [29, 57]
    ends = drawn(rate=0.1, cover=0.1, mode="add", companions=Companions("noise", 2))
    assert [len(rows) for _, rows in ends] == [33, 33, 67]


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_nothing_of_nothing_is_asked(mode: Mode) -> None:
    ends = drawn(ALL_TO_ONE, Companions("cover", 0, spared=True), rate=0, mode=mode)
    assert [len(rows) for _, rows in ends] == [0, 0, 0]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (
            {"rate": 1, "mode": "add"},
            "attack.rate = 1 and attack.cover = 0.0 leave no room for the clean rows, which attack.mode = add keeps; "
            "allowed: together below 1",
        ),
        ({"rate": 0.5, "cover": 0.5, "mode": "add"}, "attack.rate = 0.5 and attack.cover = 0.5 leave no room"),
        ({"rate": 0.5, "mode": "add"}, "attack.rate = 0.5 asks for 200 of 400 .* allows 50; allowed: 0 to 0.2$"),
        ({"rate": 0.3, "cover": 0.5, "mode": "add"}, "attack.rate = 0.3 asks for 300 of 1000 .* allowed: 0 to 0.1$"),
        ({"rate": 0.1, "cover": 0.5, "mode": "add"}, r"attack.cover = 0.5 asks for 250 of 500 .* 0 to 0.3$"),
        (
            {"rate": 0.001},
            "attack.rate = 0.001 is less than one of 200 training rows; allowed: 0 for none, or at least 0.005$",
        ),
        ({"rate": 0.1, "cover": 0.001}, "attack.cover = 0.001 is less than one of 200 .* or at least 0.005$"),
        ({"rate": 0.001, "mode": "add"}, "attack.rate = 0.001 is less than one of 200 .* at least 0.005$"),
        ({"rate": 0.3}, "attack.rate = 0.3 asks for 60 of 200 training rows, .* allows 50; allowed: 0 to 0.25$"),
        ({"rate": 0.1, "cover": 0.8}, "attack.cover = 0.8 asks for 160 of 200 .* allows 100; allowed: 0 to 0.5$"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        drawn(**shares)


@pytest.mark.parametrize(
    ("role", "ratio", "shares", "message"),
    [
        (
            "noise",
            4,
            {"rate": 0.2, "mode": "add"},
            r"attack.rate = 0.2 and attack.cover = 0.0 and attack.rate × attacks.some.noise = 0.8 leave no room",
        ),
        (
            "noise",
            5,
            {"rate": 0.2},
            r"attack.rate × attacks.some.noise = 1 asks for 200 of 200 .* allows 160; "
            r"allowed: less of attack.rate × attacks.some.noise$",
        ),
        ("cover", 0.01, {"rate": 0.1}, r"attack.rate × attacks.some.cover = 0.001 is less than one of 200"),
        ("noise", 1, {"rate": 0.3}, "attack.rate = 0.3 asks for 60 of 200 .* allowed: 0 to 0.25$"),
        (
            "noise",
            1,
            {"rate": 0.3, "mode": "add"},
            r"attack.rate = 0.3 asks for 150 of 500 .* allows 50; allowed: less of attack.rate × attacks.some.noise$",
        ),
    ],
)
def test_companions_that_cannot_be_are_refused(
    role: Literal["cover", "noise"], ratio: float, shares: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        drawn(companions=Companions(role, ratio), **shares)


@pytest.mark.parametrize("mode", ["replace", "add"])
@pytest.mark.parametrize("cover", [0, 0.2])
def test_the_share_that_is_said_to_be_allowed_is(mode: Mode, cover: float) -> None:
    with pytest.raises(InputError) as error:
        drawn(rate=0.6, cover=cover, mode=mode)
    allowed = float(str(error.value).rpartition(" ")[2])
    assert len(drawn(rate=allowed, cover=cover, mode=mode)[0][1]) == 50, "all rows of the source class"
    with pytest.raises(InputError):
        drawn(rate=allowed + 0.01, cover=cover, mode=mode)


def test_where_no_class_is_spared_nothing_is_allowed() -> None:
    two = OneToOne(target=1, source=0, classes=2)
    for cover, beside, key in (
        (0.1, None, "attack.cover"),
        (0, Companions("cover", 1, spared=True), "attack.rate × attacks.some.cover"),
    ):
        with pytest.raises(InputError, match=f"{key} = 0.1 asks for 20 of 200 .* allows 0; allowed: 0$"):
            drawn(two, beside, labels=LABELS % 2, cover=cover)
