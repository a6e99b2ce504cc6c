"""Which cells there are, which models they need, and which of these are trained."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import final

import pytest

from miseducation.attacks.badnets import BadNets
from miseducation.datasets import Fetched
from miseducation.studies import grid
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.engines import Engine, Failure, Model, Result
from miseducation.studies.store import CellStore
from tests.studies.study_projects import Here, made_bench

ATTACK = BadNets(pixels=[(3, 3)])


@pytest.fixture
def bench(tmp_path: Path, digits: Fetched) -> Bench:
    return made_bench(tmp_path / "data", digits, ATTACK, (ATTACK, "all-to-all"))


@final
class Stopped(Engine):
    """Is stopped by the user after the first model."""

    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        yield from Here().run(bench, models[:1])
        raise KeyboardInterrupt


def finish(bench: Bench, store: CellStore, engine: Engine, rates: Sequence[float] = (0.1,)) -> grid.Results:
    return grid.finish(bench, grid.plan(bench.arms, rates, [1]), engine, store, "here")


def test_the_cells_stand_by_attack_rate_and_seed(bench: Bench) -> None:
    cells = grid.plan(bench.arms, [0.1, 0], [2, 1])
    assert cells == [Cell(arm, rate, 0, seed) for arm in (0, 1) for rate in (0, 0.1) for seed in (1, 2)]


def test_attacks_share_the_clean_model_of_a_seed() -> None:
    cells = [Cell(arm, rate, 0, seed) for arm in (0, 1) for rate in (0, 0.1) for seed in (1, 2)]
    models = grid.by_model(cells)
    assert sorted(map(len, models)) == [1, 1, 1, 1, 2, 2]
    assert sorted(cell for model in models for cell in model) == sorted(cells)
    # With cover rows, rate 0 is no clean model.
    assert grid.by_model([Cell(0, 0, 0.1, 1), Cell(1, 0, 0.1, 1)]) == [(Cell(0, 0, 0.1, 1),), (Cell(1, 0, 0.1, 1),)]


def test_each_model_is_trained_once(bench: Bench, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store, engine = CellStore(tmp_path / "cells.db"), Here()
    found = finish(bench, store, engine)
    clean = Cell(0, 0, 0, 1), Cell(1, 0, 0, 1)
    assert engine.asked == [clean, (Cell(0, 0.1, 0, 1),), (Cell(1, 0.1, 0, 1),)], "the clean model first"
    assert found.keys() == {cell for model in engine.asked for cell in model}
    assert "here on here: 3 models, 0 of them already trained" in capfd.readouterr().out
    again = Here()
    assert finish(bench, store, again) == found
    assert not again.asked
    assert "3 models, 3 of them already trained" in capfd.readouterr().out
    wider = finish(bench, store, again, [0, 0.05, 0.1])
    assert again.asked == [(Cell(0, 0.05, 0, 1),), (Cell(1, 0.05, 0, 1),)]
    assert {cell: wider[cell] for cell in found} == found
    with_name = {cell: outcome["scores"].found for cell, outcome in found.items() if not isinstance(outcome, Failure)}
    assert with_name[clean[0]] != with_name[clean[1]], "one model, but two questions"


def test_what_failed_is_tried_again_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    store, again = CellStore(tmp_path / "cells.db"), Here()
    found = finish(bench, store, Here(lambda model: model[0].arm == 1))
    assert found[Cell(1, 0.1, 0, 1)] == Failure("no luck")
    assert not isinstance(found[Cell(0, 0.1, 0, 1)], Failure)
    found = finish(bench, store, again)
    assert again.asked == [(Cell(1, 0.1, 0, 1),)]
    assert not any(isinstance(each, Failure) for each in found.values())


def test_a_user_who_stops_it_keeps_what_is_finished(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, again = CellStore(tmp_path / "cells.db"), Here()
    with pytest.raises(KeyboardInterrupt):
        finish(bench, store, Stopped())
    assert "finished models are kept; run the same command again to continue\n" in capsys.readouterr().err
    finish(bench, store, again)
    assert len(again.asked) == 2


def test_a_model_whose_outcome_is_not_whole_is_trained_again(bench: Bench, tmp_path: Path) -> None:
    store, again = CellStore(tmp_path / "cells.db"), Here()
    finish(bench, store, Here())
    with closing(sqlite3.connect(store.path)) as database, database:
        database.execute("DELETE FROM cells WHERE rowid = 2")  # of the second cell of the clean model
    finish(bench, store, again)
    assert again.asked == [(Cell(1, 0, 0, 1),)]
