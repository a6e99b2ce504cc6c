"""What the learner is told of the rows that an attacker took, and whether anything shows."""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miseducation.dataset import Dataset, clean
from miseducation.errors import InputError
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.label_maps import AllToOne, CleanLabel, Random
from miseducation.poisoning.poison import Poison, check_dose, check_relabels, check_visible, relabel

ALL_TO_ONE = AllToOne(target=1, classes=4)


class Every(Channel):
    """Every other row passes, and those whose true label is wanted; tells what it was asked."""

    def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
        ASKED.append((wants_truth.copy(), classes, rng))
        return wants_truth | (np.arange(len(wants_truth)) % 2 == 0)

    def probability(self, wants_truth: bool, classes: int) -> float:
        return 1.0 if wants_truth else 0.5


ASKED: list[Any] = []


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def rows(count: int = 40) -> Dataset:
    return clean(np.zeros((count, 2, 2, 1), np.uint8), np.arange(count) % 4, list("abcd"))


def test_poison_is_told_to_be_what_the_attacker_wants() -> None:
    labels, roles = relabel("poison", rows(), ALL_TO_ONE, None, rng())
    assert labels.tolist() == [1] * 40
    assert roles.tolist() == ["poison"] * 40


@pytest.mark.parametrize("role", ["cover", "noise"])
def test_all_others_keep_their_label_whatever_they_come_through(role: Any) -> None:
    labels, roles = relabel(role, rows(), ALL_TO_ONE, Every(), rng())
    assert labels.tolist() == rows().labels.tolist()
    assert roles.tolist() == [role] * 40


def test_what_does_not_pass_is_outvoted_and_keeps_its_label() -> None:
    ASKED.clear()
    labels, roles = relabel("poison", rows(), ALL_TO_ONE, Every(), rng())
    passed = np.arange(40) % 2 == 0
    wanted = np.arange(40) % 4 == 1
    ((wants_truth, classes, _),) = ASKED
    assert wants_truth.tolist() == wanted.tolist()
    assert classes == 4
    assert roles.tolist() == np.where(passed | wanted, "poison", "outvoted").tolist()
    assert labels.tolist() == np.where(passed, 1, rows().labels).tolist()


def test_chance_in_the_labels_and_in_the_channel_do_not_move_one_another() -> None:
    ASKED.clear()
    chance = Random(classes=4)
    labels, _ = relabel("poison", rows(), chance, None, rng())
    through, roles = relabel("poison", rows(), chance, Every(), rng())
    assert (through == labels)[roles == "poison"].all()
    relabel("poison", rows(), ALL_TO_ONE, Every(), rng())
    first, second = (each.random(3).tolist() for _, _, each in ASKED)
    assert first == second, "whether the map draws anything or not"
    assert (relabel("poison", rows(), chance, None, np.random.default_rng(6))[0] != labels).any()


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_poison_lies_over_the_clean_rows_or_follows_them(mode: Any) -> None:
    below = rows(5)
    changed = Dataset(
        np.full((2, 2, 2, 1), 9, np.uint8), np.array([3, 3]), np.array([1, 0]), np.ones(2, bool), below.classes
    )
    laid = Poison(np.array([1, 4]), changed, np.array(["poison", "cover"])).laid_over(below, mode)
    places = [1, 4] if mode == "replace" else [5, 6]
    expected = np.array([0, 1, 2, 3, 0] + [1, 0] * (mode == "add"))
    expected[places] = 3
    assert laid.labels.tolist() == expected.tolist()
    assert np.flatnonzero(np.asarray(laid.images)[:, 0, 0, 0] == 9).tolist() == places
    assert np.flatnonzero(laid.poisoned).tolist() == places


def dosed(**counts: int) -> Poison:
    """So many rows of each role; `relabelled` are those of the poison that another label was given."""
    relabelled = counts.pop("relabelled", 0)
    roles = np.repeat(list(counts), list(counts.values()))
    labels = np.where(np.cumsum(roles == "poison") <= relabelled, roles == "poison", 0).astype(np.int64)
    images = np.zeros((len(roles), 2, 2, 1), np.uint8)
    data = Dataset(images, labels, np.zeros_like(labels), np.ones(len(roles), bool), ("a", "b"))
    return Poison(np.arange(len(roles)), data, roles)


@settings(max_examples=50)
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_rows_with_another_label_are_counted(relabelled: int, like: int, outvoted: int, cover: int) -> None:
    poison = dosed(outvoted=outvoted, poison=relabelled + like, cover=cover, relabelled=relabelled)
    assert poison.relabelled == relabelled


