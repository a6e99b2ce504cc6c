"""The MLflow store: one run per distinct result, whoever asks and however often."""

import hashlib
import os
import socket
import sqlite3
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

from miseducation.errors import InputError
from miseducation.tracking import addresses, databases, limits, models, rivals, views
from miseducation.tracking.addresses import Address
from miseducation.tracking.recorder import KEY, StoreError, record, recorded
from miseducation.tracking.results import Result

LONGEST = 300  # letters of what a store says of its registry
TIMEOUT = "10"  # seconds for an answer, unless the user says otherwise
RECORDED = (
    "SELECT 1 FROM tags JOIN runs USING (run_uuid) WHERE tags.key = ? AND tags.value = ? AND runs.status = 'FINISHED'"
    " AND NOT EXISTS (SELECT 1 FROM tags AS other WHERE other.run_uuid = runs.run_uuid AND other.key = ?)"
)


class Store:
    """The tracking store of a project: `MLFLOW_TRACKING_URI`, else `mlflow.db` and `mlruns` in its root.

    An address that cannot be used is told when a result is to be recorded.

    Args:
        root: The main work tree, also when an experiment runs in a copy of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._trouble: Exception | None = None
        try:
            self._address = addresses.read(self.root)
        except InputError as trouble:
            self._trouble = trouble
            self._address = Address("none", f"no store: {trouble}")
        self.uri = self._address.uri
        self.hide = self._address.hide
        self._notes = self.root / ".dvc" / "tmp" / "tracked"  # ignored by git, and safe to lose

    def holds(self, key: str) -> bool:
        """Whether a finished run of this result is known, without importing MLflow; in doubt, no.

        A SQLite store is asked itself. What servers hold is noted in a file when it is recorded.
        """
        if file := self._address.file:
            try:
                with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
                    return database.execute(RECORDED, (KEY, key, rivals.DUPLICATE)).fetchone() is not None
            except sqlite3.Error:  # no store yet, or one of another layout
                return False
        noted = self._notes.read_text(encoding="utf-8") if self._notes.is_file() else ""
        return self._note_of(key) in noted.splitlines()

    def record(self, result: Result, tags: dict[str, str]) -> str | None:
        """Writes a finished run unless there is one: returns its id, or None; see `recorder.record`.

        Raises:
            InputError: If the address cannot be used.
            StoreError, mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError, OSError: If the store cannot
                be reached or written. One that gave no answer in time is not asked again.
        """
        from filelock import FileLock

        if self._trouble:
            raise self._trouble
        self._notes.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._notes.with_name("track.lock")):
            writer = self._writer()
            try:
                run_id = limits.within(_patience(result), lambda: self._record(result, tags, writer))
            except TimeoutError as error:
                self._trouble = error
                raise
            if self.uri.startswith(addresses.REMOTE):  # what else there is can be deleted with its folder
                with self._notes.open("a", encoding="utf-8") as file:
                    file.write(f"{self._note_of(result.key)}\n")
            return run_id

    def _record(self, result: Result, tags: dict[str, str], writer: str) -> str | None:
        client = self._client()
        experiment = self._experiment(client, result.experiment)
        run_id = record(client, experiment, result, tags, writer, alone=self._ours)
        # MLflow's registry in a folder would write to where we are, which may be a copy that does not last.
        wanted = not self.uri.startswith("file:") and any(model.registered for model in result.models)
        if wanted and (run := recorded(client, experiment, result)):
            self._register(client, experiment, run, result)
        return run_id

    def _register(self, client: Any, experiment: str, run: Any, result: Result) -> None:
        """Registers the models of a run, which is whole without."""
        from mlflow.exceptions import MlflowException

        try:
            models.register(client, experiment, run, result)
        except MlflowException as error:
            told = self.hide(str(error))[:LONGEST]
            print(f"warning: the models of the run {run.info.run_id} are not registered: {told}", file=sys.stderr)

    @property
    def _ours(self) -> bool:
        """Whether nobody else has the store: it is a database in the project, and one of its writers has the lock."""
        return self._address.file is not None and self._address.file.is_relative_to(self.root)

    @property
    def _names_places(self) -> bool:
        """Whether the store has no place for artefacts: they stay in the project that makes the experiment."""
        return not self.uri.startswith((*addresses.WEB, "file:"))

    def _client(self) -> Any:
        # MLflow reads these when it is imported. An unreachable server would otherwise hold us up for minutes.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", TIMEOUT)
        # It would ask a server twice more per run for links to print, two lines for each cell of a study.
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
        from mlflow import MlflowClient

        limits.limit_answers()
        mlruns = (self.root / "mlruns").resolve()
        limits.limit_places(
            lambda place: self._address.is_here or (self._names_places and place.is_relative_to(mlruns))
        )
        if self._address.file:
            databases.prepare(self._address.file, self.uri, self.root)
        elif self._names_places:
            _check_driver(self.uri)
        return MlflowClient(tracking_uri=self.uri)

    def _experiment(self, client: Any, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            location = (self.root / "mlruns" / name).as_uri() if self._names_places else None
            try:
                experiment = client.get_experiment(client.create_experiment(name, artifact_location=location))
            except MlflowException:
                experiment = client.get_experiment_by_name(name)  # another may have made it meanwhile
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            raise StoreError(f"its experiment {name!r} is deleted; restore it there, or purge it with `mlflow gc`")
        views.describe(client, experiment, alone=self._ours)
        return str(experiment.experiment_id)

    def _writer(self) -> str:
        """Our name among those who write to the store; a copy of the project, here or elsewhere, has another."""
        from miseducation.project.files import write_text  # with NumPy, which is not needed if nothing is new

        path = self._notes.with_name("writer")
        if not path.is_file():
            write_text(path, uuid.uuid4().hex)
        about = f"{path.read_text(encoding='utf-8')} {socket.gethostname()} {self.root}"
        return hashlib.sha256(os.fsencode(about)).hexdigest()[:16]

    def _note_of(self, key: str) -> str:
        return f"{hashlib.sha256(self.uri.encode()).hexdigest()} {key}"  # the address may hold a password


def _patience(result: Result) -> float:
    """How many seconds a store has for a result: six times what MLflow waits for an answer, and more for a large one.

    It need not be fast: ten answers in the time of one, and 100 kB a second.
    """
    try:
        timeout = float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", TIMEOUT))
    except ValueError:  # MLflow refuses it
        timeout = float(TIMEOUT)
    files = [result.folder / path for path in result.files()]
    size = sum(file.stat().st_size for file in files)
    return timeout * (6 + (len(files) + 4 * len(result.cells)) / 10) + size / 100_000


def _check_driver(uri: str) -> None:
    import sqlalchemy

    try:
        sqlalchemy.make_url(uri).get_dialect().import_dbapi()
    except (ImportError, sqlalchemy.exc.ArgumentError) as error:
        raise StoreError(f"its driver is missing: {error}") from error
