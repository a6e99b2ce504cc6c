"""Labels from a crowd in which the attacker has accounts: a wrong label lasts only where they win the vote.

The article that this project follows asks how poison gets in, and names crowdsourcing. That several people vote on each
label is usual since Sheng, Provost, Ipeirotis: Get Another Label?, 2008, https://doi.org/10.1145/1401890.1401965
"""

from typing import final

from pydantic import Field, ValidationInfo, field_validator

from miseducation.poisoning.channels._votes import Voted


@final
class Crowdsourcing(Voted):
    """The accounts for each image are drawn from all workers, so their number among the votes is hypergeometric."""

    workers: int = Field(
        1000, ge=1, le=10**6, description="accounts on the platform, 1 to 10^6, as many as the votes or more"
    )
    attackers: int = Field(100, ge=0, le=10**6, description="how many of the workers are the attacker's, 0 to all")

    @field_validator("workers")
    @classmethod
    def _can_vote(cls, workers: int, others: ValidationInfo) -> int:
        if workers < (votes := others.data.get("votes", 1)):
            raise ValueError(f"too few for the {votes} votes on each image")
        return workers

    @field_validator("attackers")
    @classmethod
    def _are_workers(cls, attackers: int, others: ValidationInfo) -> int:
        if attackers > (workers := others.data.get("workers", attackers)):
            raise ValueError(f"there are {workers} workers")
        return attackers

    def accounts(self) -> tuple[int, int]:
        return self.workers, self.attackers
