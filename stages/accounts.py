"""accounts: how many accounts in a crowd does the attacker need? Simulates the votes beside their closed form."""

from pathlib import Path

from miseducation.check import check_params
from miseducation.poisoning.accounts import AccountsSection, effective, report
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.project import command
from miseducation.project.params import read, read_seed

METRICS = Path("metrics")


def main() -> None:
    """Reads `params.yaml`; writes the table `metrics/accounts.csv` and a figure."""
    section, crowd, seed = read(AccountsSection, "accounts"), read(Crowdsourcing, "channels.crowdsourcing"), read_seed()
    section.check_fits(crowd)

    import numpy as np

    from miseducation.figures import accounts, pictures
    from miseducation.project.files import write_csv

    table = effective(crowd, section, np.random.default_rng(seed))
    write_csv(METRICS / "accounts.csv", table)
    pictures.save(accounts.accounts(table, section.wanted), METRICS / "accounts.png")
    print(f"{report(table, section.wanted)}\n{METRICS / 'accounts.png'} shows the curves")


if __name__ == "__main__":
    command.run(main, check=check_params)