@pytest.mark.parametrize(
    ("clean_rows", "least"),
    [(1, 10), (96, 10), (1437, 10), (1935, 10), (1936, 11), (5000, 17), (60_000, 61), (100_000, 79)],
)
def test_too_few_rows_to_learn_from_are_told(clean_rows: int, least: int) -> None:
    one, none = AllToOne(target=1, classes=2), CleanLabel(target=0, classes=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_dose(dosed(poison=least, relabelled=least), one, 0.1, clean_rows)
        check_dose(dosed(poison=least), none, 0.1, clean_rows)
        check_dose(dosed(cover=5), one, 0, clean_rows)
        check_dose(dosed(), none, 0, clean_rows)
    seldom = f": fewer than {least} seldom teach a model a small trigger$"
    few = least - 1
    for poison, label_map, message in (
        (dosed(poison=90, relabelled=few, cover=50), one, f"90 poisoned rows, {few} of them with another label"),
        (
            dosed(poison=90, outvoted=80),
            one,
            r"90 poisoned rows, 0 of them with another label \(80 more were outvoted\)",
        ),
        (dosed(outvoted=90), one, r"0 poisoned rows, 0 of them with another label \(90 more were outvoted\)"),
        (dosed(poison=few, cover=50, outvoted=2), none, rf"{few} poisoned rows \(2 more were outvoted\)"),
    ):
        with pytest.warns(UserWarning, match=f"^params.yaml: attack.rate = 0.05 makes {message}{seldom}"):
            check_dose(poison, label_map, 0.05, clean_rows)


def test_an_attack_on_labels_alone_must_change_one() -> None:
    some, none = rows(), clean(np.zeros((3, 2, 2, 1), np.uint8), [1, 1, 1], list("abcd"))
    check_relabels(some, ALL_TO_ONE, "label_flip")
    check_relabels(none, AllToOne(target=3, classes=4), "label_flip")
    check_relabels(none, AllToOne(target=0, classes=4), "label_flip")
    check_relabels(none[:0], CleanLabel(target=1, classes=4), "label_flip")
    check_relabels(none, Random(classes=4), "label_flip")
    with pytest.raises(
        InputError,
        match=r"^params.yaml: attack.name = 'label_flip' only changes labels, but attack.label_map changes none of "
        r"the 3 chosen; allowed: any label map except clean-label$",
    ):
        check_relabels(none, CleanLabel(target=1, classes=4), "label_flip")


def changed(count: int, *places: int) -> tuple[np.ndarray, np.ndarray]:
    """Images before and after a trigger that changes one pixel of some of them."""
    before = np.zeros((count, 2, 3, 3), np.uint8)
    after = before.copy()
    after[list(places), 1, 2, 0] = 1
    return before, after


def test_images_that_the_trigger_leaves_as_they_are_are_told() -> None:
    counted = np.array([True, True, False, True])
    check_visible(*changed(4, 0, 1, 3), counted, "some")  # the one that is left alone does not count
    check_visible(*changed(0), np.ones(0, bool), "some")
    check_visible(*changed(4), np.zeros(4, bool), "some")
    with pytest.warns(UserWarning, match="^the trigger changes no pixel of 1 of 3 some images$"):
        check_visible(*changed(4, 0, 2, 3), counted, "some")
    with pytest.raises(InputError, match=r"^the trigger changes no pixel of any of the 3 some images; see attacks"):
        check_visible(*changed(4, 2), counted, "some")


def test_no_image_is_overlooked_among_many() -> None:
    count = 2 * 4096 + 3
    with pytest.warns(UserWarning, match=f"no pixel of {count - 3} of {count} many images"):
        check_visible(*changed(count, 0, 4097, count - 1), np.ones(count, bool), "many")
    counted = np.zeros(count, bool)
    counted[[0, 4095, 4096, count - 1]] = True
    check_visible(*changed(count, 0, 4095, 4096, count - 1), counted, "many")


def test_a_warning_names_the_line_that_asked_for_the_poison() -> None:
    def attack() -> None:
        check_visible(*changed(2, 0), np.ones(2, bool), "some")

    with pytest.warns(UserWarning, match="changes no pixel") as caught:
        attack()
    asked = inspect.getsourcelines(test_a_warning_names_the_line_that_asked_for_the_poison)[1] + 5
    assert (caught[0].filename, caught[0].lineno) == (__file__, asked)
