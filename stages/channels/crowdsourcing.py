"""Labels from a crowd in which the attacker has accounts: a wrong label lasts only where they win the vote.

The article that this project follows asks how poison gets in, and names crowdsourcing. That several people vote on each
label is usual since Sheng, Provost, Ipeirotis: Get Another Label?, 2008, https://doi.org/10.1145/1401890.1401965
"""

from typing import final

from pydantic import Field, model_validator

from stages.channels._votes import Voted


@final
class Crowdsourcing(Voted):
    """The accounts for each image are drawn from all workers, so their number among the votes is hypergeometric."""

    workers: int = Field(1000, ge=1, le=10**9, description="accounts on the platform, 1 to 10^9")
    attackers: int = Field(100, ge=0, le=10**9, description="how many of them are the attacker's, 0 to all")

    @model_validator(mode="after")
    def _accounts_are_there(self) -> "Crowdsourcing":
        for name in ("attackers", "votes"):
            if (given := getattr(self, name)) > self.workers:
                raise ValueError(f"{name} = {given} are more than the {self.workers} workers there are")
        return self

    def accounts(self) -> tuple[int, int]:
        """See `Voted.accounts`."""
        return self.workers, self.attackers
