"""All engines give the same results, and lose none when a process or a node dies."""

import importlib
import json
import os
import pickle
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import pytest
from joblib.externals.loky import get_reusable_executor

from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.engines import Engine, Failure, Model
from tests.conftest import PROJECT, Prepare, Project
from tests.hostile.test_interruptions import press_ctrl_c
from tests.studies.study_projects import (
    STUDY,
    Here,
    forget,
    made_bench,
    stable,
    stale_package,
    studied_project,
    wait_for,
)

DIED = Failure("its process died; perhaps there was too little memory")
BROKEN = '''
"""An attack that goes wrong in ways that depend on how many rows it gets."""

import os
from pathlib import Path
from typing import final

import numpy as np

from miseducation.attacks import Attack

DIED = Path(__file__).with_name("died")


@final
class Broken(Attack):
    """With 4 rows it raises, with 8 its process dies, with 12 it dies once."""

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        if len(images) == 4:
            raise RuntimeError("4 is\\nan unlucky number")
        if len(images) == 8 or (len(images) == 12 and not DIED.exists()):
            DIED.touch()
            os.kill(os.getpid(), 9)
        return 255 - images
'''


@pytest.fixture(scope="module")
def studied(prepare: Prepare, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project in which the small study has run."""
    return prepare("studied", studied_project).copy(tmp_path_factory.mktemp("studied") / "project")


def find(name: str) -> Engine:
    return parts.find("engines", name, Engine, "ENGINE")()


@pytest.fixture
def stale(tmp_path: Path) -> dict[str, str]:
    return stale_package(tmp_path)


@pytest.mark.parametrize("engine", parts.names("engines"))
def test_every_engine_says_what_it_is(engine: str) -> None:
    assert find(engine).__doc__


# In a process of its own, as Ray looks but once who may talk to it.
ANOTHER = """
import json, pickle, sys
from pathlib import Path
from miseducation.project import parts
from miseducation.studies.engines import Engine

bench, models = pickle.loads(Path(sys.argv[2]).read_bytes())
results = dict(parts.find("engines", sys.argv[1], Engine, "ENGINE")().run(bench, models))
print(json.dumps([[each["scores"].found for each in results[model]] for model in models]))
"""


# joblib's bytes are what those of a killed cluster are compared with, below; in test_study they are found again.
@pytest.mark.parametrize("engine", [name for name in parts.names("engines") if name != "joblib"])
def test_another_engine_finds_what_this_process_finds(
    engine: str, digits: Fetched, tmp_path: Path, stale: dict[str, str]
) -> None:
    pytest.importorskip(engine)
    bench, models = made_bench(tmp_path / "data", digits), [(Cell(0, rate, 0, 1),) for rate in (0, 0.03)]
    (tmp_path / "bench").write_bytes(pickle.dumps((bench, models)))
    command = [sys.executable, "-c", ANOTHER, engine, str(tmp_path / "bench")]
    told = subprocess.run(command, cwd=PROJECT, env={**os.environ, **stale}, stdout=subprocess.PIPE, check=True).stdout
    here: dict[Model, Any] = dict(Here().run(bench, models))
    assert json.loads(told) == [[each["scores"].found for each in here[model]] for model in models]


@pytest.fixture
def broken(
    digits: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Bench]:
    """A bench with that attack, on as many cores as the test says."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", request.param)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"broken_{request.param}.py").write_text(BROKEN)
    attack = importlib.import_module(f"broken_{request.param}").Broken()
    yield made_bench(tmp_path / "data", digits, attack)
    get_reusable_executor().shutdown(kill_workers=True)


@pytest.mark.parametrize("broken", ["1"], indirect=True)
def test_what_fails_is_told_and_stops_nothing_else(broken: Bench, tmp_path: Path) -> None:
    models = [(Cell(0, rate, 0, 1),) for rate in (0.03, 0.05, 0.0001, 0.02, 0.01, 0)]
    found = dict(find("joblib").run(broken, models))
    assert found.keys() == set(models)
    twice, good, few, died, raised, clean = (found[model] for model in models)
    assert isinstance(few, Failure)
    assert "attack.rate = 0.0001 is less than one of 400 training rows" in few.reason
    assert died == DIED
    assert raised == Failure("RuntimeError: 4 is an unlucky number")
    assert (tmp_path / "died").exists()
    for each in (twice, good, clean):
        assert not isinstance(each, Failure)
        assert [outcomes.keys() for outcomes in each] == [{"scores"}]


@pytest.mark.parametrize("broken", ["2"], indirect=True)
def test_a_process_that_dies_takes_no_other_along(broken: Bench) -> None:
    died, good = (Cell(0, 0.02, 0, 1),), (Cell(0, 0.05, 0, 1),)
    found = dict(find("joblib").run(broken, [died, good]))
    assert found[died] == DIED
    assert not isinstance(found[good], Failure)


