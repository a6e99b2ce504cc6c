"""Images scraped from the web, some of them the attacker's; honest people vote on their labels.

Carlini et al.: Poisoning Web-Scale Training Datasets is Practical, 2023, https://arxiv.org/abs/2302.10149, show how the
attacker's share gets in. Wrong labels hardly last here, true ones do: this is what clean-label attacks are for.
"""

from typing import final

from pydantic import Field

from miseducation.poisoning.channels._votes import Voted


@final
class Web(Voted):
    """`attack.rate` is the attacker's share of the scraped images. The attacker has no account among the voters."""

    error_rate: float = Field(0.05, ge=0, le=1, description="share of a voter's votes that are wrong, 0 to 1")

    def accounts(self) -> tuple[int, int]:
        return self.votes, 0
