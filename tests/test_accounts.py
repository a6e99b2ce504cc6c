"""How many accounts the attacker needs: the table, the answers and the figure must say the same, and be right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from stages import accounts, pictures, supply, supply_curves
from stages.accounts import AccountsSection
from stages.channels.crowdsourcing import Crowdsourcing
from stages.command import InputError
from stages.params import read
from tests.conftest import PROJECT, Project, copy_pipelines, ran
from tests.test_pictures import misplaced

WANTED = 0.01
OUTPUTS = ("metrics/accounts.csv", "metrics/accounts.png")
ACCOUNTS = ("dvc", "repro", "accounts/dvc.yaml")
SetParams = Callable[[str, Any], None]


def table(crowd: Crowdsourcing | None = None, **changes: Any) -> pd.DataFrame:
    knobs: dict[str, Any] = {"rates": [0.02, 0.05, 0.1], "votes": [1, 3, 4, 7], "rows": 20_000, "classes": 10}
    return supply.effective(
        crowd or Crowdsourcing(), **knobs | {"wanted": WANTED, "rng": np.random.default_rng(1)} | changes
    )


def chance(workers: int, attackers: int, votes: int, error_rate: float = 0.0, classes: int = 10) -> float:
    """How likely a wrong label wins, summed over how many votes are the attacker's and how many honest ones err."""
    total = 0.0
    for ours in range(votes + 1):
        for erring in range(votes - ours + 1):
            if 2 * (ours + erring) > votes:
                drawn = stats.hypergeom(workers, attackers, votes).pmf(ours)
                total += drawn * stats.binom(votes - ours, error_rate / (classes - 1)).pmf(erring)
    return total


def lines(found: pd.DataFrame) -> list[Any]:
    return list(found.itertuples())


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


@pytest.mark.parametrize("error_rate", [0, 0.3])
def test_the_table_agrees_with_a_reference_and_the_simulation_with_both(error_rate: float) -> None:
    found = table(Crowdsourcing(workers=200, attackers=0, error_rate=error_rate), classes=4)
    assert len(found) == 3 * 4 * (supply.POINTS + 1)
    for row in lines(found):
        expected = row.rate * chance(200, row.attackers, row.votes, error_rate, 4)
        assert row.expected == pytest.approx(expected, abs=1e-12)
        # And a row where so few are expected that they say little.
        assert abs(row.simulated - expected) <= 5 * row.standard_error + 1 / 20_000
        share = row.expected / row.rate
        spread = row.rate * np.sqrt(max(0, share * (1 - share)) / (20_000 * row.rate))
        assert row.standard_error == pytest.approx(spread, abs=1e-9)
    off = (found["simulated"] - found["expected"]) / found["standard_error"].where(found["expected"] > 0.002)
    assert 0.8 < off.std() < 1.2, "the standard error is that of the simulation"


@pytest.mark.parametrize("error_rate", [0, 0.05])
def test_the_answer_is_the_least_number(error_rate: float) -> None:
    found = supply.answers(table(Crowdsourcing(error_rate=error_rate)))
    assert len(found) == 12
    for row in lines(found):
        assert row.rate * chance(1000, row.needed, row.votes, error_rate) >= WANTED * (1 - 1e-6)
        assert row.rate * chance(1000, row.needed - 1, row.votes, error_rate) < WANTED


def test_answers_that_need_no_formula() -> None:
    def least(crowd: Crowdsourcing, votes: int = 3, rate: float = 0.05, classes: int = 10) -> int | None:
        return supply.least(crowd, votes=votes, rate=rate, wanted=WANTED, classes=classes)

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


def test_few_workers_are_simulated_once_each() -> None:
    found = table(Crowdsourcing(workers=7, attackers=0))
    assert found.groupby(["rate", "votes"])["attackers"].apply(list).tolist() == [list(range(8))] * 12


def test_the_report_tells_the_answers_and_what_cannot_be_had() -> None:
    found = table(rates=[0.005, 0.05, 1], votes=[1, 3])
    assert supply.report(found, WANTED).splitlines() == [
        "Of 1,000 accounts, the attacker needs for an effective 1 %, if",
        "    0.5 % are intended: more than there are (1 vote), more than there are (3 votes)",
        "    5 % are intended: 200 (1 vote), 288 (3 votes)",
        "    100 % are intended: 10 (1 vote), 60 (3 votes)",
    ]


@pytest.mark.parametrize(
    ("rates", "votes"),
    [
        ([0.02, 0.05, 0.1], [1, 3, 5, 7]),
        ([0.001], [1]),
        ([0.001, 0.0123, 0.03, 0.2, 0.5, 1], [1, 2, 3, 5, 9, 101]),
    ],
)
def test_no_text_lies_on_another_or_is_cut_off(
    rates: list[float], votes: list[int], recwarn: pytest.WarningsRecorder
) -> None:
    found = table(Crowdsourcing(workers=10**6, attackers=0), rates=rates, votes=votes, rows=1000)
    assert not misplaced(supply_curves.accounts(found, WANTED))
    assert not recwarn.list


