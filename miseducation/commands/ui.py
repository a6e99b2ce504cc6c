"""Serves MLflow's pages on this machine, and prints where to look first: `make ui`."""

import argparse
import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from miseducation.errors import InputError
from miseducation.project import command
from miseducation.tracking import addresses, views

HOST, STORE = "127.0.0.1", Path("mlflow.db")
STARTING = "MLflow is starting, which takes some seconds; press Ctrl-C to stop it"
# The newest runs of the pipeline in the experiment that has the newest: no studies, their cells, nor defences.
LATEST = """
WITH found AS (
    SELECT run_uuid, experiment_id, start_time FROM runs JOIN experiments USING (experiment_id)
    WHERE status = 'FINISHED' AND runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active'
    AND EXISTS (SELECT 1 FROM params WHERE params.run_uuid = runs.run_uuid AND key = 'attack.rate')
    AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.run_uuid = runs.run_uuid AND key = 'mlflow.parentRunId')
)
SELECT experiment_id, run_uuid FROM found
WHERE experiment_id = (SELECT experiment_id FROM found ORDER BY start_time DESC LIMIT 1)
ORDER BY start_time DESC LIMIT 2
"""


def latest(store: Path) -> tuple[str, list[str]]:
    """The experiment with the newest run of the pipeline, and its two newest, the newest first; or nothing."""
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute(LATEST).fetchall()
    except sqlite3.Error:  # of another layout: MLflow says what to do
        found = []
    return (str(found[0][0]), [run for _, run in found]) if found else ("", [])


def check_free(port: int) -> None:
    """Refuses, with an `InputError`, a port that cannot be had: MLflow tells it late, and ends as if all were well."""
    with socket.socket() as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as MLflow does: what has just ended is no matter
        try:
            asked.bind((HOST, port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise InputError(f"port {port} cannot be used: {why}; `make ui PORT=5001` uses another") from None


def main() -> None:
    """Reads `mlflow.db`; prints an address a line, and becomes MLflow's server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5000)
    port = parser.parse_args().port
    store = addresses.read(Path.cwd())
    if store.file is None or store.file.resolve() != STORE.resolve():
        elsewhere = f"the runs are at {store.shown}, as {addresses.VARIABLE} says"
        raise InputError(f"{elsewhere}; `make ui` only shows those in {STORE}")
    if not STORE.is_file():
        raise InputError("there are no runs yet; run `make repro` first")
    check_free(port)
    experiment, runs = latest(STORE)
    if experiment:
        views.describe_in(f"sqlite:///{STORE}", experiment)
        for what, address in views.addresses(f"http://{HOST}:{port}", experiment, runs).items():
            print(f"{what:18} {address}", flush=True)
    print(STARTING, flush=True)
    uri, calm = f"sqlite:///{STORE}", "--log-level warning"  # no line for each request
    serve = ["ui", "--backend-store-uri", uri, "--registry-store-uri", uri, "--host", HOST, "--port", str(port)]
    serve += ["--workers", "1", "--uvicorn-opts", calm]
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ.setdefault("PYTHONWARNINGS", "ignore")  # of what MLflow's libraries will no longer have
    os.execv(sys.executable, [sys.executable, "-P", "-m", "mlflow", *serve])  # noqa: S606 - it takes our place


if __name__ == "__main__":
    command.run(main)
