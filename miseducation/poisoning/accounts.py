"""How many accounts an attacker needs in a crowd that labels images: effective rates, expected and simulated.

The rates are those of images that show something else than the attacker wants: where the wanted label is true, there is
no vote to win.
"""

from bisect import bisect_left
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import numpy as np
from pydantic import Field, field_validator

from miseducation.errors import InputError
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.project.params import Section

if TYPE_CHECKING:
    import pandas as pd

POINTS = 40  # steps from no account to all of them that are simulated
TOLERANCE = 1e-8  # relative, of the closed form: a wanted rate that is just met is met
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
            raise ValueError("one of them appears twice")
        return values

    def check_fits(self, crowd: Crowdsourcing) -> None:
        """Refuses, with an `InputError`, votes for which the crowd is too small."""
        if (most := max(self.votes)) > crowd.workers:
            raise InputError(
                f"params.yaml: accounts.votes = {self.votes}: {most} is more than the number of workers; "
                f"allowed: 1 to channels.crowdsourcing.workers = {crowd.workers}"
            )


def effective(crowd: Crowdsourcing, asked: AccountsSection, rng: np.random.Generator) -> "pd.DataFrame":
    """The effective rate for each intended rate, number of votes, and some numbers of the attacker's accounts.

    Args:
        crowd: Its workers and the honest ones' error rate; its votes and attackers are replaced.
        asked: Its votes are at most the workers.
        rng: Simulates the votes.

    Returns:
        workers, votes, rate (the intended one), attackers; expected, the effective rate by the closed form; simulated,
        the same counted; standard_error, how far the closed form lets that stray; needed, the least number of attackers
        for the wanted rate, missing where not even all workers are enough.
    """
    import pandas as pd

    found = []
    for rate, count in product(asked.rates, asked.votes):
        intended = max(1, round(rate * asked.rows))
        needed = least(crowd, votes=count, rate=rate, wanted=asked.wanted, classes=asked.classes)
        for attackers in np.unique(np.linspace(0, crowd.workers, POINTS + 1).astype(int)).tolist():
            held = _held(crowd, count, attackers)
            chance = held.probability(False, asked.classes)
            passed = held.passes(np.zeros(intended, dtype=bool), asked.classes, rng).mean()
            error = np.sqrt(chance * (1 - chance) / intended)
            found.append((crowd.workers, count, rate, attackers, rate * chance, rate * passed, rate * error, needed))
    columns = ["workers", "votes", "rate", "attackers", "expected", "simulated", "standard_error", "needed"]
    return pd.DataFrame(found, columns=columns).astype({"needed": "Int64"})


def least(crowd: Crowdsourcing, *, votes: int, rate: float, wanted: float, classes: int) -> int | None:
    """The least number of the attacker's accounts for the expected rate wanted; None if all workers are not enough."""

    def enough(attackers: int) -> bool:
        return rate * _held(crowd, votes, attackers).probability(False, classes) >= wanted * (1 - TOLERANCE)

    attackers = bisect_left(range(crowd.workers + 1), True, key=enough)  # one more account never harms the attacker
    return attackers if attackers <= crowd.workers else None


def answers(table: "pd.DataFrame") -> "pd.DataFrame":
    """Of what `effective` found, a row per intended rate and number of votes: workers, votes, rate, needed."""
    return table[["workers", "votes", "rate", "needed"]].drop_duplicates(ignore_index=True)


def report(table: "pd.DataFrame", wanted: float) -> str:
    """The answers in what `effective` found, in words: a line for each intended rate."""
    lines = [f"How many of {table['workers'][0]:,} accounts the attacker needs for an effective {percent(wanted)}:"]
    for rate, found in answers(table).groupby("rate", sort=False):
        pairs = zip(found["needed"], found["votes"], strict=True)
        counts = ", ".join(f"{in_words(needed)} ({in_votes(votes)})" for needed, votes in pairs)
        lines.append(f"    if {percent(float(str(rate)))} are intended: {counts}")
    return "\n".join(lines)


def percent(share: float) -> str:
    """A share as a text, `2.5 %`."""
    return f"{100 * share:.6g} %"


def in_words(needed: Any) -> str:
    """A number of accounts as a text, also where none is enough."""
    import pandas as pd

    return "more than there are" if pd.isna(needed) else f"{needed:,}"


def in_votes(votes: int) -> str:
    """A number of votes as a text."""
    return f"{votes} vote{'s' * (votes != 1)}"


def _held(crowd: Crowdsourcing, votes: int, attackers: int) -> Crowdsourcing:
    """The crowd with as many votes on each image, and as many of the attacker's accounts."""
    return Crowdsourcing(workers=crowd.workers, attackers=attackers, votes=votes, error_rate=crowd.error_rate)