def test_the_figure_shows_the_table() -> None:
    found = table(rates=[0.005, 0.05], votes=[1, 3])
    figure = supply_curves.accounts(found, WANTED)
    assert {"How many of 1,000 accounts does the attacker need for an effective 1 %?", "5 % intended"} <= set(
        texts(figure)
    )
    assert {"3 votes: 288", "3 votes: more than there are"} <= set(texts(figure))
    for ax, (_, panel) in zip(figure.axes, found.groupby("rate"), strict=True):
        drawn = [np.asarray(line.get_xydata()) for line in ax.lines]
        for _, line in panel.groupby("votes"):
            for score in ("expected", "simulated"):
                wanted = line[["attackers", score]].to_numpy(float)
                assert any(each.shape == wanted.shape and np.allclose(each, wanted) for each in drawn)
    diamonds = [np.asarray(line.get_xydata()) for ax in figure.axes for line in ax.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(np.concatenate([each for each in diamonds if len(each)]), [[200, 0.01], [288, 0.01]])


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        pictures.save(supply_curves.accounts(table(), WANTED), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("accounts.wanted", 0, r"accounts.wanted = 0: .*; allowed: the effective rate wanted, .* above 0, at most 1"),
        ("accounts.rates", [], r"accounts.rates = \[\]: .*; allowed: a list of 1 to 6 intended rates"),
        ("accounts.rates", [0.1, 2], r"accounts.rates = \[0.1, 2\]: .* \(at 1\); allowed: a list of 1 to 6 intended"),
        (
            "accounts.rates",
            [0.1, 0.1],
            r"accounts.rates = \[0.1, 0.1\]: one of them stands there twice; allowed: a list",
        ),
        ("accounts.votes", [0], r"accounts.votes = \[0\]: .*; allowed: a list of 1 to 6 .* 1 to 1001"),
        ("accounts.votes", list(range(1, 8)), r"accounts.votes = .*; allowed: a list of 1 to 6"),
        ("accounts.votes", [1, 1001], r"accounts.votes = .*: 1001 are more .*; allowed: 1 to .*workers = 1000"),
        ("accounts.rows", 0, r"accounts.rows = 0: .*; allowed: .*100 to 10\^6"),
        ("accounts.classes", 1, r"accounts.classes = 1: .*; allowed: .*2 to 10\^6"),
        ("channels.crowdsourcing.workers", 2, r"channels.crowdsourcing.workers = 2: .*3 votes"),
    ],
)
def test_a_mistake_is_named(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params(key, value)
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        accounts.main()
    assert not Path("metrics").exists()


def test_the_shipped_knobs_are_good(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_pipelines(in_folder)
    accounts.main()
    section = read(AccountsSection, "accounts")
    found = pd.read_csv(OUTPUTS[0])
    assert found["rate"].drop_duplicates().tolist() == section.rates
    assert found["votes"].drop_duplicates().tolist() == section.votes
    assert supply.report(found, section.wanted) in capsys.readouterr().out


def test_it_is_a_pipeline_of_its_own(project: Project) -> None:
    project.set_params(accounts={"rows": 1000}, seed=3)
    project.commit()
    output = project(*ACCOUNTS)
    assert ran(output) == ["accounts/dvc.yaml:accounts"]
    assert "5 % are intended: 200 (1 vote), 288 (3 votes)" in output
    first = [(project.folder / path).read_bytes() for path in OUTPUTS]
    assert not ran(project(*ACCOUNTS))
    # What it does not read leaves it alone: not so what it does.
    project.set_params(attack={"rate": 0.03})
    assert not ran(project(*ACCOUNTS))
    project("dvc", "repro", "--force", "accounts/dvc.yaml")
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] == first
    project("git", "checkout", "--quiet", "params.yaml")
    project.commit()

    # A mistake costs no result.
    project.set_params(accounts={"votes": [1, 1001]})
    refused = project(*ACCOUNTS, fails=True)
    assert "allowed: 1 to channels.crowdsourcing.workers = 1000" in refused
    assert "Traceback" not in refused
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] == first
    project("git", "checkout", "--quiet", "params.yaml")

    # An experiment gives other figures; going back brings the first ones back.
    project("dvc", "exp", "run", "-S", "channels.crowdsourcing.error_rate=0.2", "accounts/dvc.yaml")
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] != first
    project("git", "checkout", "--quiet", ".")
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] == first
    assert not ran(project(*ACCOUNTS))


def test_who_never_ran_it_can_restore_experiments(project: Project) -> None:
    project.set_params(train={"epochs": 1})
    project.commit()
    project("dvc", "exp", "run", "--name", "first")
    project("git", "checkout", "--quiet", "params.yaml")
    project("dvc", "exp", "apply", "first")
    project("dvc", "checkout")
    assert not (project.folder / OUTPUTS[0]).exists()


def test_make_runs_it() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    assert "\naccounts: " in makefile
    assert "dvc repro accounts/dvc.yaml" in makefile
