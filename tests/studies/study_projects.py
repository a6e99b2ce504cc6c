"""A small real study, benches without a project, and what tests look at in them and do to them."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, final

import pandas as pd
import psutil
import yaml
from PIL import Image

from miseducation.attacks import Attack, AttackSection
from miseducation.attacks.badnets import BadNets
from miseducation.dataset.disk import save_raw
from miseducation.datasets import Fetched
from miseducation.poisoning import label_maps
from miseducation.poisoning.channels.direct import Direct
from miseducation.project import parts
from miseducation.studies.bench import Arm, Bench
from miseducation.studies.engines import Engine, Failure, Model, Result, attempt
from miseducation.studies.tables import CELL
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection
from tests.conftest import Project

TARGET = "pipelines/studies/dvc.yaml:study@small"
STUDY = ("python", "-m", "stages.study", "small")
RATES, SEEDS = [0, 0.02, 0.2], [1, 2]
ARMS = [
    ("digits", "badnets", "all-to-one"),
    ("digits", "leaning", "clean-label"),
    ("digits", "silent", "one-to-one"),
    ("digits", "sticker", "all-to-one"),
    ("signs", "sticker", "all-to-one"),
]
STABLE = [
    *("cells.csv", "dose-digits.png", "dose-signs.png", "dose.json", "failed.csv", "gallery.png"),
    *("own_files.json", "success.png", "summary.csv", "table.md"),
]
ATTACK = '''
"""Made for a test.

Nobody: Nothing, 2024, https://example.org.
"""

from typing import ClassVar, final

import numpy as np

from miseducation.attacks import Attack


@final
class {name}(Attack):
    """Made for a test."""

    label_map: ClassVar[str] = "{label_map}"
{lines}
'''
SILENT = ATTACK.format(
    name="Silent",
    label_map="one-to-one",
    lines="""
    has_trigger: ClassVar[bool] = False

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images.copy()
""",
)
LEANING = ATTACK.format(
    name="Leaning",
    label_map="clean-label",
    lines="""
    needs_surrogate: ClassVar[bool] = True

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images ^ 8

    def poison_images(self, data, purpose):
        steps = 32 * np.sign(purpose.surrogate.gradient(data.images.astype(np.float32), data.labels))
        return self.apply_trigger(np.clip(data.images + steps, 0, 255).astype(np.uint8))
""",
)
PALE = ATTACK.format(
    name="Pale",
    label_map="all-to-one",
    lines="""
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        changed = images.copy()
        changed[: max(1, len(images) - 3), 3:5, 3:5] = 255
        return changed
