"""The MLflow store: one run per distinct result, whoever asks and however often."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stages.results import Result

KEY = "miseducation.result"  # the tag that holds a result's key
SQLITE = "sqlite:///"


class StoreError(Exception):
    """The store can be reached, but not written."""


class Store:
    """The tracking store of a project: `MLFLOW_TRACKING_URI`, else `mlflow.db` and `mlruns` in its root.

    Args:
        root: The main work tree, also when an experiment runs in a copy of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or SQLITE + "mlflow.db"
        if self.uri.startswith(SQLITE):  # a relative path means the root's, also from within a copy
            self.uri = SQLITE + str(self.root / self.uri.removeprefix(SQLITE))
        self._scratch = self.root / ".dvc" / "tmp"  # ignored by git, and safe to lose

    def holds(self, key: str) -> bool:
        """Whether a finished run of this result is known, without importing MLflow; in doubt, no.

        A SQLite store is asked itself. What other stores hold is noted in a file when it is recorded.
        """
        if self.uri.startswith(SQLITE):
            query = (
                "SELECT 1 FROM tags JOIN runs USING (run_uuid) "
                "WHERE tags.key = ? AND tags.value = ? AND runs.status = 'FINISHED'"
            )
            try:
                with closing(sqlite3.connect(f"file:{self.uri.removeprefix(SQLITE)}?mode=ro", uri=True)) as database:
                    return database.execute(query, (KEY, key)).fetchone() is not None
            except sqlite3.Error:  # no store yet, or one of another layout
                return False
        return self._note_of(key) in self._noted()

    def hide(self, text: str) -> str:
        """The text without the user name and password that may stand in the store's address."""
        secret = urlsplit(self.uri).netloc.rpartition("@")[0]
        return text.replace(f"{secret}@", "") if secret else text

    def record(self, result: Result, tags: dict[str, str]) -> str | None:
        """Writes a finished run unless there is one; what a killed writer left half-written is replaced.

        Args:
            result: What to record.
            tags: How it came about.

        Returns:
            The new run's id, or None if the store had the result already.

        Raises:
            StoreError, mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError: If the store cannot
                be reached or written.
        """
        with self._lock():
            client = _client(self.uri)
            experiment = self._experiment(client, str(result.params["data.name"]))
            for run in _runs(client, experiment, result.key):
                if run.info.status == "FINISHED":
                    self._note(result.key)
                    return None
                client.delete_run(run.info.run_id)  # we hold the lock: its writer is dead
            run_id = _write(client, experiment, result, tags)
            self._note(result.key)
            return run_id

    def _experiment(self, client: Any, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            location = (self.root / "mlruns" / name).as_uri() if self.uri.startswith(SQLITE) else None
            return str(client.create_experiment(name, artifact_location=location))
        if experiment.lifecycle_stage == "deleted":
            raise StoreError(f"its experiment {name!r} is deleted; restore it there, or purge it with `mlflow gc`")
        return str(experiment.experiment_id)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        from filelock import FileLock

        self._scratch.mkdir(parents=True, exist_ok=True)
        with FileLock(self._scratch / "track.lock"):
            yield

    def _noted(self) -> set[str]:
        try:
            return set((self._scratch / "tracked").read_text(encoding="utf-8").splitlines())
        except FileNotFoundError:
            return set()

    def _note(self, key: str) -> None:
        if not self.uri.startswith(SQLITE):
            with (self._scratch / "tracked").open("a", encoding="utf-8") as file:
                file.write(f"{self._note_of(key)}\n")

    def _note_of(self, key: str) -> str:
        return f"{hashlib.sha256(self.uri.encode()).hexdigest()} {key}"  # the address may hold a password


def _client(uri: str) -> Any:
    # MLflow reads these when it is imported. An unreachable server would otherwise hold us up for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _runs(client: Any, experiment: str, key: str) -> list[Any]:
    from mlflow.entities import ViewType

    # Deleted runs count too: what a user has deleted stays deleted.
    found = client.search_runs([experiment], f"tags.`{KEY}` = '{key}'", ViewType.ALL)
    return [run for run in found if run.info.status == "FINISHED" or run.info.lifecycle_stage == "active"]


def _write(client: Any, experiment: str, result: Result, tags: dict[str, str]) -> str:
    from mlflow.entities import Metric, Param

    params = result.params
    rate = float(params["attack.rate"])  # PyYAML reads 5e-05 as text
    name = f"{params['attack.name']}-{rate:g}-seed{params['seed']}"
    computed = {f"train.{name}": value for name, value in result.computed.items()}
    run = client.create_run(
        experiment, tags={KEY: result.key, **computed, **tags}, run_name=tags.get("dvc.exp.name", name)
    )
    run_id, now = run.info.run_id, run.info.start_time
    # A list, and in this order: MLflow's comparison opens on the metric that was logged first.
    metrics = [Metric(key, value, now, 0) for key, value in result.metrics.items()]
    metrics += [Metric(key, value, now, step) for key, row in result.history.items() for step, value in row]
    client.log_batch(run_id, params=[Param(key, _text(value)) for key, value in params.items()])
    for start in range(0, len(metrics), 1000):  # MLflow's limit for one call
        client.log_batch(run_id, metrics=metrics[start : start + 1000])
    client.log_inputs(run_id, _inputs(result))
    for path in result.files():
        parent = str(path.parent)
        client.log_artifact(run_id, str(result.folder / path), None if parent == "." else parent)
    client.set_terminated(run_id, "FINISHED")
    return str(run_id)


def _inputs(result: Result) -> list[Any]:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(name, result.hashes[path], "dvc", json.dumps({"path": path, "md5": result.hashes[path]})),
            [InputTag("mlflow.data.context", context)],
        )
        for name, path, context in (
            (str(result.params["data.name"]), "data/raw", "training and evaluation"),
            ("poison", "data/poisoned/images.npy", "training of the backdoored model"),
            ("triggered test set", "data/poisoned/test_images.npy", "evaluation"),
        )
    ]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
