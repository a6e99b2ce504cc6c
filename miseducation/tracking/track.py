"""Finds results and has them recorded; what goes wrong with the store is a warning, as the results are whole."""

import os
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from miseducation.errors import InputError
from miseducation.project import own_files
from miseducation.project.messages import printable
from miseducation.project.pipelines import load_yaml
from miseducation.tracking import defence_results, pipeline_results, study_results
from miseducation.tracking.places import passing_over, places, tags_of_this_run
from miseducation.tracking.recorder import StoreError
from miseducation.tracking.results import IncompleteError, Result
from miseducation.tracking.runs import Store

LIBRARIES = ("mlflow", "sqlalchemy", "alembic", "sqlite3")  # whose exceptions mean that the store cannot be had
HINT = (
    "the result itself is complete; when this is fixed, the same command or `python -m stages.track --all` records it"
)
LONGEST = 1000  # letters of what a store says
LOCKS = (pipeline_results.LOCK, study_results.LOCK, defence_results.LOCK)
Reader: TypeAlias = Callable[[Path], Result]


def study(name: str) -> Reader:
    """What reads the study of this name."""
    return partial(study_results.read_study, name=name)


def track_here(name: str | None = None) -> bool:
    """Records the pipeline's result in the work tree, or that of a study; whether there is one."""
    check_own_files(name)
    return track(Store(_root()), Path(), tags_of_this_run(), study(name) if name else pipeline_results.read_result)


def track_defences() -> None:
    """Records the pipeline's result in the work tree, and under it what the defences made of that."""
    track_here()
    track(Store(_root()), Path(), tags_of_this_run(), defence_results.read_defences)


def track_all() -> None:
    """Records every result that can still be found."""
    check_own_files()
    store = Store(_root())
    for folder, tags, name in places(store.root, LOCKS):
        with passing_over(name):
            if (folder / pipeline_results.LOCK).is_file():
                track(store, folder, tags, ask=True, name=name)
                if (folder / defence_results.LOCK).is_file():
                    track(store, folder, tags, defence_results.read_defences, ask=True, name=name)
            for each in study_results.studies(folder):
                track(store, folder, tags, study(each), ask=True, name=name)


def check_own_files(name: str | None = None) -> None:
    """Warns if files that knobs name are not those that the pipeline's result, or a study's, was made from."""
    made = [(Path("data/raw/source.json"), "download"), (Path("data/poisoned/test_manifest.csv"), "poison")]
    again = "dvc repro"
    if name is not None:
        pipeline, again = "pipelines/studies/dvc.yaml", f"make study NAME={name}"
        made = [
            (source, f"{pipeline}:fetch@{name}") for source in sorted(Path("data/studies", name).glob("*/source.json"))
        ]
        made.append((Path("metrics", name, "own_files.json"), f"{pipeline}:study@{name}"))
    for record, stage in made:
        if path := own_files.changed(record, load_yaml(Path("params.yaml"))):
            there = (
                f"the files in {printable(path)}, which DVC does not watch, have changed since {record.parent} was made"
            )
            print(
                f"warning: {there}; to read them again, run `dvc repro --force --single-item {stage}`, then `{again}`",
                file=sys.stderr,
            )


def track(
    store: Store,
    folder: Path,
    tags: dict[str, str],
    read: Reader = pipeline_results.read_result,
    *,
    ask: bool = False,
    name: str = "",
) -> bool:
    """Records the result in `folder` if it is whole and new; a store that cannot be had is a warning, no error.

    The tags say how it came about. `ask` is to ask the store itself, even if it is known to have the result. `name` is
    what to call the folder if it is a copy that does not last.
    """
    try:
        result = read(folder)
        if not ask and store.holds(result.key):
            return True
        result.check()
    except (IncompleteError, OSError) as reason:
        print(printable(f"track: nothing to record from {name or folder.resolve()}: {reason}"))
        return False
    try:
        run = store.record(result, tags)
    except Exception as error:
        if not isinstance(error, OSError | StoreError | InputError) and not _of_libraries(error):
            raise
        what = "the result is not recorded"
        if not isinstance(error, InputError):
            what = f"MLflow at {store.hide(store.uri)} did not accept the result"
        message = store.hide(str(error)[: 100 * LONGEST])
        print(f"warning: {what}: {message[:LONGEST]}{' …' * (len(message) > LONGEST)}", file=sys.stderr)
        print(f"warning: {HINT}", file=sys.stderr)
        return True
    if run:
        print(f"track: recorded as run {store.hide(run)} in {store.hide(store.uri)}")
    return True


def _of_libraries(error: Exception) -> bool:
    """Whether a library raised it, be it only because a server told it nonsense."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    # By name, as none of them is imported yet when there is nothing to do.
    return any(name.split(".")[0] in LIBRARIES for name in [type(error).__module__, *frames])


def _root() -> Path:
    # In `dvc exp run --temp` and `--queue` we are in a copy of the work tree; DVC_ROOT is the original.
    return Path(os.environ.get("DVC_ROOT", "."))
