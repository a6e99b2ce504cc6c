"""Which models a run of the pipeline made, and which of its figures tell of which."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from miseducation.tracking.results import Model, Tie

CLEAN, BACKDOORED = VARIANTS = "clean", "backdoored"
TRIGGERED = "triggered-test-set"  # the name of an input
LOUD = "BACKDOORED"  # the tag of a model that nobody should use, and of what came of it
# The scores that are the clean model's, those that the triggered test set gives, and those that no single model has.
OF_CLEAN = re.compile(r"baseline_\w+|false_trigger_rate")
OF_TRIGGERED = re.compile(r"attack_success_rate(_all)?|robust_accuracy|false_trigger_rate|side_effect_rate")
OF_MODELS = re.compile(r"\w+_accuracy|\w+_rate(_all)?")
LEFT = re.compile(r"models/(cleansed|repaired)/([\w-]+)")  # by the defence of this name
BOUND = re.compile(r"interval_(low|high)/")


def attack(params: Mapping[str, Any]) -> str:
    """The attack in few words: `badnets, rate 0.05, target 8`."""
    target = params.get("attack.target")
    known = params.get("attack.label_map") in (None, "all-to-all", "random") or target is None
    return f"{params['attack.name']}, rate {params['attack.rate']}{'' if known else f', target {target}'}"


def models(params: Mapping[str, Any], scores: Mapping[str, float], hashes: Mapping[str, str]) -> list[Model]:
    """The clean and the backdoored model, the latter with a loud tag, unless there was no poison."""
    poisoned = scores.get("poisoned_rows", 1) > 0
    tags = {BACKDOORED: {LOUD: attack(params)} if poisoned else {"CONTROL": "no row was poisoned"}, CLEAN: {}}
    names = {CLEAN: f"{params['data.name']}-{CLEAN}", BACKDOORED: f"{params['data.name']}-{BACKDOORED}" * poisoned}
    return [
        Model(variant, path := f"models/{variant}", hashes[path], tags[variant], names[variant]) for variant in VARIANTS
    ]


def left_by_defences(params: Mapping[str, Any], scores: Mapping[str, float], hashes: Mapping[str, str]) -> list[Model]:
    """The models that the defences made: learnt again from what they let pass, or repaired."""
    was = {LOUD: f"WAS, by {attack(params)}"} if scores.get("poisoned_rows", 1) > 0 else {}
    found = [(LEFT.fullmatch(path), path, md5) for path, md5 in hashes.items()]
    return [
        Model(f"{part[1]}-{part[2]}", path, md5, {**was, part[1]: f"by {part[2]}"}) for part, path, md5 in found if part
    ]


def ties_of_defences(dataset: str, keys: Iterable[str], models: Iterable[Model]) -> dict[str, Tie]:
    """The model and the data of each score that is one of a model's."""
    made = {model.name.partition("-")[2]: model.name for model in models}
    found = {}
    for key in keys:
        defence, behind, score = key.partition(".behind.")
        if behind and defence in made and OF_MODELS.fullmatch(score) and score != "clean_model_accuracy":
            found[key] = Tie(made[defence], TRIGGERED if OF_TRIGGERED.fullmatch(score) else dataset)
    return found


def ties(dataset: str, keys: Iterable[str]) -> dict[str, Tie]:
    """The model and the data of each figure, as far as it has one of each."""
    found = {}
    for key in keys:
        score, (variant, _, curve) = BOUND.sub("", key), key.partition("/")
        if variant in VARIANTS and curve:
            found[key] = Tie(variant, "poison" if variant == BACKDOORED else dataset)
        elif OF_MODELS.fullmatch(score) and score != "other_trigger_rate":
            data = TRIGGERED if OF_TRIGGERED.fullmatch(score) else dataset
            found[key] = Tie(CLEAN if OF_CLEAN.fullmatch(score) else BACKDOORED, data)
    return found
