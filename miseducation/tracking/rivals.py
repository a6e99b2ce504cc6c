"""Several writers of the same result at one store: one run is left, and nobody deletes what another made.

A writer cannot tell whether another that has begun is dead, slow, or about to end. But MLflow lets nobody change a
parameter, so the first to set it decides. Each run gets all but one of its parameters at once, and the last when all
else is there: then it is whole, and whoever finds it so may finish it. Who comes first puts another value there in the
others' runs, which are never whole then.
"""

from typing import Any

from miseducation.tracking.results import Timing

STOPPED = "stopped in favour of "  # in place of the last parameter
DUPLICATE = "miseducation.duplicate_of"  # the tag of a run that its own writer deleted in favour of another
WRITER = "miseducation.writer"  # the tag that says whose a run is


def recorded(run: Any) -> bool:
    """Whether a run holds its result, or did until the user deleted it."""
    return bool(run.info.status == "FINISHED" and DUPLICATE not in run.data.tags)


def settle(
    client: Any, run: Any, others: list[Any], last: tuple[str, str], timing: Timing | None = None
) -> tuple[str, bool]:
    """Finishes one of the runs of a result.

    Args:
        client: MLflow's.
        run: Our own; all is there but its last parameter.
        others: All other runs of the result that are not ours, as they are now.
        last: The last parameter.
        timing: When what the run tells of took place; None is now.

    Returns:
        The run that stood in ours' way, or ours, and whether it is finished. If it is not, its writer may be dead.
    """
    for other in filter(recorded, others):
        return other.info.run_id, True
    name, whole = last
    begun = [other for other in others if other.info.lifecycle_stage == "active" and WRITER in other.data.tags]
    # All go by the same order, so that of two that see each other one is stopped before it stops the other.
    for each in sorted([run, *begun], key=lambda one: (one.info.start_time, one.info.run_id)):
        run_id, ours = str(each.info.run_id), each is run
        found = _set_once(client, run_id, name, whole if ours else f"{STOPPED}{run.info.run_id}")
        if ours and found != whole:  # another was here first
            found = found.removeprefix(STOPPED)
            if found not in {other.info.run_id for other in begun}:
                return found, False
            run_id, found, ours = found, client.get_run(found).data.params.get(name), False
            if found != whole:
                return run_id, False
        if not ours and found == whole:
            _finish(client, next(one for one in [run, *begun] if one.info.run_id == run_id), timing)
            return run_id, True
    _finish(client, run, timing)
    return str(run.info.run_id), True


def _finish(client: Any, run: Any, timing: Timing | None) -> None:
    end = {"end_time": run.info.start_time + round(1000 * timing.seconds)} if timing else {}
    client.set_terminated(run.info.run_id, "FINISHED", **end)


def _set_once(client: Any, run_id: str, name: str, value: str) -> str:
    """Sets a parameter unless it is set, or the run is deleted; returns what it is then."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_param(run_id, name, value)
    except MlflowException:
        run = client.get_run(run_id)
        if name not in run.data.params and run.info.lifecycle_stage == "active":
            raise
        return str(run.data.params.get(name, ""))
    return value