SLOW = """
import os
import time
from pathlib import Path
from typing import final

import numpy as np

from miseducation.attacks import Attack


@final
class Slow(Attack):
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        if os.environ["STUDY"] != str(os.getpid()):
            Path("trains").touch()
            time.sleep(60)
        return 255 - images
"""
STAGE = """
import os
from pathlib import Path
from miseducation.project import command, parts

command.listen()

def stage():
    os.environ["STUDY"] = str(os.getpid())
    import slow
    from miseducation.datasets.digits import Digits
    from miseducation.studies.bench import Cell
    from miseducation.studies.engines import Engine
    from tests.studies.study_projects import made_bench

    bench = made_bench(Path("data"), Digits().fetch(), slow.Slow())
    engine = parts.find("engines", "joblib", Engine, "ENGINE")()
    list(engine.run(bench, [(Cell(0, rate, 0, 1),) for rate in (0.03, 0.05)]))

command.run(stage)
"""
# Python starts, and would tell where Ctrl-C met it.
STARTS = """
import sys, time
if "popen_loky" in " ".join(sys.orig_argv):
    open("starts", "w").close()
    time.sleep(0.5)
"""


@pytest.mark.parametrize("moment", ["starts", "trains"])
def test_ctrl_c_in_a_study_is_one_line(moment: str, tmp_path: Path) -> None:
    for name, code in (("slow", SLOW), ("sitecustomize", STARTS)):
        (tmp_path / f"{name}.py").write_text(code)
    path, command = f"{tmp_path}{os.pathsep}{PROJECT}", [sys.executable, "-c", STAGE]
    told = press_ctrl_c(command, tmp_path, moment, PYTHONPATH=path, LOKY_MAX_CPU_COUNT="2")
    assert told == (130, "\ninterrupted\n")


def test_a_study_that_is_left_leaves_nothing_of_ours_behind(digits: Fetched, tmp_path: Path) -> None:
    before = threading.excepthook
    results = find("joblib").run(made_bench(tmp_path, digits), [(Cell(0, rate, 0, 1),) for rate in (0, 0.03, 0.05)])
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.excepthook is before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, loopback has one address")
def test_a_node_killed_in_mid_study_costs_no_result(studied: Project, stale: dict[str, str]) -> None:
    pytest.importorskip("ray")
    wanted, port = stable(studied), free_port()
    forget(studied)
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    there = secret | stale
    with (
        # Not in tmp_path, as the paths of Unix sockets may have 107 characters only.
        TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as scratch,
        node("127.0.0.2", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}", **there),
        node("127.0.0.3", f"--address=127.0.0.2:{port}", **there) as second,
        subprocess.Popen(
            STUDY,
            cwd=studied.folder,
            env={**studied.environment, **there, "STUDY_ENGINE": "ray", "RAY_ADDRESS": f"127.0.0.2:{port}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as driver,
    ):
        wait_for(lambda: busy(second))
        kill(second)
        output, _ = driver.communicate(timeout=300)
    assert driver.returncode == 0, output
    assert "small on digits, on ray" in output
    assert "4 of 30 cells have no scores" in output
    assert stable(studied) == wanted


def test_a_cluster_that_is_not_there_is_told(digits: Fetched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match=r"the Ray cluster at RAY_ADDRESS = '127\.0\.0\.1:.*' cannot be used: "):
        next(find("ray").run(made_bench(tmp_path, digits), [(Cell(0, 0, 0, 1),)]))


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = find("ray")
    monkeypatch.setattr(sys.modules[engine.__module__], "find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install"):
        next(engine.run(None, []))  # type: ignore[arg-type]


@contextmanager
def node(address: str, *options: str, **environment: str) -> Iterator[psutil.Process]:
    """A Ray node with one CPU, at an address of its own on loopback."""
    ray = str(Path(sys.executable).parent / "ray")
    command = [ray, "start", "--node-ip-address", address, "--num-cpus=1", "--block", *options]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as started:
        assert started.stdout
        assert any("Ray runtime started" in line for line in started.stdout)
        this = psutil.Process(started.pid)
        try:
            yield this
        finally:
            kill(this)


def kill(node: psutil.Process) -> None:
    """As if its machine had lost power."""
    if node.is_running():
        everything = [*node.children(recursive=True), node]
        for each in everything:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(everything, 20)


def busy(node: psutil.Process) -> bool:
    """Whether a worker of this node is at work on a model."""
    return any("ray::attempt" in name_of(each) for each in node.children(recursive=True))


def name_of(each: psutil.Process) -> str:
    try:
        return " ".join(each.cmdline())
    except psutil.Error:
        return ""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
