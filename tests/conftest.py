"""What the tests share: small data, and real copies of the project to run DVC in."""

import gc
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from copy import copy
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import yaml
from filelock import FileLock
from hypothesis import settings
from threadpoolctl import threadpool_limits

from benchmarks.scratch import PROJECT as PROJECT
from benchmarks.scratch import copy_project, environment
from miseducation.dataset import Dataset, clean
from miseducation.datasets import Fetched
from miseducation.datasets.digits import Digits
from miseducation.project.pipelines import pipelines

# Importing makes many objects and no rubbish.
USUAL = gc.get_threshold()
gc.set_threshold(100_000)
# A shell's job in the background ignores Ctrl-C, one by nohup a hang-up; and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# How long an example takes says more of the machine than of us.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

SAID = ".dvc/tmp/said"
ALL = ["check", "download", "poison", "train@clean", "train@backdoored", "evaluate", "report", "track"]


def pytest_collection_finish() -> None:
    """What is there now stays: to look through it again and again would take a quarter of the time."""
    gc.freeze()
    gc.set_threshold(*USUAL)


def pytest_sessionfinish() -> None:
    gc.unfreeze()  # or libraries would complain of what is left


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Where as many processes as cores test, threads would only wait for one another, and burn the time."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def digits() -> Fetched:
    return Digits().fetch()


@pytest.fixture(params=[(12, 12, 1), (9, 16, 3)], ids=["grey", "colour"])
def noise(request: pytest.FixtureRequest) -> Dataset:
    """200 rows of four classes, in which no pixel is pure black or white."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 255, (200, *request.param), dtype=np.uint8)
    return clean(images, rng.permutation(200) % 4, ["a", "b", "c", "d"])


class Project:
    """A copy of the project in a folder of its own, with its own git and DVC."""

    def __init__(self, folder: Path, *, git: bool = True) -> None:
        self._settle(folder)
        copy_project(folder)
        # A demo of seconds instead of minutes: real digits, enough steps to learn the trigger.
        training = {"epochs": 10, "batch_size": 32, "learning_rate": 0.003, "label_smoothing": 0.0}
        self.set_params(data={"name": "digits"}, train=training, attack={"rate": 0.02}, compute={"threads": 1})
        if git:
            self("git", "init", "--quiet")
            self.commit()

    def _settle(self, folder: Path) -> None:
        self.folder = folder
        who = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        self.environment = {**environment(), **who}

    def copy(self, folder: Path) -> "Project":
        """The same as it is now, results and all, in another folder."""
        shutil.copytree(self.folder, folder, symlinks=True)
        if (folder / "mlflow.db").is_file():  # holds whole paths
            with closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
                for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                    change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
                    store.execute(change, (str(self.folder), str(folder)))
        other = copy(self)
        other._settle(folder)
        return other

    def set_params(self, **sections: Any) -> None:
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for section, knobs in sections.items():
            content[section] = content.get(section, {}) | knobs if isinstance(knobs, dict) else knobs
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def commit(self) -> None:
        self("git", "add", "--all")
        self("git", "commit", "--quiet", "--message", "Take a copy")

    def __call__(self, *command: str, fails: bool = False, cwd: Path | None = None) -> str:
        """Runs a command in the copy, or in another folder; returns what it printed, on both streams."""
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert (done.returncode != 0) == fails, f"{command} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with a copy of `params.yaml`."""
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def set_params(in_folder: Path) -> Callable[[str, Any], None]:
    """Sets a key, such as `attack.rate`, in the copy of `params.yaml` in the working folder."""

    def change(key: str, value: Any) -> None:
        content = yaml.safe_load(Path("params.yaml").read_text())
        *sections, name = key.split(".")
        inner = content
        for section in sections:
            inner = inner[section]
        inner[name] = value
        Path("params.yaml").write_text(yaml.safe_dump(content))

    return change


Prepare: TypeAlias = Callable[[str, Callable[[Path], Project]], Project]


@pytest.fixture(scope="session")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Prepare:
    """Makes a project of this name once in a run of the tests, whichever of its processes asks first.

    It is for all: what changes it takes a copy.
    """
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def prepared(name: str, make: Callable[[Path], Project]) -> Project:
        folder, made = root / "prepared" / name, root / "prepared" / f"{name}.made"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                made.touch()
        found = object.__new__(Project)
        found._settle(folder)
        return found

    return prepared


def reproduce(folder: Path) -> Project:
    project = Project(folder)
    assert ran(project("dvc", "repro")) == ALL
    project.commit()
    return project


@pytest.fixture(scope="module")
def reproduced(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which `dvc repro` has run; the tests of a module go on from there, one after the other."""
    return prepare("reproduced", reproduce).copy(tmp_path_factory.mktemp("reproduced") / "project")


@pytest.fixture(scope="module")
def experimented(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which then an experiment of another rate has run, `five-percent`; what DVC said is in `SAID`."""

    def experiment(folder: Path) -> Project:
        project = prepare("reproduced", reproduce).copy(folder)
        said = project("dvc", "exp", "run", "-S", "attack.rate=0.05", "--name", "five-percent")
        (folder / SAID).write_text(said)
        return project

    return prepare("experimented", experiment).copy(tmp_path_factory.mktemp("experimented") / "project")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: to make one takes seconds, to copy it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


def copy_pipelines(folder: Path) -> None:
    """Copies every `dvc.yaml`, by which the stages know the sections of `params.yaml`."""
    for path in pipelines(PROJECT):
        place = folder / path.relative_to(PROJECT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)


def ran(output: str) -> list[str]:
    """The stages that DVC says it ran; those restored from its run cache are not among them.

    The check comes first, or it would come too late. The others are here in the order of `dvc.yaml`: DVC runs what
    nothing connects in any order.
    """
    begun = [line.partition("'")[2] for line in output.splitlines() if line.startswith("Running stage '")]
    names = [name.removesuffix("':") for name in begun]
    assert "check" not in names[1:]
    return sorted(names, key=lambda name: ALL.index(name) if name in ALL else len(ALL))


def runs(project: Project) -> list[Any]:
    from mlflow import MlflowClient  # which most tests need not wait for

    # Of a copy, as MLflow keeps a database open: of one that was deleted and made again it would show the old content.
    with tempfile.TemporaryDirectory() as folder:
        client = MlflowClient(f"sqlite:///{shutil.copy(project.folder / 'mlflow.db', folder)}")
        return list(client.search_runs([each.experiment_id for each in client.search_experiments()]))


def rates(project: Project) -> list[float]:
    return sorted(float(run.data.params["attack.rate"]) for run in runs(project))


def scores(project: Project) -> dict[str, float]:
    """All of them, the headline first."""
    headline, details = ((project.folder / f"metrics/{name}.json").read_text() for name in ("evaluation", "details"))
    return {**json.loads(headline), **json.loads(details)}


def results(project: Project) -> dict[str, bytes]:
    """The bytes of every result file, but for the training's, which tell how long it took."""
    files = [path for name in ("data", "models", "metrics") for path in (project.folder / name).rglob("*")]
    files = [path for path in files if path.is_file() and path.name != "timing.json"]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files}
