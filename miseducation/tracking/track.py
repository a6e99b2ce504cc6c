"""Finds results and has them recorded; what goes wrong with the store is a warning, as the results are whole."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from miseducation.project import own_files
from miseducation.project.pipelines import load_yaml
from miseducation.tracking import pipeline_results, study_results
from miseducation.tracking.places import places, tags_of_this_run
from miseducation.tracking.recorder import StoreError
from miseducation.tracking.results import IncompleteError, Result
from miseducation.tracking.runs import Store

LIBRARIES = ("mlflow", "sqlalchemy")  # whose exceptions mean that the store cannot be had
LOCKS = (pipeline_results.LOCK, study_results.LOCK)
Reader: TypeAlias = Callable[[Path], Result]


def study(name: str) -> Reader:
    """What reads the study of this name."""
    return partial(study_results.read_study, name=name)


def track_here(name: str | None = None) -> None:
    """Records the pipeline's result in the work tree, or that of a study."""
    for place in [Path("data/raw")] if name is None else sorted(Path("data/studies", name).glob("*")):
        check_own_files(place, "download" if name is None else f"pipelines/studies/dvc.yaml:fetch@{name}")
    track(Store(_root()), Path(), tags_of_this_run(), study(name) if name else pipeline_results.read_result)


def track_all() -> None:
    """Records every result that can still be found."""
    check_own_files()
    store = Store(_root())
    for folder, tags in places(store.root, LOCKS):
        found = [pipeline_results.read_result] if (folder / pipeline_results.LOCK).is_file() else []
        for read in [*found, *map(study, study_results.studies(folder))]:
            track(store, folder, tags, read, ask=True)


def check_own_files(place: Path = Path("data/raw"), stage: str = "download") -> None:
    """Warns if the user's own files are not those that a stage made a data set from: DVC would not notice."""
    if path := own_files.changed(place / "source.json", load_yaml(Path("params.yaml"))):
        again = "dvc repro" if stage == "download" else f"make study NAME={place.parent.name}"
        print(
            f"warning: {place} was made from other files than are now in {path}, which DVC does not watch; "
            f"`dvc repro --force --single-item {stage}`, then `{again}`, reads them again",
            file=sys.stderr,
        )


def track(
    store: Store,
    folder: Path,
    tags: dict[str, str],
    read: Reader = pipeline_results.read_result,
    *,
    ask: bool = False,
) -> None:
    """Records the result in `folder` if it is whole and new; a store that cannot be had is a warning, no error.

    The tags say how it came about. `ask` is to ask the store itself, even if it is known to have the result.
    """
    try:
        result = read(folder)
    except IncompleteError as reason:
        print(f"track: nothing to record from {folder.resolve()}: {reason}")
        return
    if not ask and store.holds(result.key):
        return
    try:
        run = store.record(result, tags)
    except Exception as error:
        # By name, as neither library is imported yet when there is nothing to do.
        if not isinstance(error, OSError | StoreError) and type(error).__module__.split(".")[0] not in LIBRARIES:
            raise
        message = store.hide(" ".join(str(error).split()))[:300]
        print(f"warning: MLflow at {store.hide(store.uri)} did not take the result: {message}", file=sys.stderr)
        hint = "the result is whole; the same command again, or `python -m stages.track --all`, records it"
        print(f"warning: {hint}", file=sys.stderr)
        return
    if run:
        print(f"track: recorded as run {run} in {store.hide(store.uri)}")


def _root() -> Path:
    # In `dvc exp run --temp` and `--queue` we are in a copy of the work tree; DVC_ROOT is the original.
    return Path(os.environ.get("DVC_ROOT", "."))
