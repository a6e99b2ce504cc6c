"""The MLflow store: one run per distinct result, whoever asks and however often."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from miseducation.tracking.recorder import KEY, StoreError, record
from miseducation.tracking.results import Result

SQLITE = "sqlite:///"


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
        self._notes = self.root / ".dvc" / "tmp" / "tracked"  # ignored by git, and safe to lose

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
        noted = self._notes.read_text(encoding="utf-8") if self._notes.is_file() else ""
        return self._note_of(key) in noted.splitlines()

    def hide(self, text: str) -> str:
        """The text without the user name and password that may stand in the store's address."""
        secret = urlsplit(self.uri).netloc.rpartition("@")[0]
        return text.replace(f"{secret}@", "") if secret else text

    def record(self, result: Result, tags: dict[str, str]) -> str | None:
        """Writes a finished run unless there is one: returns its id, or None; see `recorder.record`.

        Raises:
            StoreError, mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError: If the store cannot
                be reached or written.
        """
        from filelock import FileLock

        self._notes.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._notes.with_name("track.lock")):
            client = _client(self.uri)
            experiment = self._experiment(client, result.experiment)
            run_id = record(client, experiment, result, tags)
            if not self.uri.startswith(SQLITE):
                with self._notes.open("a", encoding="utf-8") as file:
                    file.write(f"{self._note_of(result.key)}\n")
            return run_id

    def _experiment(self, client: Any, name: str) -> str:
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            location = (self.root / "mlruns" / name).as_uri() if self.uri.startswith(SQLITE) else None
            return str(client.create_experiment(name, artifact_location=location))
        if experiment.lifecycle_stage == "deleted":
            raise StoreError(f"its experiment {name!r} is deleted; restore it there, or purge it with `mlflow gc`")
        return str(experiment.experiment_id)

    def _note_of(self, key: str) -> str:
        return f"{hashlib.sha256(self.uri.encode()).hexdigest()} {key}"  # the address may hold a password


def _client(uri: str) -> Any:
    # MLflow reads these when it is imported. An unreachable server would otherwise hold us up for minutes.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    # It would ask a server twice more per run for links to print, two lines for each cell of a study.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)
