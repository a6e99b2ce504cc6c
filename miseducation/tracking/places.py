"""Where results can be found, and what is known of how they came about."""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from miseducation.project.git import experiments, git
from miseducation.tracking.results import copied, read_lock, read_outputs


def tags_of_this_run() -> dict[str, str]:
    """Commit and experiment of the pipeline that we are a stage of."""
    tags = {"mlflow.source.name": "dvc repro", "mlflow.source.type": "LOCAL"}
    if commit := git("rev-parse", "HEAD"):
        tags["mlflow.source.git.commit"] = commit[0]
    if name := os.environ.get("DVC_EXP_NAME"):
        tags |= {"dvc.exp.name": name, "mlflow.source.name": "dvc exp run"}
    if baseline := os.environ.get("DVC_EXP_BASELINE_REV"):
        tags["dvc.exp.baseline"] = baseline
    return tags


def places(root: Path, locks: Iterable[str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Folders that may hold results, and how these came about; first those where it is known, then what remains.

    They are looked for from the main work tree, `root`; in `locks` DVC records the results.
    """
    for revision, tags in _revisions():
        with _checkout(revision, locks) as folder:
            yield folder, tags
    yield Path(), tags_of_this_run()
    for folder in sorted((root / "mlruns").glob("*/*/artifacts")):
        yield folder, {}


def _revisions() -> Iterator[tuple[str, dict[str, str]]]:
    for (baseline, name), commit in experiments().items():
        tags = {"dvc.exp.name": name, "dvc.exp.baseline": baseline}
        yield commit, {**tags, "mlflow.source.git.commit": baseline, "mlflow.source.name": "dvc exp run"}
    for commit in git("rev-parse", "HEAD"):
        yield commit, {"mlflow.source.git.commit": commit, "mlflow.source.name": "dvc repro"}


@contextmanager
def _checkout(revision: str, locks: Iterable[str]) -> Iterator[Path]:
    """The files of the results in a commit, from git and DVC's cache, in a temporary folder."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexError

    with tempfile.TemporaryDirectory() as name:
        folder, files = Path(name), DVCFileSystem(rev=revision)
        for lock in filter(files.isfile, locks):
            _get(files, lock, folder)
            _, *others = copied(lock, read_outputs(read_lock(folder, lock)))
            for path in others:
                try:
                    _get(files, path, folder)
                except (OSError, DvcException, DataIndexError):
                    print(f"track: {revision[:7]} lacks {path} in git and in DVC's cache", file=sys.stderr)
        yield folder


def _get(files: Any, path: str, folder: Path) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    files.get(path, str(target), recursive=True)
