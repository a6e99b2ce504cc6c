"""Every label map must keep the same promises; the design's table is checked by eye here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.poisoning.label_maps import LabelMap

CLASSES = ("stop", "yield", "speed-limit", "no-entry")
LABELS = np.array([0, 1, 2, 3, 2])
# name: (poisonable, attackable, goal), with target 2 and source 0
TABLE = {
    "all-to-one": ([1, 1, 1, 1, 1], [1, 1, 0, 1, 0], [2, 2, 2, 2, 2]),
    "all-to-all": ([1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 2, 3, 0, 3]),
    "one-to-one": ([1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 2, 2, 2, 2]),
    "clean-label": ([0, 0, 1, 0, 1], [1, 1, 0, 1, 0], [2, 2, 2, 2, 2]),
    "random": ([1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [3, 3, 0, 0, 3]),  # any but its own, as this generator has it
}


@pytest.fixture(params=label_maps.names())
def label_map(request: pytest.FixtureRequest) -> LabelMap:
    return label_maps.build(request.param, "speed-limit", 0, CLASSES)


def test_the_table_has_every_label_map() -> None:
    assert label_maps.names() == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_who_is_hit_and_into_what(name: str) -> None:
    built = label_maps.build(name, 2, 0, CLASSES)
    poisonable, attackable, goal = TABLE[name]
    assert built.poisonable(LABELS).tolist() == [bool(row) for row in poisonable]
    assert built.attackable(LABELS).tolist() == [bool(row) for row in attackable]
    assert built.goal(LABELS, np.random.default_rng(0)).tolist() == goal


@given(labels=arrays(np.int64, st.integers(0, 50), elements=st.integers(0, 3)), name=st.sampled_from(sorted(TABLE)))
def test_goals_are_classes_and_no_attackable_row_is_there_already(labels: np.ndarray, name: str) -> None:
    built = label_maps.build(name, "speed-limit", 0, CLASSES)
    goal, attackable = built.goal(labels, np.random.default_rng(0)), built.attackable(labels)
    assert goal.dtype == np.int64
    assert goal.shape == attackable.shape == built.poisonable(labels).shape == labels.shape
    assert attackable.dtype == built.poisonable(labels).dtype == bool
    assert ((goal >= 0) & (goal < 4)).all()
    assert (goal[attackable] != labels[attackable]).all()


def test_a_map_relabels_if_it_wants_another_label_of_a_row_that_may_be_poisoned(label_map: LabelMap) -> None:
    goal = label_map.goal(LABELS, np.random.default_rng(0))
    assert (goal != LABELS)[label_map.poisonable(LABELS)].any() == label_map.relabels


def test_the_source_is_one_class_alone_wherever_the_target_is() -> None:
    for target in (0, 3):
        label_map = label_maps.OneToOne(target=target, source=2, classes=4)
        assert label_map.poisonable(LABELS).tolist() == label_map.attackable(LABELS).tolist() == (LABELS == 2).tolist()
    names = [str(number) for number in range(300)]
    with pytest.raises(InputError, match="both 299; they must differ"):
        label_maps.build("one-to-one", "299", "299", names)


def test_labels_are_left_alone(label_map: LabelMap) -> None:
    labels = LABELS.copy()
    labels.setflags(write=False)
    assert not np.shares_memory(label_map.goal(labels, np.random.default_rng(0)), labels)


@pytest.mark.parametrize(
    ("name", "target", "source", "message"),
    [
        ("all-to-some", 0, None, "attack.label_map = 'all-to-some' is unknown; known: all-to-all, all-to-one"),
        ("all-to-one", 4, None, "attack.target = 4 is not a class .* allowed: a class number from 0 to 3 or .* stop,"),
        ("all-to-one", -1, None, "attack.target = -1"),
        ("all-to-one", "Stop", None, "attack.target = 'Stop'"),
        ("all-to-one", None, None, "attack.target = None"),
        ("one-to-one", 2, None, "attack.source = None"),
        ("one-to-one", 2, "speed-limit", "attack.source and attack.target are both 2; they must differ"),
    ],
)
def test_wrong_labels_are_refused(name: str, target: int | str | None, source: int | str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_maps.build(name, target, source, CLASSES)


def test_a_class_that_is_called_by_a_number_is_found_by_its_name() -> None:
    """Folders called 0, 1, 10, 11 and 2 come in this order; 2 is the last of them, not the third."""
    assert label_maps.class_number("attack.target", 2, ["0", "1", "10", "11", "2"]) == 4
    assert label_maps.class_number("attack.target", "10", ["0", "1", "10", "11", "2"]) == 2
    assert label_maps.class_number("attack.target", 3, ["0", "1", "10", "11", "2"]) == 3
    assert label_maps.class_number("attack.target", 14, [f"{i:05}" for i in range(43)]) == 14


def test_a_data_set_of_one_class_has_nothing_to_be_read_as() -> None:
    with pytest.raises(InputError, match=r"^an attack needs at least two classes, but this data set has only one"):
        label_maps.build("all-to-one", 0, None, ["stop"])
    assert label_maps.build("all-to-one", 0, None, ["stop", "go"]).classes == 2


def test_who_makes_a_label_map_is_told_as_well() -> None:
    with pytest.raises(InputError, match=r"attack.source = None is not a class from 0 to 3$"):
        label_maps.OneToOne(target=1, classes=4)
    with pytest.raises(InputError, match=r"attack.target = 4 "):
        label_maps.AllToOne(target=4, classes=4)
    for no_number in ("1", True, 1.0):  # which would be compared with labels, and found unlike all of them
        with pytest.raises(InputError, match=f"attack.target = {no_number!r} is not a class from 0 to 3$"):
            label_maps.AllToOne(target=no_number, classes=4)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="both 1; they must differ"):
        label_maps.OneToOne(target=1, source=1, classes=4)
    assert label_maps.AllToAll(classes=4).target is None


def test_the_key_is_the_one_that_is_asked_for() -> None:
    label_maps.check_name("random", "studies.some.attacks")
    with pytest.raises(InputError, match=r"^params.yaml: studies.some.attacks = 'none' is unknown; known: all-to-all"):
        label_maps.check_name("none", "studies.some.attacks")


def test_chance_takes_each_other_class_alike() -> None:
    labels = np.arange(40_000) % 4
    away = (label_maps.Random(classes=4).goal(labels, np.random.default_rng(0)) - labels) % 4
    np.testing.assert_allclose(np.bincount(away, minlength=4) / 40_000, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.02)
