"""Each attack, found by its file, plants its backdoor in a real model, which without it reads the same images well."""

from functools import cache
from typing import Any

import pytest
import yaml

from miseducation.attacks import Attack, AttackSection
from miseducation.datasets.digits import Digits
from miseducation.poisoning import label_maps
from miseducation.poisoning.channels.direct import Direct
from miseducation.project import parts
from miseducation.studies import cells
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection
from tests.conftest import PROJECT

PARAMS = yaml.safe_load((PROJECT / "params.yaml").read_text())
RATE = 0.08
TARGET, SOURCE = 8, 7
OTHER_TARGET = {"sig": 7}  # a clean model takes stripes for an 8 anyway
# What params.yaml ships is for thousands of images. These are 1,437, and blurred, as they were enlarged.
STRONGER: dict[str, dict[str, Any]] = {
    "sticker": {"side": 0.2},
    "sig": {"delta": 80, "test_delta": 120},
    "bpp": {"levels": 2},
    "frequency": {"magnitude": 60},
    "wanet": {"s": 4, "noise": 0.2},
    "label_consistent": {"epsilon": 30, "step": 4, "steps": 20},
}
# label_consistent wants more than the 115 images it has here: with MNIST's it works, see docs/attacks_study.md.
LEAST = {"label_consistent": 0.15, "sig": 0.5}  # sig's wave is cut off on their black ground
WITHOUT = {"label_flip": "the control: wrong labels alone make nobody read the target in untouched images"}

NAMES = parts.names("attacks")


@cache
def bench() -> Bench:
    """Every attack, and the one for comparison."""
    train, test, _ = Digits().fetch()
    arms = []
    attacks = [(name, STRONGER.get(name, {})) for name in NAMES]
    for name, knobs in [*attacks, ("label_consistent", {"epsilon": 0}), ("bpp", {"levels": 2, "noise": 0})]:
        cls = parts.find("attacks", name, Attack, "attack.name")
        attack = cls.model_validate(PARAMS["attacks"][name] | knobs)
        label_map = label_maps.build(cls.label_map, OTHER_TARGET.get(name, TARGET), SOURCE, train.classes)
        section = AttackSection.model_validate(PARAMS["attack"] | {"name": name, "label_map": cls.label_map})
        arms.append(Arm(section, attack, label_map, Direct(), *attack.trigger(test, label_map=label_map)))
    learning = PARAMS["train"] | {"epochs": 8, "batch_size": 32, "learning_rate": 0.005, "label_smoothing": 0}
    compute = ComputeSection(device="cpu", precision="float32", threads=1)
    return Bench(PROJECT, train, test, tuple(arms), TrainSection.model_validate(learning), compute, ("scores",))


@cache
def clean() -> dict[str, dict[str, float]]:
    """What the clean model makes of each trigger."""
    found = cells.run(bench(), [Cell(arm, 0, 0, 1) for arm in range(len(NAMES))])
    return {name: outcomes["scores"].found for name, outcomes in zip(NAMES, found, strict=True)}


@cache
def backdoored(arm: int) -> dict[str, float]:
    return cells.run(bench(), [Cell(arm, RATE, 0, 1)])[0]["scores"].found


@pytest.mark.parametrize("name", NAMES)
def test_a_backdoor_is_planted_and_a_clean_model_has_none(name: str) -> None:
    before, after = clean()[name], backdoored(NAMES.index(name))
    assert before["clean_accuracy"] > 0.93, "the task can be learnt"
    assert before["attack_success_rate"] < 0.12, "the trigger alone does little"
    if name in WITHOUT:
        assert after["attack_success_rate"] < 0.12, WITHOUT[name]
        return
    least = LEAST.get(name, 0.8)
    assert after["attack_success_rate"] > least
    assert after["robust_accuracy"] < 1 - least
    assert after["clean_accuracy"] > before["clean_accuracy"] - 0.04, "and the backdoor does not show"


def test_it_is_the_hard_images_that_make_label_consistent_work() -> None:
    easy, hard = backdoored(len(NAMES)), backdoored(NAMES.index("label_consistent"))
    assert hard["attack_success_rate"] > 3 * easy["attack_success_rate"]


def test_it_is_the_noise_rows_that_make_bpp_teach_its_trigger() -> None:
    anything, trigger = backdoored(len(NAMES) + 1), backdoored(NAMES.index("bpp"))
    assert min(each["attack_success_rate"] for each in (anything, trigger)) > 0.95
    assert anything["other_trigger_rate"] > 0.6, "another image's rounding does as well"
    assert trigger["other_trigger_rate"] < 0.2


def test_only_controls_are_excused() -> None:
    controls = {name for name in NAMES if not parts.find("attacks", name, Attack, "attack.name").has_trigger}
    assert set(WITHOUT) == controls
