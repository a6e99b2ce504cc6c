"""Writes one result to MLflow: a run, and where it has cells, a run under it for each of them."""

import json
from typing import Any

from miseducation.tracking import models, rivals
from miseducation.tracking.notes import EXPERIMENT, RUN
from miseducation.tracking.results import CellResult, Input, Result
from miseducation.tracking.views import NOTE

KEY = "miseducation.result"  # the tag that holds a result's key
CELL = "miseducation.cell"  # the tag that holds a cell's name
REASON = "miseducation.reason"  # the tag that says why a cell failed
PARENT = "mlflow.parentRunId"
ENDED = ("FINISHED", "FAILED")


class StoreError(Exception):
    """The store can be reached, but not written."""


def record(
    client: Any, experiment: str, result: Result, tags: dict[str, str], writer: str, *, alone: bool = False
) -> str | None:
    """Writes a finished run unless there is one; goes on where it was killed itself.

    Others may write the same result meanwhile, see `rivals`, but none that has the same name.

    Args:
        client: MLflow's.
        experiment: Its id.
        result: What to write.
        tags: How it came about.
        writer: Our name. Our runs are known by it.
        alone: Whether runs that name no writer are ours, too.

    Returns:
        The run's id, or None if the store had the result already, or got it from another.

    Raises:
        StoreError: If cells that were written there are missing.
    """
    from mlflow.exceptions import MlflowException

    def search() -> tuple[list[Any], list[Any]]:
        """Our own active runs of the result, and all others."""
        found: tuple[list[Any], list[Any]] = [], []
        for each in _runs(client, experiment, KEY, result.key):
            whose = each.data.tags.get(rivals.WRITER, writer if alone else None)
            found[whose != writer or each.info.lifecycle_stage != "active"].append(each)
        return found

    mine, others = search()
    # Deleted runs count, too: what a user has deleted stays deleted.
    done = [run for run in mine + others if rivals.recorded(run)]
    for run in mine:
        if rivals.DUPLICATE in run.data.tags or (done and run not in done):
            _withdraw(client, experiment, run, done[0].info.run_id if done else run.data.tags[rivals.DUPLICATE])
    if done:
        return None
    begun = [run for run in mine if rivals.DUPLICATE not in run.data.tags]
    about = {KEY: result.key, rivals.WRITER: writer, **result.tags, **tags}
    if result.parent:
        above = [each.info for each in _runs(client, experiment, KEY, result.parent) if rivals.recorded(each)]
        about |= [(PARENT, str(each.run_id)) for each in above if each.lifecycle_stage == "active"]
    began = result.timing.began if result.timing else None
    run = begun[0] if begun else client.create_run(experiment, start_time=began, tags=about, run_name=result.name)
    run_id, params = str(run.info.run_id), {key: _text(value) for key, value in result.params.items()}
    last = min(params.items(), key=lambda item: (len(item[1]), item))
    made = models.log(client, experiment, run_id, result)
    if result.note:
        client.set_tag(run_id, NOTE, result.note.replace(RUN, run_id).replace(EXPERIMENT, experiment))
    _log(client, run, result, {key: value for key, value in params.items() if key != last[0]}, made)
    inputs = [_input(each) for each in result.inputs]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:  # MLflow fails where another writes the same data set at the same moment
        client.log_inputs(run_id, inputs)
    for path in result.files():
        parent = str(path.parent)
        client.log_artifact(run_id, str(result.folder / path), None if parent == "." else parent)
    if result.cells:
        _record_cells(client, experiment, run_id, result.cells, tags)
    # Only now, as MLflow repeats a call whose answer was lost, and so may have made a run twice.
    mine, others = search()
    for twin in mine:
        if twin.info.run_id != run_id:
            _withdraw(client, experiment, twin, run_id)
    winner, finished = rivals.settle(client, run, others, last, result.timing)
    if winner == run_id:
        return run_id
    _withdraw(client, experiment, run, winner)
    return None if finished else record(client, experiment, result, tags, writer, alone=alone)


def recorded(client: Any, experiment: str, result: Result) -> Any | None:
    """The run of a result, unless it is deleted."""
    found = [run for run in _runs(client, experiment, KEY, result.key) if rivals.recorded(run)]
    return next((run for run in found if run.info.lifecycle_stage == "active"), None)


def _withdraw(client: Any, experiment: str, run: Any, winner: str) -> None:
    """Deletes a run of ours in favour of another, which the tag tells from one that the user deleted."""
    client.set_tag(run.info.run_id, rivals.DUPLICATE, winner)
    for cell in _runs(client, experiment, PARENT, run.info.run_id):
        if CELL in cell.data.tags and cell.info.lifecycle_stage == "active":
            client.delete_run(cell.info.run_id)
    models.withdraw(client, experiment, run.info.run_id)
    client.delete_run(run.info.run_id)


def _record_cells(client: Any, experiment: str, parent: str, cells: list[CellResult], tags: dict[str, str]) -> None:
    known = _recorded_cells(client, experiment, parent)
    for cell in cells:
        if cell.name not in known:
            why = {REASON: cell.reason} if cell.reason else {}
            about = {PARENT: parent, CELL: cell.name, **why, **tags}
            run = client.create_run(experiment, tags=about, run_name=cell.name)
            _log(client, run, cell, {key: _text(value) for key, value in cell.params.items()}, {})
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


def _log(client: Any, run: Any, found: Result | CellResult, params: dict[str, str], made: dict[str, Any]) -> None:
    from mlflow.entities import Metric, Param

    now = run.info.start_time  # the same if a run is written again: no value appears twice
    # A list, and in this order: MLflow's comparison opens on the metric that was logged first.
    values = [(key, value, now, 0) for key, value in found.metrics.items()]
    points = [Metric(*each) for each in values]
    if isinstance(found, Result):
        values += [(key, value, now, step) for key, row in found.history.items() for step, value in row]
        points = [Metric(*each, *_tied(found, each[0], made)) for each in values]
    # One call; the client itself makes several of it if there is too much for one.
    client.log_batch(run.info.run_id, points, [Param(key, value) for key, value in params.items()])


def _tied(result: Result, key: str, made: dict[str, Any]) -> tuple[str, str | None, str | None] | tuple[()]:
    """The id of the model that a figure tells of, and name and MD5 of the data."""
    tie = result.ties.get(key)
    if tie is None or tie.model not in made:
        return ()
    data = next((data for data in result.inputs if data.name == tie.data), None)
    return made[tie.model].model_id, data and data.name, data and data.md5


def _input(data: Input) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"path": data.path, "md5": data.md5})
    return DatasetInput(Dataset(data.name, data.md5, "dvc", source), [InputTag("mlflow.data.context", data.context)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
