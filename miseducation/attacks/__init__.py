"""Attacks that poison data only. One file, one attack; the file's name is `attack.name`."""

from typing import Any, Literal, TypeAlias

from pydantic import Field, StrictInt, StrictStr

from miseducation.poisoning.attack import Attack
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.draws import Mode
from miseducation.project import parts
from miseducation.project.params import Section, read

__all__ = ["Attack", "AttackSection", "attack", "channel"]

# Strict: true is no class number.
ClassLabel: TypeAlias = StrictInt | StrictStr | None
CLASS_LABEL = "a class name or number, or null; in quotes if the name looks like a number, true, false or null"


class AttackSection(Section):
    """The section `attack`: what is common to all attacks."""

    name: str = Field(description="a file of miseducation/attacks, without .py")
    rate: float = Field(ge=0, le=1, description="poisoned ÷ all training rows, 0 to 1")
    mode: Mode = Field(description="replace: the chosen rows are poisoned; add: poisoned copies of them are added")
    cover: float = Field(
        ge=0,
        le=1,
        description="rows of other classes that get the trigger and keep their label, ÷ all rows, 0 to 1",
    )
    channel: str = Field("direct", description="a file of miseducation/poisoning/channels, without .py")
    surrogate: Literal["none", "clean"] = Field(
        "none", description="none, or clean: the model that the attacker has, for attacks that need one"
    )
    label_map: str = Field(description="all-to-one, all-to-all, one-to-one, clean-label or random")
    target: ClassLabel = Field(description=f"the label that the attacker wants: {CLASS_LABEL}")
    source: ClassLabel = Field(description=f"the class that is attacked (one-to-one): {CLASS_LABEL}")


def attack(name: str) -> Attack:
    """The attack of this name, with its knobs from `attacks.<name>` in `params.yaml`."""
    return read(parts.find("attacks", name, Attack, "attack.name"), f"attacks.{name}")


def channel(name: str) -> Channel:
    """The channel of this name, with its knobs from `channels.<name>` in `params.yaml`."""
    return read(parts.find("channels", name, Channel, "attack.channel"), f"channels.{name}")


def __getattr__(name: str) -> Any:
    """The attack whose class is called so, such as `BadNets`: it is imported when it is asked for."""
    if name.startswith("_"):
        raise AttributeError(name)
    return parts.find_class("attacks", name, Attack)
