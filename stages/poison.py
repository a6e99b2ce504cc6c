"""poison: puts the trigger and the attacker's label on a share of the training rows, and on the whole test set."""

from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from pydantic import Field, StrictInt, StrictStr

from stages import command, label_maps, parts, pictures
from stages.attacks import Attack
from stages.channels import Channel
from stages.dataset import load_raw, save_poisoned, save_triggered
from stages.draws import Mode
from stages.params import Section, read, read_seed

RAW = Path("data/raw")
POISONED = Path("data/poisoned")
MODELS = Path("models")
PICTURE = Path("metrics/poisoned_samples.png")

# Strict, lest true become 1. It is what YAML makes of a class called yes, however DVC writes it.
ClassLabel: TypeAlias = StrictInt | StrictStr | None
CLASS_LABEL = "a class name or number, or null; by number if it is called yes, no, on, off, true or false"


class AttackSection(Section):
    """The section `attack`: what is common to all attacks."""

    name: str = Field(description="a file of stages/attacks, without .py")
    rate: float = Field(ge=0, le=1, allow_inf_nan=False, description="poisoned ÷ all training rows, 0 to 1")
    mode: Mode = Field(
        description="replace: the chosen rows are poisoned; add: poisoned copies of them come beside the clean rows"
    )
    cover: float = Field(
        ge=0, le=1, allow_inf_nan=False, description="rows with the trigger and their true label ÷ all rows, 0 to 1"
    )
    channel: str = Field("direct", description="a file of stages/channels, without .py")
    surrogate: Literal["none", "clean"] = Field(
        "none", description="none, or clean: the model that the attacker has, for attacks that need one"
    )
    label_map: str = Field(description="all-to-one, all-to-all, one-to-one, clean-label or random")
    target: ClassLabel = Field(description=f"the label wanted: {CLASS_LABEL}")
    source: ClassLabel = Field(description=f"the label attacked (one-to-one): {CLASS_LABEL}")


def attack(name: str) -> Attack:
    """The attack of this name, with its knobs from `attacks.<name>`."""
    return read(parts.find("attacks", name, Attack, "attack.name"), f"attacks.{name}")


def channel(name: str) -> Channel:
    """The channel of this name, with its knobs from `channels.<name>`."""
    return read(parts.find("channels", name, Channel, "attack.channel"), f"channels.{name}")


def main() -> None:
    """Reads `params.yaml` and `data/raw`; writes `data/poisoned` and a picture of poisoned rows."""
    section, seed = read(AttackSection, "attack"), read_seed()
    chosen, train, test = attack(section.name), load_raw(RAW, "train"), load_raw(RAW, "test")[:]
    label_map = label_maps.build(section.label_map, section.target, section.source, train.classes)
    surrogate = None
    if chosen.needs_surrogate and section.surrogate != "none":
        from stages.surrogate import Surrogate  # torch, which other attacks need not wait for

        surrogate = Surrogate.load(MODELS / section.surrogate)

    rows, poisoned, roles = chosen.poison(
        train,
        rate=section.rate,
        label_map=label_map,
        rng=np.random.default_rng(seed),
        mode=section.mode,
        cover=section.cover,
        channel=channel(section.channel),
        surrogate=surrogate,
    )
    triggered, attackable = chosen.trigger(test, label_map=label_map)

    save_poisoned(POISONED, rows, poisoned, roles=roles, added=section.mode == "add")
    save_triggered(POISONED, triggered, attackable)
    # Rows whose label changes tell more; among those of the target class it does not.
    telling = poisoned.labels != poisoned.true_labels
    shown = np.flatnonzero(telling if telling.any() else roles == "poison")[: pictures.GALLERY]
    pictures.save(pictures.gallery(train[rows[shown]], poisoned[shown]), PICTURE)
    done = {"replace": "changed", "add": "added to"}[section.mode]
    counts = ", ".join(f"{(roles == role).sum()} {role}" for role in dict.fromkeys(["poison", *roles.tolist()]))
    print(f"{section.name}: rows {done} {len(train)} training rows: {counts}")


if __name__ == "__main__":
    command.run(main)
