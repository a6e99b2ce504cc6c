"""track: records the result in MLflow exactly once, whichever way it came about.

Runs at the end of every `dvc repro` and costs next to nothing when the result is known. With `--all` it records every
result that can still be found, those of sweeps and comparisons included: of all DVC experiments kept in git, the last
commit's, the work tree's, and those whose artefacts are still in `mlruns`.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from stages import command, own_files
from stages.command import InputError
from stages.comparison_results import COMPARISON_LOCK, read_comparison
from stages.pipeline_results import LOCK, read_result
from stages.places import places, tags_of_this_run
from stages.recorder import StoreError
from stages.results import IncompleteError, Result, load_yaml
from stages.runs import Store
from stages.sweep_results import SWEEP_LOCK, read_sweep

PIPELINES = ("dvc.yaml", "accounts/dvc.yaml", "comparison/dvc.yaml", "sweep/dvc.yaml")
LIBRARIES = ("mlflow", "sqlalchemy")  # whose exceptions mean that the store cannot be had
Reader: TypeAlias = Callable[[Path], Result]
READERS: dict[str, Reader] = {LOCK: read_result, SWEEP_LOCK: read_sweep, COMPARISON_LOCK: read_comparison}


def main() -> None:
    """Reads what DVC versions; writes to the MLflow store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="record every result that can still be found")
    if not parser.parse_args().all:
        track_here(read_result)
        return
    check_sections()
    check_own_files()
    store = Store(_root())
    for folder, tags in places(store.root, READERS):
        for lock, read in READERS.items():
            if (folder / lock).is_file():
                track(store, folder, tags, read, ask=True)


def track_here(read: Reader) -> None:
    """Records the result in the work tree."""
    check_sections()
    check_own_files()
    track(Store(_root()), Path(), tags_of_this_run(), read)


def check_sections() -> None:
    """Refuses a section of `params.yaml` that no stage reads.

    It is a typing error, and the one mistake for which no stage would run and complain. Hence it is looked for here,
    in the stage that always runs.

    Raises:
        InputError: Names the section and the known ones.
    """
    stages = [stage for path in PIPELINES for stage in load_yaml(Path(path))["stages"].values()]
    entries = [entry for stage in stages for entry in stage.get("do", stage).get("params", [])]
    known = {entry.partition(".")[0] for entry in entries}
    for section in load_yaml(Path("params.yaml")):
        if section not in known:
            raise InputError(f"params.yaml: {section} is not a known section; known: {', '.join(sorted(known))}")


def check_own_files() -> None:
    """Warns if the user's own files are not those that `data/raw` was made from: DVC would not notice."""
    if path := own_files.changed(Path("data/raw/source.json"), load_yaml(Path("params.yaml"))):
        print(
            f"warning: data/raw was made from other files than are now in {path}, which DVC does not watch; "
            "`dvc repro --force --single-item download`, then `dvc repro`, reads them again",
            file=sys.stderr,
        )


def track(store: Store, folder: Path, tags: dict[str, str], read: Reader = read_result, *, ask: bool = False) -> None:
    """Records the result in `folder` if it is whole and new; a store that cannot be had is a warning, no error.

    Args:
        store: Where to.
        folder: Where the files of the result are.
        tags: How it came about.
        read: Reads it.
        ask: Whether to ask the store itself, even if the result is known to have been recorded.
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
        message = store.hide(" ".join(str(error).split())[:300])
        print(f"warning: MLflow at {store.hide(store.uri)} did not take the result: {message}", file=sys.stderr)
        hint = "the result is whole; the same command again, or `python -m stages.track --all`, records it"
        print(f"warning: {hint}", file=sys.stderr)
        return
    if run:
        print(f"track: recorded as run {run} in {store.hide(store.uri)}")


def _root() -> Path:
    # In `dvc exp run --temp` and `--queue` we are in a copy of the work tree; DVC_ROOT is the original.
    return Path(os.environ.get("DVC_ROOT", "."))


if __name__ == "__main__":
    command.run(main, check=False)
