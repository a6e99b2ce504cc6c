"""Several machines that record the same result at one store: one run is left, whoever comes first and whoever dies."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miseducation.tracking.recorder import CELL, KEY, PARENT, record
from miseducation.tracking.results import CellResult, Result
from miseducation.tracking.rivals import DUPLICATE
from tests.hostile.forged.stores import Memory

RESULT = Result(
    folder=Path("none"),
    paths=[],
    name="x",
    experiment="toy",
    params={"seed": 1, "attack.rate": 0.1},
    hashes={},
    metrics={"clean_accuracy": 1.0},
    inputs=[],
    cells=[CellResult("a", {"seed": 1}, {}), CellResult("b", {"seed": 2}, {}, "why")],
)


class Death(BaseException):
    """A kill."""


def attempt(store: Memory, writers: list[str], seed: int, deaths: int) -> None:
    """Lets writers record at once; before each call it is drawn who may go on, and some die at theirs."""
    rng, lock = random.Random(seed), threading.Condition()
    waiting: dict[str, bool] = {}  # whether it has leave
    left, dying = set(writers), {rng.choice(writers): rng.randrange(30) for _ in range(deaths)}

    def draw() -> None:
        if left and waiting.keys() == left and not any(waiting.values()):
            waiting[rng.choice(sorted(left))] = True
        lock.notify_all()

    def write(writer: str) -> None:
        calls = 0

        @contextmanager
        def step(_: str) -> Iterator[None]:
            nonlocal calls
            with lock:
                waiting[writer] = False
                draw()
                assert lock.wait_for(lambda: waiting[writer], 20), "all wait"
            calls += 1
            dies = dying.get(writer) == calls
            if dies and seed % 2:
                raise Death
            yield
            if dies:
                raise Death

        with suppress(Death):
            record(store.client(step), "0", RESULT, {}, writer)
        with lock:
            left.discard(writer)
            waiting.pop(writer, None)
            draw()

    threads = [threading.Thread(target=write, args=[writer]) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check(store: Memory) -> None:
    """One finished run with all its cells is left; what else there was, its own writer has deleted."""
    active = [run for run in store.runs.values() if run.info.lifecycle_stage == "active"]
    (run,) = [run for run in active if KEY in run.data.tags]
    assert (run.info.status, run.data.params) == ("FINISHED", {"seed": "1", "attack.rate": "0.1"})
    cells = [each for each in active if CELL in each.data.tags]
    assert {each.data.tags[PARENT] for each in cells} == {run.info.run_id}
    assert sorted(each.data.tags[CELL] for each in cells) == ["a", "b"]
    others = [each for each in store.of(KEY, RESULT.key) if each is not run]
    assert all(DUPLICATE in each.data.tags for each in others)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32), writers=st.sampled_from([["a", "b"], ["a", "b", "c"]]))
def test_of_writers_at_the_same_time_one_is_left(seed: int, writers: list[str]) -> None:
    store = Memory()
    attempt(store, writers, seed, deaths=0)
    check(store)


@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_whoever_dies_the_other_records_it_and_who_returns_cleans_up(seed: int) -> None:
    store = Memory()
    attempt(store, ["a", "b"], seed, deaths=1)
    finished = [run for run in store.of(KEY, RESULT.key) if run.info.status == "FINISHED"]
    assert any(run.info.lifecycle_stage == "active" for run in finished), "one lived"
    for writer in "ab":
        attempt(store, [writer], seed, deaths=0)
    check(store)


def test_what_the_user_deleted_stays_deleted_and_what_a_writer_deleted_does_not_count() -> None:
    store = Memory()
    attempt(store, ["a"], 0, 0)
    (run,) = store.of(KEY, RESULT.key)
    for each in store.runs.values():
        each.info.lifecycle_stage = "deleted"
    attempt(store, ["b"], 0, 0)
    assert list(store.of(KEY, RESULT.key)) == [run]
    run.data.tags[DUPLICATE] = "another, which the server lost"
    attempt(store, ["b"], 0, 0)
    check(store)


@pytest.mark.parametrize("writer", ["a", "b"])
def test_half_a_run_is_gone_on_with_only_by_its_own_writer(writer: str) -> None:
    store: Any = Memory()
    half = store._create_run("0", {KEY: RESULT.key, "miseducation.writer": "a"}, "x").info.run_id
    attempt(store, [writer], 0, 0)
    (whole,) = [run for run in store.of(KEY, RESULT.key) if run.info.status == "FINISHED"]
    assert (whole.info.run_id == half) == (writer == "a")
    assert store.runs[half].info.lifecycle_stage == "active"
