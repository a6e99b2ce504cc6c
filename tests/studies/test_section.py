"""Mistakes in a study's section end in one line, before any work."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.poisoning.channels.web import Web
from miseducation.project import parts
from miseducation.studies.prepare import prepare
from miseducation.studies.section import StudiedAttack, check_studies, read_study
from tests.studies.study_projects import made_bench

SetParams = Callable[[str, Any], None]
MINE: dict[str, Any] = {"datasets": ["digits"], "attacks": ["badnets", "sticker"], "rates": [0.1], "seeds": [1]}


def test_the_shipped_studies_are_good_and_a_new_one_needs_no_more_than_its_grid(set_params: SetParams) -> None:
    check_studies()
    set_params("studies.mine", MINE)
    check_studies()
    mine = read_study("mine")
    assert mine.measured == ["scores"]
    assert mine.chosen("digits") == ["badnets", "sticker"]
    assert mine.override("digits").model_dump() == {"only": None, "attack": {}, "attacks": {}, "train": {}}
    set_params("studies.mine.attacks", [{"name": "sig", "label_map": "all-to-all"}, "sig"])
    assert read_study("mine").attacks == [StudiedAttack(name="sig", label_map="all-to-all"), "sig"]
    set_params("studies.mine.attacks", None)
    assert read_study("mine").chosen("digits") == parts.names("attacks")
    set_params("studies.mine.overrides", {"digits": {"only": ["wanet"], "attack": {"cover": 0.1}}})
    assert read_study("mine").override("digits").only == ["wanet"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("rates", [0.1, 1.5], "rates = [0.1, 1.5]: Input should be less than or equal to 1 (at 1); allowed: a list of"),
        ("rates", [0.1, float("nan")], "rates = [0.1, nan]: Input should be a finite number"),
        ("rates", [0, 0.0], "rates = [0, 0.0]: 0.0 appears twice"),
        ("rates", [], "rates = []: List should have at least 1 item"),
        ("seeds", [1, -1], "seeds = [1, -1]: Input should be greater than or equal to 0 (at 1)"),
        ("seeds", [1, 1], "seeds = [1, 1]: 1 appears twice"),
        ("seeds", [], "seeds = []"),
        ("seeds", 1, "seeds = 1: Input should be a valid list; allowed: a list of seeds"),
        ("datasets", [], "datasets = []"),
        ("datasets", ["digits", "digits"], "'digits' appears twice"),
        ("datasets", ["x"], "datasets = 'x' is unknown; known datasets: arrays, cifar10"),
        ("attacks", [], "attacks = []"),
        ("attacks", ["nobody"], "attacks = 'nobody' is unknown; known attacks: adaptive_blend, "),
        ("attacks", ["badnets", "badnets"], "'badnets' appears twice"),
        ("attacks", [{"name": "nobody", "label_map": "all-to-one"}], "attacks = 'nobody' is unknown; known attacks: "),
        ("attacks", [{"name": "badnets", "label_map": "none"}], "attacks = 'none' is unknown; known: all-to-all, "),
        ("attacks", [{"name": "badnets"}], "attacks = [{'name': 'badnets'}]: "),
        ("measured", [], "measured = []"),
        ("measured", ["scores", "x"], "measured = 'x' is unknown; known measurements: "),
        ("measured", ["visibility"], "measured = ['visibility']; allowed: a list with scores in it"),
        ("measured", ["scores", "scores"], "'scores' appears twice"),
        (
            "rate",
            0.1,
            "rate is not a known key; studies.mine has datasets, attacks, rates, seeds, measured, override",
        ),
        ("overrides", {"mnist": {}}, "overrides.mnist is not for one of studies.mine.datasets, which are digits"),
        ("overrides", {"digits": {"tain": {}}}, "(at digits.tain)"),
        ("overrides", {"digits": {"attacks": {"x": {}}}}, "overrides.digits.attacks = 'x' is unknown; known attacks:"),
        ("overrides", {"digits": {"only": ["sig"]}}, "overrides.digits.only = 'sig'; allowed: badnets, sticker"),
        ("overrides", {"digits": {"only": []}}, "(at digits.only)"),
        ("overrides", {"digits": {"only": ["badnets", "badnets"]}}, "'badnets' appears twice"),
        *(
            (
                "overrides",
                {"digits": {"attack": {"target": 7, knob: value}}},
                f"overrides.digits.attack.{knob} cannot be set here, as the study sets it itself; allowed: target,",
            )
            for knob, value in {"name": "sig", "rate": 0.1, "label_map": "random", "surrogate": "clean"}.items()
        ),
    ],
)
def test_a_mistake_in_a_study_is_told(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params("studies.mine", MINE | {key: value})
    with pytest.raises(InputError, match=rf"^params.yaml: .*{re.escape(message)}"):
        check_studies()


@pytest.mark.parametrize("missing", ["datasets", "attacks", "rates", "seeds"])
def test_what_a_study_must_say_is_told(set_params: SetParams, missing: str) -> None:
    set_params("studies.mine", {key: value for key, value in MINE.items() if key != missing})
    with pytest.raises(InputError, match=rf"^params.yaml: studies.mine.{missing} is missing: .*list of"):
        check_studies()
    set_params("studies.mine", None)
    with pytest.raises(InputError, match=rf"studies.mine.{missing} is missing: .*list of"):
        check_studies()


@pytest.mark.parametrize(
    "name", ["clean", "backdoored", "defences", "../x", "A B", "a b", "Mine", "", "-x", "a.b", "1", 1, True, None]
)
def test_a_name_that_is_no_folder_of_its_own_is_refused(set_params: SetParams, name: Any) -> None:
    set_params("studies", {name: MINE})
    with pytest.raises(
        InputError,
        match=rf"studies.{re.escape(str(name))} is not a valid name .*; allowed: small|the key {name} is not a string",
    ):
        check_studies()


@pytest.mark.parametrize("studies", [None, [], "mine", 3])
def test_studies_must_have_names(set_params: SetParams, studies: Any) -> None:
    set_params("studies", studies)
    with pytest.raises(InputError, match="studies must be a mapping of names to studies, not "):
        check_studies()
    with pytest.raises(InputError, match=r"there is no section studies\.mine; the studies are: none"):
        read_study("mine")


def test_a_study_that_is_not_there_is_told(set_params: SetParams) -> None:
    with pytest.raises(InputError, match=r"there is no section studies\.mine; the studies are: dose, attacks"):
        read_study("mine")
    with pytest.raises(InputError, match="NAME=… is missing; the studies are: dose, attacks"):
        read_study("")
    set_params("studies", {})
    check_studies()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "train",
            {"epochs": 0},
            "params.yaml: studies.mine.overrides.digits.train.epochs = 0: Input should be greater",
        ),
        ("attack", {"target": "x"}, "in the study mine, on digits: params.yaml: attack.target = 'x' is not a class"),
        ("attack", {"channel": "x"}, "in the study mine, on digits: params.yaml: attack.channel = 'x' is unknown"),
        ("attack", {"colour": 1}, "params.yaml: studies.mine.overrides.digits.attack.colour is not a known key"),
        ("attacks", {"sticker": {"sid": 1}}, "studies.mine.overrides.digits.attacks.sticker.sid is not a known key"),
        ("attacks", {"badnets": {"pixels": [[90, 3]]}}, "in the study mine, on digits: params.yaml: attacks.badnets."),
        (
            "train",
            {"processes": 2},
            "params.yaml: studies.mine.overrides.digits.train.processes = 2; allowed: 1, as a study trains many models",
        ),
    ],
)
def test_a_mistake_in_what_is_other_for_a_data_set_is_told(
    set_params: SetParams, digits: Fetched, tmp_path: Path, key: str, value: Any, message: str
) -> None:
    made_bench(tmp_path, digits)
    set_params("studies.mine", MINE | {"overrides": {"digits": {key: value}}})
    with pytest.raises(InputError, match=rf"^.*{re.escape(message)}"):
        prepare("mine", read_study("mine"), "digits", tmp_path)


def test_a_bench_has_what_the_study_and_its_override_say(
    set_params: SetParams, digits: Fetched, tmp_path: Path
) -> None:
    made_bench(tmp_path, digits)
    other = {
        "only": ["badnets", "label_consistent"],
        "attack": {"target": 7, "cover": 0.1, "channel": "web"},
        "attacks": {"badnets": {"colour": 99}, "sig": {"delta": 1}},
        "train": {"epochs": 3, "augment": ["shift"]},
    }
    set_params("compute.device", "cpu")
    set_params("studies.mine", MINE | {"attacks": None, "overrides": {"digits": other}})
    ready = prepare("mine", read_study("mine"), "digits", tmp_path)
    badnets, _ = ready.arms
    assert isinstance(badnets.attack, BadNets)
    assert (badnets.attack.colour, badnets.attack.pixels) == (99, [(3, 3)])
    assert {(arm.section.cover, arm.label_map.target, type(arm.channel)) for arm in ready.arms} == {(0.1, 7, Web)}
    assert [arm.section.surrogate for arm in ready.arms] == ["none", "clean"]
    assert [arm.section.label_map for arm in ready.arms] == ["all-to-one", "clean-label"]
    assert (badnets.attackable == (ready.test.true_labels != 7)).all()
    assert (ready.learning.epochs, ready.learning.batch_size, ready.learning.augment) == (3, 160, ["shift"])
    assert "auto" not in ready.compute.model_dump().values(), "workers may find other machines"

    set_params("studies.mine.overrides", {"digits": {"attack": {"source": 1}}})
    names = [arm.section.name for arm in prepare("mine", read_study("mine"), "digits", tmp_path).arms]
    assert names == parts.names("attacks"), "a file is enough"


def test_an_attack_may_stand_there_with_several_label_maps_but_with_each_once(
    set_params: SetParams, digits: Fetched, tmp_path: Path
) -> None:
    made_bench(tmp_path, digits)
    set_params("studies.mine", MINE | {"attacks": ["badnets", {"name": "badnets", "label_map": "all-to-all"}]})
    arms = prepare("mine", read_study("mine"), "digits", tmp_path).arms
    assert [arm.section.label_map for arm in arms] == ["all-to-one", "all-to-all"]
    set_params("studies.mine.attacks", ["badnets", {"name": "badnets", "label_map": "all-to-one"}])
    with pytest.raises(InputError, match=r"studies\.mine\.attacks: badnets with all-to-one appears twice"):
        prepare("mine", read_study("mine"), "digits", tmp_path)
