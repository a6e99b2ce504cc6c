"""The section `studies` of `params.yaml`: for each study which models there are, and what is measured of them."""

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.project import parts
from miseducation.project.params import PARAMS, Section, read, read_all, validate

SETTLED = {"name", "rate", "label_map", "surrogate"}  # of the section `attack`, by what is studied
DETECTION = "detection"  # the measurement that consists of parts, a detector each
TAKEN = {"audit", "clean", "backdoored", "defences"}  # folders of `metrics` that are others'
NAME = re.compile(r"[a-z][a-z0-9_-]*")  # YAML would read 1 as a number
Knobs: TypeAlias = dict[str, Any]
S = TypeVar("S", bound=Section)
T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{twice[0]!r} appears twice")
    return values


Distinct: TypeAlias = Annotated[list[T], AfterValidator(_distinct)]
Rate: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class StudiedAttack(Section):
    """An attack with another label map than its paper's."""

    name: str
    label_map: str


class Override(Section):
    """What is other for a data set than in the sections of the same names."""

    only: Annotated[Distinct[str], Field(min_length=1)] | None = Field(
        None, description="a list of the study's attacks that are tried, or null for all"
    )
    attack: Knobs = Field({}, description="knobs of the section attack: target, source, mode, cover, channel")
    attacks: dict[str, Knobs] = Field({}, description="knobs of single attacks, by the attack's name")
    train: Knobs = Field({}, description="knobs of the section train")


class StudySection(Section):
    """A section `studies.<name>`."""

    datasets: Distinct[str] = Field(min_length=1, description="a list of data sets, files of miseducation/datasets")
    attacks: Annotated[Distinct[str | StudiedAttack], Field(min_length=1)] | None = Field(
        description="null for all, or a list of names, or {name: …, label_map: …} for another map than the paper's"
    )
    rates: Distinct[Rate] = Field(min_length=1, description="a list of values of attack.rate, 0 to 1")
    seeds: Distinct[Seed] = Field(min_length=1, description="a list of seeds, whole numbers, 0 or more")
    measured: Distinct[str] = Field(
        ["scores"], min_length=1, description="a list of what is measured, files of miseducation/studies/measurements"
    )
    overrides: dict[str, Override] = Field(
        {}, description="for each data set {only: …, attack: …, attacks: …, train: …}, what differs for it"
    )
    detectors: Annotated[Distinct[str], Field(min_length=1)] | None = Field(
        None, description="a list of the detectors that `detection` measures, or null for all of defences.detectors"
    )

    def check(self, name: str) -> None:
        """Looks at the names, without importing anything.

        Raises:
            InputError: If there is no part of a name, or a knob is given that is settled.
        """
        key, studied = f"studies.{name}", [self.name_of(each) for each in self.attacks or parts.names("attacks")]
        for kind, given in (("datasets", self.datasets), ("measurements", self.measured)):
            for each in given:
                parts.check_name(kind, each, f"{key}.{'measured' if kind == 'measurements' else kind}")
        for attack in self.attacks or ():
            parts.check_name("attacks", self.name_of(attack), f"{key}.attacks")
            if not isinstance(attack, str):
                label_maps.check_name(attack.label_map, f"{key}.attacks")
        for each in self.detectors or ():
            parts.check_name("defences", each, f"{key}.detectors")
        if self.detectors and DETECTION not in self.measured:
            raise InputError(
                f"{PARAMS}: {key}.detectors is for the measurement {DETECTION}, which {key}.measured does not have"
            )
        if "scores" not in self.measured:
            raise InputError(f"{PARAMS}: {key}.measured = {self.measured}; allowed: a list with scores in it")
        for dataset, other in self.overrides.items():
            at = f"{key}.overrides.{dataset}"
            if dataset not in self.datasets:
                raise InputError(
                    f"{PARAMS}: {at} is not for one of {key}.datasets, which are {', '.join(self.datasets)}"
                )
            for attack in other.attacks:
                parts.check_name("attacks", attack, f"{at}.attacks")
            for attack in other.only or ():
                if attack not in studied:
                    raise InputError(f"{PARAMS}: {at}.only = {attack!r}; allowed: {', '.join(studied)}")
            if settled := sorted(SETTLED & other.attack.keys()):
                raise InputError(
                    f"{PARAMS}: {at}.attack.{settled[0]} cannot be set here, as the study sets it itself; "
                    "allowed: target, source, mode, cover, channel"
                )

    def chosen(self, dataset: str) -> list[str | StudiedAttack]:
        """The attacks that are tried on a data set."""
        every: list[str | StudiedAttack] = [*(self.attacks or parts.names("attacks"))]
        only = self.override(dataset).only
        return [each for name in only for each in every if self.name_of(each) == name] if only else every

    @staticmethod
    def name_of(entry: str | StudiedAttack) -> str:
        """The attack's name in one of `attacks`."""
        return entry if isinstance(entry, str) else entry.name

    def override(self, dataset: str) -> Override:
        """What is other for a data set."""
        return self.overrides.get(dataset, Override())


def read_study(name: str, path: Path = PARAMS) -> StudySection:
    """Reads and checks a study.

    Raises:
        InputError: If there is none of this name, or something in it is wrong.
    """
    studies = read_all(path).get("studies")
    if not isinstance(studies, dict) or name not in studies:
        known = ", ".join(map(str, studies)) if isinstance(studies, dict) else "none"
        given = f"there is no section studies.{name}" if name else "NAME=… is missing"
        raise InputError(f"{path}: {given}; the studies are: {known}")
    if not NAME.fullmatch(str(name)) or name in TAKEN:
        raise InputError(
            f"{path}: studies.{name} is not a valid name for a study, as its files go to a folder of this name; "
            f"allowed: small letters, digits, - and _, starting with a letter, except {', '.join(sorted(TAKEN))}"
        )
    section = read(StudySection, f"studies.{name}", path)
    section.check(name)
    return section


def check_studies() -> None:
    """Looks at all studies; see `read_study`."""
    studies = read_all().get("studies")
    if not isinstance(studies, dict):
        raise InputError(f"{PARAMS}: studies must be a mapping of names to studies, not {type(studies).__name__}")
    for name in studies:
        read_study(name)


def read_for(schema: type[S], section: str, study: str, dataset: str, other: Knobs) -> S:
    """A section as it is for a data set of a study."""
    usual = read(schema, section)
    at = f"studies.{study}.overrides.{dataset}.{section}"
    return validate(schema, at, usual.model_dump() | other) if other else usual
