"""The figure of how many accounts the attacker needs says what the table does."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from miseducation.figures import accounts as figures
from miseducation.figures import pictures
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from tests.figures.test_pictures import misplaced
from tests.poisoning.test_accounts import WANTED, table


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
