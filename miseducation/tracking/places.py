"""Where results can be found, and what is known of how they came about."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from miseducation.project.git import experiments, git
from miseducation.project.messages import shown
from miseducation.tracking import checks
from miseducation.tracking.checkout import Checkout
from miseducation.tracking.checks import IncompleteError


class Place(NamedTuple):
    """A folder that may hold results.

    Attributes:
        folder: Where they are.
        tags: How they came about.
        name: What to call it: the folder may be a copy that does not last.
    """

    folder: Path
    tags: dict[str, str]
    name: str


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


def places(root: Path, locks: Iterable[str]) -> Iterator[Place]:
    """Folders that may hold results, first those where it is known how these came about, then what remains.

    They are looked for from the main work tree, `root`; in `locks` DVC records the results. What is malformed is told,
    and passed over.
    """
    for commit, tags, name in _revisions():
        with tempfile.TemporaryDirectory() as folder:
            checkout = Checkout(commit, Path(folder), _cache(Path.cwd()))
            for lock in locks:
                with passing_over(name):
                    checkout.get(lock)
            yield Place(checkout.folder, tags, name)
    yield Place(Path(), tags_of_this_run(), str(Path().resolve()))
    for artefacts in sorted((root / "mlruns").glob("*/*/artifacts")):
        yield Place(artefacts, {}, str(artefacts))


@contextmanager
def passing_over(name: str) -> Iterator[None]:
    """Tells why there is nothing to record from a place."""
    try:
        yield
    except (IncompleteError, OSError) as error:  # the latter where it is not ours to see
        print(f"track: nothing to record from {name}: {error.strerror if isinstance(error, OSError) else error}")


def _revisions() -> Iterator[tuple[str, dict[str, str], str]]:
    for (baseline, name), commit in experiments().items():
        tags = {"dvc.exp.name": name, "dvc.exp.baseline": baseline}
        tags |= {"mlflow.source.git.commit": baseline, "mlflow.source.name": "dvc exp run"}
        with passing_over(f"experiment {shown(name)}"):
            checks.called(name)
            yield commit, tags, f"experiment {name}"
    for commit in git("rev-parse", "HEAD"):
        tags = {"mlflow.source.git.commit": commit, "mlflow.source.name": "dvc repro"}
        yield commit, tags, f"commit {commit[:7]}"


@lru_cache(maxsize=1)
def _cache(root: Path) -> Any:
    from dvc.repo import Repo

    return Repo(root).cache.local
