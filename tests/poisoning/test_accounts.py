"""The pipeline `accounts`: its section, its figure, and what DVC makes of it. Its numbers are in `test_crowd`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from miseducation.errors import InputError
from miseducation.figures import accounts as figures
from miseducation.figures import pictures
from miseducation.poisoning import accounts as crowds
from miseducation.poisoning.accounts import AccountsSection
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.project.params import read
from stages import accounts
from tests.conftest import PROJECT, Project, copy_pipelines, ran
from tests.figures.test_pictures import misplaced
from tests.poisoning.test_crowd import WANTED, table

OUTPUTS = ("metrics/accounts.csv", "metrics/accounts.png")
PIPELINE = "pipelines/accounts/dvc.yaml"
SetParams = Callable[[str, Any], None]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


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
    assert not misplaced(figures.accounts(found, WANTED))
    assert not recwarn.list


def test_the_figure_shows_the_table() -> None:
    found = table(rates=[0.005, 0.05], votes=[1, 3])
    figure = figures.accounts(found, WANTED)
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
        pictures.save(figures.accounts(table(votes=[1]), WANTED), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


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
            r"accounts.rates = \[0.1, 0.1\]: one of them stands there twice; allowed: a list",
        ),
        ("accounts.votes", [3, 1, 3], r"accounts.votes = \[3, 1, 3\]: one of them stands there twice; allowed: a list"),
        ("accounts.votes", [], r"accounts.votes = \[\]: .*; allowed: a list of 1 to 6"),
        ("accounts.votes", [0], r"accounts.votes = \[0\]: .*; allowed: a list of 1 to 6 .* 1 to 1001"),
        ("accounts.votes", [1002], r"accounts.votes = \[1002\]: .*; allowed: a list of 1 to 6 .* 1 to 1001"),
        ("accounts.votes", list(range(1, 8)), r"accounts.votes = .*; allowed: a list of 1 to 6"),
        ("accounts.votes", [1, 1001], r"accounts.votes = .*: 1001 are more .*; allowed: 1 to .*workers = 1000"),
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
        accounts.main()
    assert not Path("metrics").exists()


def test_what_is_at_the_end_of_its_range_is_allowed() -> None:
    least = AccountsSection(wanted=1e-9, rates=[1e-9], votes=[1], rows=100, classes=2)
    most = AccountsSection(wanted=1, rates=[x / 6 for x in range(1, 7)], votes=[1001], rows=10**6, classes=10**6)
    least.check_fits(Crowdsourcing(workers=1, attackers=0, votes=1))
    most.check_fits(Crowdsourcing(workers=1001))


def test_the_shipped_knobs_are_good(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy_pipelines(in_folder)
    accounts.main()
    section = read(AccountsSection, "accounts")
    found = pd.read_csv(OUTPUTS[0])
    assert found["rate"].drop_duplicates().tolist() == section.rates
    assert found["votes"].drop_duplicates().tolist() == section.votes
    assert crowds.report(found, section.wanted) in capsys.readouterr().out


def test_the_seed_and_the_crowd_settle_every_byte(set_params: SetParams) -> None:
    set_params("accounts.rows", 1000)
    set_params("accounts.rates", [0.05])
    found = []
    for key, value in (("seed", 3), ("seed", 3), ("seed", 4), ("channels.crowdsourcing.error_rate", 0.2)):
        set_params(key, value)
        accounts.main()
        found.append(tuple(Path(path).read_bytes() for path in OUTPUTS))
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_it_is_a_pipeline_of_its_own(project: Project) -> None:
    project("dvc", "checkout", PIPELINE)  # nothing stands in the way of who never ran it
    project.set_params(accounts={"rows": 1000})
    output = project("dvc", "repro", PIPELINE)
    assert ran(output) == [f"{PIPELINE}:accounts"]
    assert "5 % are intended: 200 (1 vote), 288 (3 votes)" in output
    first = [(project.folder / path).read_bytes() for path in OUTPUTS]
    assert all(path in project("git", "status", "--porcelain", "metrics") for path in OUTPUTS), "they belong into git"

    # What it does not read leaves it alone.
    crowd = {"workers": 1000, "attackers": 7, "votes": 5, "error_rate": 0}
    project.set_params(attack={"rate": 0.03}, channels={"crowdsourcing": crowd})
    assert not ran(project("dvc", "repro", PIPELINE))

    # A mistake in what it reads costs no result.
    project.set_params(accounts={"votes": [1, 1001]})
    refused = project("dvc", "repro", PIPELINE, fails=True)
    assert ran(refused) == [f"{PIPELINE}:accounts"]
    assert "allowed: 1 to channels.crowdsourcing.workers = 1000" in refused
    assert "Traceback" not in refused
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] == first


def test_make_runs_it() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    assert "\naccounts: " in makefile
    assert f"dvc repro {PIPELINE}" in makefile
