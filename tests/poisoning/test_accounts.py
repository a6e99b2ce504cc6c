"""How many accounts the attacker needs: the table and the answers must say the same, and be right."""

from collections.abc import Callable
from math import comb, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.errors import InputError
from miseducation.poisoning import accounts
from miseducation.poisoning.accounts import AccountsSection
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.project.params import read
from stages import accounts as stage
from tests.conftest import copy_pipelines

WANTED = 0.01
OUTPUTS = ("metrics/accounts.csv", "metrics/accounts.png")
SetParams = Callable[[str, Any], None]
KNOBS: dict[str, Any] = {
    "wanted": WANTED,
    "rates": [0.02, 0.05, 0.1],
    "votes": [1, 3, 4, 7],
    "rows": 20_000,
    "classes": 10,
}


def table(crowd: Crowdsourcing | None = None, seed: int = 1, **changes: Any) -> pd.DataFrame:
    asked = AccountsSection(**{**KNOBS, **changes})
    return accounts.effective(crowd or Crowdsourcing(), asked, np.random.default_rng(seed))


def chance(workers: int, attackers: int, votes: int, error_rate: float = 0.0, classes: int = 10) -> float:
    """How likely a wrong label wins, counted over how many votes are the attacker's and how many honest ones err."""
    total, errs = 0.0, error_rate / (classes - 1)
    for ours in range(votes + 1):
        drawn = comb(attackers, ours) * comb(workers - attackers, votes - ours) / comb(workers, votes)
        for erring in range(votes - ours + 1):
            if 2 * (ours + erring) > votes:
                honest = votes - ours
                total += drawn * comb(honest, erring) * errs**erring * (1 - errs) ** (honest - erring)
    return total


def lines(found: pd.DataFrame) -> list[Any]:
    return list(found.itertuples())


@pytest.mark.parametrize("error_rate", [0, 0.3])
def test_the_table_agrees_with_a_reference_and_the_simulation_with_both(error_rate: float) -> None:
    found = table(Crowdsourcing(workers=200, attackers=0, error_rate=error_rate), classes=4)
    assert len(found) == 3 * 4 * 41
    assert set(found["workers"]) == {200}
    assert found["attackers"].unique().tolist() == list(range(0, 201, 5))
    for row in lines(found):
        expected = row.rate * chance(200, row.attackers, row.votes, error_rate, 4)
        assert row.expected == pytest.approx(expected, abs=1e-12)
        # And a row where so few are expected that they say little.
        assert abs(row.simulated - expected) <= 5 * row.standard_error + 1 / 20_000
        share = row.expected / row.rate
        spread = row.rate * sqrt(max(0, share * (1 - share)) / (20_000 * row.rate))
        assert row.standard_error == pytest.approx(spread, abs=1e-9)
    off = (found["simulated"] - found["expected"]) / found["standard_error"].where(found["expected"] > 0.002)
    assert 0.8 < off.std() < 1.2, "the standard error is that of the simulation"


def test_the_rows_are_in_the_order_of_the_knobs() -> None:
    found = table(rates=[0.05, 0.02], votes=[3, 1])
    assert found.groupby(["rate", "votes"], sort=False).size().to_dict() == dict.fromkeys(
        [(0.05, 3), (0.05, 1), (0.02, 3), (0.02, 1)], 41
    )
    assert list(found) == [
        "workers",
        "votes",
        "rate",
        "attackers",
        "expected",
        "simulated",
        "standard_error",
        "needed",
    ]


@pytest.mark.parametrize("rate", [0.0149, 0.0151, 0.001])
def test_as_many_rows_are_simulated_as_are_intended_and_one_at_least(rate: float) -> None:
    intended = {0.0149: 1, 0.0151: 2, 0.001: 1}[rate]
    found = table(Crowdsourcing(workers=40, attackers=0), rates=[rate], votes=[1], rows=100)
    assert set((found["simulated"] / rate * intended).round(9)) == set(range(intended + 1))


