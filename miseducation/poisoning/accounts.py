"""The section `accounts`: what to ask of a crowd that labels images; `miseducation.poisoning.crowd` answers."""

from typing import Annotated, TypeAlias

from pydantic import Field, field_validator

from miseducation.errors import InputError
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.project.params import Section

Rate: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Votes: TypeAlias = Annotated[int, Field(ge=1, le=1001)]


class AccountsSection(Section):
    """The section `accounts`."""

    wanted: Rate = Field(description="the effective rate wanted, poisoned ÷ all training rows, above 0, at most 1")
    rates: list[Rate] = Field(
        min_length=1, max_length=6, description="a list of 1 to 6 intended rates, each above 0, at most 1"
    )
    votes: list[Votes] = Field(
        min_length=1, max_length=6, description="a list of 1 to 6 numbers of accounts that label each image, 1 to 1001"
    )
    rows: int = Field(ge=100, le=10**6, description="training rows of the simulation, 100 to 10^6")
    classes: int = Field(ge=2, le=10**6, description="classes of the data set, 2 to 10^6")

    @field_validator("rates", "votes")
    @classmethod
    def _differ(cls, values: list[float]) -> list[float]:
        if len(set(values)) < len(values):
            raise ValueError("one of them stands there twice")
        return values

    def check_fits(self, crowd: Crowdsourcing) -> None:
        """Refuses, with an `InputError`, votes for which the crowd is too small."""
        if (most := max(self.votes)) > crowd.workers:
            raise InputError(
                f"params.yaml: accounts.votes = {self.votes}: {most} are more than there are workers; "
                f"allowed: 1 to channels.crowdsourcing.workers = {crowd.workers}"
            )
