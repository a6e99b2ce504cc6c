"""All engines give the same results, and lose none when a process or a node dies."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from stages import parts
from stages.command import InputError
from stages.engines import Engine
from tests.conftest import Project
from tests.sweeps import SWEEP, process, stable, sweeping, swept_project, table, wait_for


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return swept_project(tmp_path_factory.mktemp("swept"))


def again(project: Project, **environment: str) -> str:
    """Sweeps once more, from nothing."""
    for path in (project.folder / ".dvc/tmp").glob("sweep.db*"):
        path.unlink()
    before = project.environment
    project.environment = before | environment
    try:
        return project("python", "-m", "stages.sweep")
    finally:
        project.environment = before


@pytest.mark.parametrize("engine", parts.names("engines"))
def test_every_engine_gives_the_same_bytes(swept: Project, engine: str) -> None:
    pytest.importorskip(engine)
    assert parts.find("engines", engine, Engine, "ENGINE").__doc__
    wanted, times = stable(swept), table(swept, "sweep_timing")
    assert f"sweep on {engine}" in again(swept, SWEEP_ENGINE=engine)
    assert stable(swept) == wanted
    assert (table(swept, "sweep_timing")["seconds"] != times["seconds"]).all(), "nothing was trained"


def test_one_process_gives_the_same_bytes_as_several(swept: Project) -> None:
    wanted = stable(swept)
    again(swept, LOKY_MAX_CPU_COUNT="1")
    assert stable(swept) == wanted


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, loopback has one address")
def test_a_node_killed_in_mid_sweep_costs_no_result(swept: Project, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    project, port = sweeping(tmp_path / "nodes"), free_port()
    secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    with (
        # Not in tmp_path, as the paths of Unix sockets may have 107 characters only.
        TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as scratch,
        node("127.0.0.2", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}", **secret),
        node("127.0.0.3", f"--address=127.0.0.2:{port}", **secret) as second,
    ):
        project.environment |= {"SWEEP_ENGINE": "ray", "RAY_ADDRESS": f"127.0.0.2:{port}", **secret}
        with subprocess.Popen(
            SWEEP,
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pipeline:
            process(pipeline.pid, "stages.sweep")
            wait_for(lambda: busy(second))
            kill(second)
            output, _ = pipeline.communicate(timeout=300)
        assert pipeline.returncode == 0, output
        assert "cells failed" not in output
    assert stable(project) == stable(swept)


def test_a_cluster_that_is_not_there_is_told(swept: Project) -> None:
    pytest.importorskip("ray")
    before = swept.environment
    swept.environment = before | {"SWEEP_ENGINE": "ray", "RAY_ADDRESS": f"127.0.0.1:{free_port()}"}
    swept.set_params(sweep={"seeds": [5]})
    output = swept("python", "-m", "stages.sweep", fails=True)
    swept.environment = before
    swept("git", "checkout", "--quiet", "params.yaml")
    assert "error: the Ray cluster at RAY_ADDRESS = '127.0.0.1:" in output
    assert "Traceback" not in output


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = parts.find("engines", "ray", Engine, "ENGINE")()
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
