"""track: records the result in MLflow exactly once, whichever way it came about.

Runs at the end of every `dvc repro` and costs next to nothing when the result is known. With `--all` it records every
result that can still be found: those of all DVC experiments kept in git, the last commit's, the work tree's, and those
whose artefacts are still in `mlruns`.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages import command, own_files
from stages.command import InputError
from stages.git import experiments, git
from stages.results import FILES, IncompleteError, load_yaml, read_result
from stages.runs import Store, StoreError

PIPELINES = ("dvc.yaml", "sweep/dvc.yaml")
LIBRARIES = ("mlflow", "sqlalchemy")  # whose exceptions mean that the store cannot be had


def main() -> None:
    """Reads what DVC versions; writes to the MLflow store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="record every result that can still be found")
    everything = parser.parse_args().all
    check_sections()
    check_own_files()
    # In `dvc exp run --temp` and `--queue` we are in a copy of the work tree; DVC_ROOT is the original.
    root = Path(os.environ.get("DVC_ROOT", "."))
    store = Store(root)
    if not everything:
        track(store, Path(), _tags_of_this_run())
        return
    # First where it is known how a result came about, then what remains.
    for revision, tags in _revisions():
        with _checkout(revision) as folder:
            track(store, folder, tags, ask=True)
    track(store, Path(), _tags_of_this_run(), ask=True)
    for folder in sorted((root / "mlruns").glob("*/*/artifacts")):
        track(store, folder, {}, ask=True)


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


def track(store: Store, folder: Path, tags: dict[str, str], *, ask: bool = False) -> None:
    """Records the result in `folder` if it is whole and new; a store that cannot be had is a warning, no error.

    Args:
        store: Where to.
        folder: Where the files of the result are.
        tags: How it came about.
        ask: Whether to ask the store itself, even if the result is known to have been recorded.
    """
    try:
        result = read_result(folder)
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
        hint = "the result is whole; the next `dvc repro`, or `python -m stages.track --all`, records it"
        print(f"warning: {hint}", file=sys.stderr)
        return
    if run:
        print(f"track: recorded as run {run} in {store.hide(store.uri)}")


def _tags_of_this_run() -> dict[str, str]:
    tags = {"mlflow.source.name": "dvc repro", "mlflow.source.type": "LOCAL"}
    commit = git("rev-parse", "HEAD")
    if commit:
        tags["mlflow.source.git.commit"] = commit[0]
    if name := os.environ.get("DVC_EXP_NAME"):
        tags |= {"dvc.exp.name": name, "mlflow.source.name": "dvc exp run"}
    if baseline := os.environ.get("DVC_EXP_BASELINE_REV"):
        tags["dvc.exp.baseline"] = baseline
    return tags


def _revisions() -> Iterator[tuple[str, dict[str, str]]]:
    for (baseline, name), commit in experiments().items():
        tags = {"dvc.exp.name": name, "dvc.exp.baseline": baseline}
        yield commit, {**tags, "mlflow.source.git.commit": baseline, "mlflow.source.name": "dvc exp run"}
    for commit in git("rev-parse", "HEAD"):
        yield commit, {"mlflow.source.git.commit": commit, "mlflow.source.name": "dvc repro"}


@contextmanager
def _checkout(revision: str) -> Iterator[Path]:
    """The files of the result in a commit, from git and DVC's cache, in a temporary folder."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexError

    with tempfile.TemporaryDirectory() as folder:
        files = DVCFileSystem(rev=revision)
        for path in FILES:
            target = Path(folder) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                files.get(path, str(target), recursive=True)
            except (OSError, DvcException, DataIndexError):
                print(f"track: {revision[:7]} lacks {path} in git and in DVC's cache", file=sys.stderr)
        yield Path(folder)


if __name__ == "__main__":
    command.run(main, check=False)