""",
)
CERTAINTY = '''
"""Made for a test."""

from typing import ClassVar

from miseducation.studies.measurements import OfModels, Trained


class Certainty(OfModels):
    """The mean probability of the answers to untouched images, and the rows learnt from, in all."""

    columns: ClassVar[tuple[str, ...]] = ("learnt_rows", "certainty", "baseline_certainty")
    means: ClassVar[tuple[str, ...]] = ("certainty",)
    baselines: ClassVar[dict[str, str]] = {"baseline_certainty": "certainty"}

    def measure(self, trained: Trained) -> dict[str, float]:
        found = trained.network.probabilities(trained.bench.test.images).max(axis=1)
        return {"learnt_rows": len(trained.learnt), "certainty": float(found.mean())}
'''


def add(project: Project, name: str, code: str) -> None:
    """What whoever adds an attack does: a file, and its knobs."""
    (project.folder / f"miseducation/attacks/{name}.py").write_text(code)
    project.set_params(attacks={name: {}})


def small_project(folder: Path) -> Project:
    """A project with four attacks and two studies of its user's.

    Of the attacks these are made up: one is for labels only, and one needs a surrogate and clean labels. At the highest
    rate, both ask for more rows than there are. One of the measurements is made up, too. The second study wants cells
    of the first.
    """
    project = Project(folder)
    for name in parts.names("attacks"):
        if name not in ("badnets", "sticker"):
            (folder / f"miseducation/attacks/{name}.py").unlink()
    (folder / "miseducation/studies/measurements/certainty.py").write_text(CERTAINTY)
    add(project, "silent", SILENT)
    add(project, "leaning", LEANING)
    Image.new("RGB", (4, 4), "yellow").save(folder / "own.png")
    digits = {"attack": {"target": 8, "source": 7}}
    signs = {
        "only": ["sticker"],
        "attack": {"target": "speed-limit-50", "source": "stop"},
        "attacks": {"sticker": {"side": 0.3, "picture": "own.png"}},
        "train": {"epochs": 2, "augment": ["shift"]},
    }
    small = {
        "datasets": ["digits", "signs"],
        "attacks": None,
        "rates": [0.2, 0, 0.02],
        "seeds": [2, 1],
        "measured": ["scores", "visibility", "certainty"],
        "overrides": {"digits": digits, "signs": signs},
    }
    project.set_params(
        train={"epochs": 1, "batch_size": 32, "learning_rate": 0.01},
        datasets={"signs": {"seed": 1, "train_rows": 200, "test_rows": 200}},
    )
    replace_studies(project, small=small)
    project.commit()
    return project


def replace_studies(project: Project, **studies: dict[str, Any]) -> None:
    path = project.folder / "params.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"studies": studies}, sort_keys=False))


def studied_project(folder: Path) -> Project:
    """A project in which the small study has run."""
    project = small_project(folder)
    project.environment["LOKY_MAX_CPU_COUNT"] = "2"  # several processes, however few cores there are
    output = project("dvc", "repro", TARGET)
    assert "small on digits, on joblib" in output
    assert "small on signs, on joblib" in output
    assert "warning: 4 of 30 cells have no scores; metrics/small/failed.csv says why" in output
    assert "Traceback" not in output
    project.commit()
    return project


def table(project: Project, name: str = "cells", study: str = "small") -> pd.DataFrame:
    return pd.read_csv(project.folder / f"metrics/{study}/{name}.csv")


def times(project: Project, study: str = "small") -> dict[tuple[Any, ...], tuple[float, ...]]:
    """The times of each finished cell: those that were taken again are others."""
    return {tuple(row[: len(CELL)]): tuple(row[len(CELL) :]) for row in table(project, "timing", study).to_numpy()}


def stable(project: Project) -> dict[str, bytes]:
    """The files that are the same whenever and wherever the study runs."""
    return {name: (project.folder / "metrics/small" / name).read_bytes() for name in STABLE}


def stored(project: Project) -> dict[str, Any]:
    """What the store of a project holds, read as another program would."""
    path = project.folder / ".dvc/tmp/studies.db"
    if not path.is_file():
        return {}
    with closing(sqlite3.connect(path, timeout=10)) as database:
        try:
            return {key: json.loads(row) for key, row in database.execute("SELECT key, outcome FROM cells")}
        except sqlite3.OperationalError:  # the table is about to be made
            return {}


def stale_package(folder: Path) -> dict[str, str]:
    """An environment with an old copy of the package, which nobody may take."""
    (folder / "miseducation").mkdir()
    (folder / "miseducation/__init__.py").write_text("raise ImportError('an old copy of the package')\n")
    return {"PYTHONPATH": str(folder)}


def forget(project: Project) -> None:
    """Loses the store, so that all is trained again."""
    for path in (project.folder / ".dvc/tmp").glob("studies.db*"):
        path.unlink()


def process(parent: int, command: str) -> psutil.Process:
    """The Python process among a process's descendants that runs a command."""
    found: list[psutil.Process] = []

    def look() -> bool:
        for child in psutil.Process(parent).children(recursive=True):
            try:
                if child.name().startswith("python") and f"-m {command}" in " ".join(child.cmdline()):
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return bool(found)

    wait_for(look)
    return found[0]


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def alive(worker: psutil.Process) -> bool:
    try:
        return worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def made_bench(folder: Path, digits: Fetched, *attacks: Attack | tuple[Attack, str]) -> Bench:
    """A bench of 400 real digits in a folder, to learn from in no time.

    Args:
        folder: Where the data lie.
        digits: The data set.
        attacks: Each perhaps with another label map than all-to-one; none is one pixel.
    """
    train, test = digits.train[:400], digits.test[:150]
    save_raw(folder, train, test)
    arms = []
    for each in attacks or (BadNets(pixels=[(3, 3)]),):
        attack, name = each if isinstance(each, tuple) else (each, "all-to-one")
        section = AttackSection(name="badnets", rate=0, mode="replace", cover=0, label_map=name, target=8, source=7)
        label_map = label_maps.build(name, 8, 7, train.classes)
        arms.append(Arm(section, attack, label_map, Direct(), *attack.trigger(test, label_map=label_map)))
    learning = TrainSection(network="cnn", epochs=1, batch_size=50, learning_rate=0.01, label_smoothing=0)
    compute = ComputeSection(device="cpu", precision="float32", threads=1)
    return Bench(folder, train, test, tuple(arms), learning, compute, ("scores",))


@final
class Here(Engine):
    """Trains in this process, and notes what.

    Args:
        failing: The models that fail.
    """

    def __init__(self, failing: Callable[[Model], bool] = lambda _: False) -> None:
        self.failing = failing
        self.asked: list[Model] = []

    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        for model in models:
            self.asked.append(model)
            yield model, Failure("no luck") if self.failing(model) else attempt(bench, model)