@pytest.mark.parametrize("error_rate", [0, 0.05])
def test_the_answer_is_the_least_number(error_rate: float) -> None:
    found = accounts.answers(table(Crowdsourcing(error_rate=error_rate)))
    assert len(found) == 12
    assert list(found) == ["workers", "votes", "rate", "needed"]
    for row in lines(found):
        assert row.rate * chance(1000, row.needed, row.votes, error_rate) >= WANTED * (1 - 1e-6)
        assert row.rate * chance(1000, row.needed - 1, row.votes, error_rate) < WANTED


def test_answers_that_need_no_formula() -> None:
    def least(crowd: Crowdsourcing, votes: int = 3, rate: float = 0.05, classes: int = 10) -> int | None:
        return accounts.least(crowd, votes=votes, rate=rate, wanted=WANTED, classes=classes)

    assert least(Crowdsourcing(), votes=1) == 200, "a fifth of the accounts win a fifth of the votes"
    assert [least(Crowdsourcing(), votes=votes, rate=0.02) for votes in (1, 3, 5, 101)] == [500] * 4, "a half wins half"
    assert least(Crowdsourcing(workers=9, attackers=0), votes=9) == 5, "all vote on all"
    assert least(Crowdsourcing(), rate=0.0099) is None
    assert least(Crowdsourcing(), rate=0.01) == 999, "at worst, the one honest account is outvoted"
    assert least(Crowdsourcing(), votes=1, rate=0.01) == 1000
    assert least(Crowdsourcing(error_rate=1), classes=2) == 0, "who always errs helps the attacker"
    honest, careless = least(Crowdsourcing()), least(Crowdsourcing(error_rate=0.3))
    assert honest is not None
    assert careless is not None
    assert careless < honest
    two = least(Crowdsourcing(error_rate=0.3), classes=2)
    assert two is not None
    assert two < careless, "of two classes, every mistake is the one that the attacker wants"


def test_few_workers_are_simulated_once_each() -> None:
    found = table(Crowdsourcing(workers=7, attackers=0))
    assert found.groupby(["rate", "votes"])["attackers"].apply(list).tolist() == [list(range(8))] * 12


def test_the_crowds_own_votes_and_attackers_do_not_matter() -> None:
    pd.testing.assert_frame_equal(table(), table(Crowdsourcing(votes=7, attackers=999)))


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"wanted": 0.02}, {"needed"}),
        ({"rows": 10_000}, {"simulated", "standard_error"}),
        ({"rates": [0.04, 0.05, 0.1]}, {"rate", "expected", "simulated", "standard_error", "needed"}),
        ({"votes": [1, 3, 4, 9]}, {"votes", "expected", "simulated", "standard_error", "needed"}),
        ({"classes": 5}, {"expected", "simulated", "standard_error", "needed"}),
        ({"seed": 2}, {"simulated"}),
        ({}, set()),
    ],
)
def test_each_knob_does_something(change: dict[str, Any], columns: set[str]) -> None:
    crowd = Crowdsourcing(error_rate=0.3)
    usual, other = table(crowd), table(crowd, **change)
    assert {name for name in usual if not usual[name].equals(other[name])} == columns


def test_the_report_tells_the_answers_and_what_cannot_be_had() -> None:
    found = table(rates=[0.005, 0.05, 1], votes=[1, 3])
    assert accounts.report(found, WANTED).splitlines() == [
        "How many of 1,000 accounts the attacker needs for an effective 1 %:",
        "    if 0.5 % are intended: more than there are (1 vote), more than there are (3 votes)",
        "    if 5 % are intended: 200 (1 vote), 288 (3 votes)",
        "    if 100 % are intended: 10 (1 vote), 60 (3 votes)",
    ]


