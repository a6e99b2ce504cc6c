"""Stores as nobody wants them: half-made, damaged, of another time, and one in memory whose calls a test can order."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow.exceptions import MlflowException


def sql(*statements: str) -> Callable[[Path], None]:
    """Changes a database."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as database, database:
            for statement in statements:
                database.execute(statement)

    return change


def anew(*statements: str) -> Callable[[Path], None]:
    """Makes another database."""

    def make(path: Path) -> None:
        path.unlink()
        sql(*statements)(path)

    return make


def holding(content: bytes, start: int = 0) -> Callable[[Path], None]:
    """Replaces what is in the file behind its first bytes."""

    def write(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:start] + content)

    return write


def _journal_alone(path: Path) -> None:
    path.rename(f"{path}-journal")


OLDER = "451aebb31d03"  # the first layout after that of MLflow's beginnings
AN_EXPERIMENT = "INSERT INTO experiments (name, lifecycle_stage, artifact_location) VALUES ('toy', 'active', '')"
# What nobody but a hand can have put there.
ODD: dict[str, Callable[[Path], None]] = {
    "a name of bytes": sql("INSERT INTO experiments (name, lifecycle_stage) VALUES (x'ff00', 'active')"),
    "no place": sql("UPDATE experiments SET artifact_location = NULL"),
}
# What an interruption leaves of a store that is being made. None of them holds anything of the user's.
HALF_MADE: dict[str, Callable[[Path], None]] = {
    "empty": holding(b""),
    "no table": anew("CREATE TABLE x (y)", "DROP TABLE x"),
    "first tables": anew(*(f"CREATE TABLE {name} (x)" for name in ("runs", "tags"))),
    "no layout": sql("DELETE FROM alembic_version"),
    "layout of the way": sql(f"UPDATE alembic_version SET version_num = '{OLDER}'", "DROP TABLE tags"),
    "lacks a table": sql("DROP TABLE tags"),
    "garbage": holding(b"this is no database" * 1000),
    "journal alone": _journal_alone,
}
# What is not to be touched, and a word of what is said of it.
NOT_OURS: dict[str, tuple[Callable[[Path], None], str]] = {
    "older, in use": (sql(f"UPDATE alembic_version SET version_num = '{OLDER}'", AN_EXPERIMENT), "python -m mlflow db"),
    "newer": (sql("UPDATE alembic_version SET version_num = 'ffffffffffff'"), "probably newer MLflow"),
    "damaged, in use": (sql("DROP TABLE tags", AN_EXPERIMENT), "it lacks tags"),
    "malformed": (holding(b"\xff" * 100_000, start=5000), "SQLite cannot read it"),
    "of others": (anew("CREATE TABLE letters (text)"), "not one of MLflow's"),
}


class Memory:
    """What `recorder.record` asks of MLflow's client, kept in memory; a test may act around each call."""

    def __init__(self) -> None:
        self.runs: dict[str, Any] = {}
        self._number = itertools.count()

    def client(self, step: Callable[[str], Any]) -> Any:
        """A writer's access; `step` is a context manager that is entered with the call's name around each of them."""
        store = self

        class Client:
            def __getattr__(self, name: str) -> Callable[..., Any]:
                def call(*arguments: Any, **named: Any) -> Any:
                    with step(name):
                        return getattr(store, f"_{name}", lambda *_, **__: None)(*arguments, **named)

                return call

        return Client()

    def of(self, key: str, value: str) -> Iterator[Any]:
        return (run for run in self.runs.values() if run.data.tags.get(key) == value)

    def _create_run(self, experiment: str, tags: dict[str, str], run_name: str, start_time: int | None = None) -> Any:
        number = next(self._number)
        # Clocks differ: who begins later may have the earlier time.
        info = SimpleNamespace(
            run_id=f"run{number}", start_time=number * 7 % 5, status="RUNNING", lifecycle_stage="active"
        )
        run = SimpleNamespace(info=info, data=SimpleNamespace(tags=dict(tags), params={}, metrics={}))
        self.runs[info.run_id] = run
        return _copy(run)

    def _search_runs(self, experiments: list[str], query: str, *_: Any, **__: Any) -> list[Any]:
        key, value = query.removeprefix("tags.`").removesuffix("'").split("` = '")
        return [_copy(run) for run in self.of(key, value)]

    def _search_logged_models(self, experiments: list[str], query: str) -> list[Any]:
        return []

    def _get_run(self, run_id: str) -> Any:
        return _copy(self.runs[run_id])

    def _active(self, run_id: str) -> Any:
        if self.runs[run_id].info.lifecycle_stage != "active":
            raise MlflowException(f"The run {run_id} must be in the 'active' state")
        return self.runs[run_id]

    def _log_param(self, run_id: str, name: str, value: str) -> None:
        if self._active(run_id).data.params.setdefault(name, value) != value:
            raise MlflowException("Changing param values is not allowed")

    def _log_batch(self, run_id: str, metrics: list[Any], params: list[Any]) -> None:
        for param in params:
            self._log_param(run_id, param.key, param.value)

    def _set_tag(self, run_id: str, key: str, value: str) -> None:
        self._active(run_id).data.tags[key] = value

    def _set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        self._active(run_id).info.status = status

    def _delete_run(self, run_id: str) -> None:
        self.runs[run_id].info.lifecycle_stage = "deleted"


def _copy(run: Any) -> Any:
    data = SimpleNamespace(tags=dict(run.data.tags), params=dict(run.data.params))
    return SimpleNamespace(info=SimpleNamespace(**vars(run.info)), data=data)
