"""accounts: how many accounts in a crowd does the attacker need? Simulates the votes beside their closed form."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, field_validator

from stages import command
from stages.channels.crowdsourcing import Crowdsourcing
from stages.command import InputError
from stages.params import Section, read, read_seed

METRICS = Path("metrics")

Rate: TypeAlias = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
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
        """Refuses votes for which the crowd is too small.

        Raises:
            InputError: Names the key, what was given and what is allowed.
        """
        if (most := max(self.votes)) > crowd.workers:
            raise InputError(
                f"params.yaml: accounts.votes = {self.votes}: {most} are more than there are workers; "
                f"allowed: 1 to channels.crowdsourcing.workers = {crowd.workers}"
            )


def main() -> None:
    """Reads `params.yaml`; writes the table `metrics/accounts.csv` and a figure."""
    section, crowd, seed = read(AccountsSection, "accounts"), read(Crowdsourcing, "channels.crowdsourcing"), read_seed()
    section.check_fits(crowd)

    import numpy as np

    from stages import pictures, supply, supply_curves
    from stages.files import write_csv

    table = supply.effective(
        crowd,
        rates=section.rates,
        votes=section.votes,
        wanted=section.wanted,
        rows=section.rows,
        classes=section.classes,
        rng=np.random.default_rng(seed),
    )
    write_csv(METRICS / "accounts.csv", table)
    pictures.save(supply_curves.accounts(table, section.wanted), METRICS / "accounts.png")
    print(f"{supply.report(table, section.wanted)}\n{METRICS / 'accounts.png'} shows the curves")


if __name__ == "__main__":
    command.run(main)