def test_numbers_in_words() -> None:
    assert [accounts.percent(share) for share in (0.025, 0.1 + 0.2, 1e-6)] == ["2.5 %", "30 %", "0.0001 %"]
    assert [accounts.in_words(needed) for needed in (0, 12345, None, pd.NA)] == [
        "0",
        "12,345",
        *["more than there are"] * 2,
    ]
    assert [accounts.in_votes(votes) for votes in (1, 2)] == ["1 vote", "2 votes"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("accounts.wanted", 0, r"accounts.wanted = 0: .*; allowed: the effective rate wanted, .* above 0, at most 1"),
        ("accounts.wanted", 1.1, r"accounts.wanted = 1.1: .*; allowed: the effective rate wanted"),
        ("accounts.wanted", float("nan"), r"accounts.wanted = nan: .*; allowed: the effective rate wanted"),
        ("accounts.rates", [], r"accounts.rates = \[\]: .*; allowed: a list of 1 to 6 intended rates"),
        ("accounts.rates", [0.1, 2], r"accounts.rates = \[0.1, 2\]: .* \(at 1\); allowed: a list of 1 to 6 intended"),
        ("accounts.rates", [x / 10 for x in range(1, 8)], r"accounts.rates = .*; allowed: a list of 1 to 6 intended"),
        (
            "accounts.rates",
            [0.1, 0.1],
            r"accounts.rates = \[0.1, 0.1\]: one of them appears twice; allowed: a list",
        ),
        ("accounts.votes", [3, 1, 3], r"accounts.votes = \[3, 1, 3\]: one of them appears twice; allowed: a list"),
        ("accounts.votes", [], r"accounts.votes = \[\]: .*; allowed: a list of 1 to 6"),
        ("accounts.votes", [0], r"accounts.votes = \[0\]: .*; allowed: a list of 1 to 6 .* 1 to 1001"),
        ("accounts.votes", [1002], r"accounts.votes = \[1002\]: .*; allowed: a list of 1 to 6 .* 1 to 1001"),
        ("accounts.votes", list(range(1, 8)), r"accounts.votes = .*; allowed: a list of 1 to 6"),
        ("accounts.votes", [1, 1001], r"accounts.votes = .*: 1001 is more .*; allowed: 1 to .*workers = 1000"),
        ("accounts.rows", 99, r"accounts.rows = 99: .*; allowed: .*100 to 10\^6"),
        ("accounts.rows", 10**6 + 1, r"accounts.rows = 1000001: .*; allowed: .*100 to 10\^6"),
        ("accounts.classes", 1, r"accounts.classes = 1: .*; allowed: .*2 to 10\^6"),
        ("accounts.classes", 10**6 + 1, r"accounts.classes = 1000001: .*; allowed: .*2 to 10\^6"),
        ("channels.crowdsourcing.workers", 2, r"channels.crowdsourcing.workers = 2: .*3 votes"),
    ],
)
def test_a_mistake_is_named(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params(key, value)
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        stage.main()
    assert not Path("metrics").exists()


def test_what_is_at_the_end_of_its_range_is_allowed() -> None:
    least = AccountsSection(wanted=1e-9, rates=[1e-9], votes=[1], rows=100, classes=2)
    most = AccountsSection(
        wanted=1, rates=[x / 6 for x in range(1, 7)], votes=[1001, 5, 4, 3, 2, 1], rows=10**6, classes=10**6
    )
    for workers in (1, 2, 1000):
        least.check_fits(Crowdsourcing(workers=workers, attackers=0, votes=1))
    most.check_fits(Crowdsourcing(workers=1001))


def test_the_shipped_knobs_are_good(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_pipelines(in_folder)
    stage.main()
    section = read(AccountsSection, "accounts")
    found = pd.read_csv(OUTPUTS[0])
    assert found["rate"].drop_duplicates().tolist() == section.rates
    assert found["votes"].drop_duplicates().tolist() == section.votes
    assert accounts.report(found, section.wanted) in capsys.readouterr().out


def test_the_seed_and_the_crowd_settle_every_byte(set_params: SetParams) -> None:
    set_params("accounts.rows", 1000)
    set_params("accounts.rates", [0.05])
    found = []
    for key, value in (("seed", 3), ("seed", 3), ("seed", 4), ("channels.crowdsourcing.error_rate", 0.2)):
        set_params(key, value)
        stage.main()
        found.append(tuple(Path(path).read_bytes() for path in OUTPUTS))
    assert found[0] == found[1]
    assert len(set(found)) == 3
