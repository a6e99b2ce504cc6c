"""The section `defences` of `params.yaml`. Apart from the defences, so that reading it waits for no torch."""

from typing import Any, Literal, TypeAlias, get_args

from pydantic import Field

from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.project.params import Section

Kind: TypeAlias = Literal["detectors", "scanners", "repairs"]
BASELINES = "oracle", "random"  # what any cleanse is compared with: the truth, and chance
Knobs: TypeAlias = dict[str, dict[str, Any] | None]


class DefencesSection(Section):
    """The section `defences`: what is common to all defences, and the knobs of each, by its kind."""

    trusted_rows: int = Field(ge=2, description="rows that the defender knows to be clean, 2 or more")
    seed: int = Field(ge=0, lt=2**63, description="seed of the choice of trusted rows, a whole number, 0 or more")
    detectors: Knobs = Field(description="{name: knobs} of the detectors, which are files of miseducation/defences")
    scanners: Knobs = Field(description="{name: knobs} of the scanners, which are files of miseducation/defences")
    repairs: Knobs = Field(description="{name: knobs} of the repairs, which are files of miseducation/defences")

    @property
    def names(self) -> list[str]:
        """All that is tried, in the order of the tables: the baselines first."""
        return [*BASELINES, *(name for kind in get_args(Kind) for name in getattr(self, kind))]

    def check(self) -> None:
        """Looks at the names, without importing anything.

        Raises:
            InputError: If there is no defence of a name, or it stands in two places.
        """
        places: dict[str, str] = {}
        for kind in get_args(Kind):
            for name in getattr(self, kind):
                parts.check_name("defences", name, f"defences.{kind}")
                if places.setdefault(name, kind) != kind:
                    raise InputError(f"params.yaml: {name} is in both defences.{places[name]} and defences.{kind}")
