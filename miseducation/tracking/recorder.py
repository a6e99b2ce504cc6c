"""Writes one result to MLflow: a run, and where it has cells, a run under it for each of them."""

import json
from typing import Any

from miseducation.tracking.results import CellResult, Input, Result

KEY = "miseducation.result"  # the tag that holds a result's key
CELL = "miseducation.cell"  # the tag that holds a cell's name
REASON = "miseducation.reason"  # the tag that says why a cell failed
PARENT = "mlflow.parentRunId"
ENDED = ("FINISHED", "FAILED")


class StoreError(Exception):
    """The store can be reached, but not written."""


def record(client: Any, experiment: str, result: Result, tags: dict[str, str]) -> str | None:
    """Writes a finished run unless there is one; goes on where a killed writer has left off.

    Nobody else may write the same result meanwhile. The tags say how it came about.

    Returns:
        The run's id, or None if the store had the result already.

    Raises:
        StoreError: If cells that were written there are missing.
    """
    found = _runs(client, experiment, KEY, result.key)
    # Deleted runs count, too: what a user has deleted stays deleted.
    if any(run.info.status == "FINISHED" for run in found):
        return None
    begun = [run for run in found if run.info.lifecycle_stage == "active"]
    about, name = {KEY: result.key, **result.tags, **tags}, tags.get("dvc.exp.name", result.name)
    run = begun[0] if begun else client.create_run(experiment, tags=about, run_name=name)
    _log(client, run, result)
    run_id = str(run.info.run_id)
    client.log_inputs(run_id, [_input(each) for each in result.inputs])
    for path in result.files():
        parent = str(path.parent)
        client.log_artifact(run_id, str(result.folder / path), None if parent == "." else parent)
    if result.cells:
        _record_cells(client, experiment, run_id, result.cells, tags)
    # Only now, as MLflow repeats a call whose answer was lost, and so may have made a run twice.
    for other in _runs(client, experiment, KEY, result.key):
        if other.info.run_id != run_id and other.info.lifecycle_stage == "active":
            client.delete_run(other.info.run_id)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _record_cells(client: Any, experiment: str, parent: str, cells: list[CellResult], tags: dict[str, str]) -> None:
    known = _recorded_cells(client, experiment, parent)
    for cell in cells:
        if cell.name not in known:
            why = {REASON: cell.reason} if cell.reason else {}
            about = {PARENT: parent, CELL: cell.name, **why, **tags}
            run = client.create_run(experiment, tags=about, run_name=cell.name)
            _log(client, run, cell)
            client.set_terminated(run.info.run_id, "FAILED" if cell.reason else "FINISHED")
    if {cell.name for cell in cells} - _recorded_cells(client, experiment, parent):
        raise StoreError("it lacks cells that were written there")


def _recorded_cells(client: Any, experiment: str, parent: str) -> set[str]:
    """The cells that are recorded, even if the user deleted them since; what else there is of cells is deleted."""
    known: set[str] = set()
    for run in _runs(client, experiment, PARENT, parent):
        name = run.data.tags.get(CELL)
        if name and name not in known and run.info.status in ENDED:
            known.add(name)
        elif name and run.info.lifecycle_stage == "active":
            client.delete_run(run.info.run_id)  # there twice, or half-written: nobody else writes, its writer is dead
    return known


def _runs(client: Any, experiment: str, tag: str, value: str) -> list[Any]:
    from mlflow.entities import ViewType

    return list(client.search_runs([experiment], f"tags.`{tag}` = '{value}'", ViewType.ALL, max_results=50_000))


def _log(client: Any, run: Any, found: Result | CellResult) -> None:
    from mlflow.entities import Metric, Param

    now = run.info.start_time  # the same if a run is written again: no value stands there twice
    # A list, and in this order: MLflow's comparison opens on the metric that was logged first.
    points = [Metric(key, value, now, 0) for key, value in found.metrics.items()]
    if isinstance(found, Result):
        points += [Metric(key, value, now, step) for key, row in found.history.items() for step, value in row]
    # One call; the client itself makes several of it if there is too much for one.
    client.log_batch(run.info.run_id, points, [Param(key, _text(value)) for key, value in found.params.items()])


def _input(data: Input) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"path": data.path, "md5": data.md5})
    return DatasetInput(Dataset(data.name, data.md5, "dvc", source), [InputTag("mlflow.data.context", data.context)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
