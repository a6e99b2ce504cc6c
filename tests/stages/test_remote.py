"""Results shared as docs/sharing.md says: files through a remote, in an S3 on this machine, experiments through git."""

from collections.abc import Iterator
from copy import copy
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from tests.conftest import Project, ran, rates, results, runs

moto = pytest.importorskip("moto.server")
pytest.importorskip("dvc_s3")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an empty S3 with one bucket, `results`."""
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with urlopen(Request(f"http://{host}:{port}/results", method="PUT"), timeout=60):
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def shared(experimented: Project, s3: str, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after an experiment, with both its results pushed; it has committed its `dvc.lock`."""
    repository = str(tmp_path_factory.mktemp("repository"))
    experimented("git", "init", "--quiet", "--bare", repository)
    experimented("git", "remote", "add", "origin", repository)
    experimented.environment |= {"AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": "hush"}
    add_remote(experimented, s3)
    experimented("dvc", "exp", "push", "--all-commits", "origin")
    experimented("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
    experimented("dvc", "checkout")
    experimented("git", "push", "--quiet", "origin", "HEAD")
    experimented("dvc", "push", "--run-cache")
    return experimented


def add_remote(project: Project, s3: str) -> None:
    project("dvc", "remote", "add", "--local", "--default", "storage", "s3://results/miseducation")
    project("dvc", "remote", "modify", "--local", "storage", "endpointurl", s3)
    assert project("git", "status", "--porcelain", ".dvc") == "", "an address or a secret might be committed"


@pytest.fixture
def clone(shared: Project, s3: str, tmp_path: Path) -> Project:
    """Another's clone, with an empty cache and the same remote."""
    other = copy(shared)
    other.folder = tmp_path / "clone"
    shared("git", "clone", "--quiet", shared("git", "remote", "get-url", "origin").strip(), str(other.folder))
    add_remote(other, s3)
    return other


def test_a_clone_has_the_bytes_and_trains_nothing(shared: Project, clone: Project) -> None:
    clone("dvc", "pull", "--run-cache")
    assert ran(clone("dvc", "repro")) == ["track"]
    assert results(clone) == results(shared)
    assert rates(clone) == [0.02]


def test_without_dvc_lock_the_run_cache_has_the_bytes(shared: Project, clone: Project) -> None:
    clone("git", "rm", "--quiet", "dvc.lock")
    assert "No file hash info found" in clone("dvc", "pull", "--run-cache", fails=True)
    assert ran(clone("dvc", "repro", "--pull")) == ["track"]
    assert results(clone) == results(shared)


def test_an_experiment_arrives_whole_and_is_recorded_once(shared: Project, clone: Project) -> None:
    clone("dvc", "exp", "pull", "--all-commits", "origin")
    for _ in range(2):
        told = clone("python", "-m", "stages.track", "--all")
        assert "lacks metrics/evaluation.json in git and in DVC's cache" in told, "the remote has the last commit's"
    assert rates(clone) == [0.05]
    (run,) = [run for run in runs(clone) if run.data.params["attack.rate"] == "0.05"]
    assert (run.info.run_name, run.data.tags["dvc.exp.name"]) == ("badnets-0.05-seed1", "five-percent")
    clone("dvc", "exp", "apply", "five-percent")
    assert ran(clone("dvc", "repro")) == ["track"]
    assert rates(clone) == [0.05]
    clone("dvc", "pull", "--all-commits")
    clone("python", "-m", "stages.track", "--all")
    assert rates(clone) == [0.02, 0.05]
    shared("dvc", "exp", "apply", "five-percent")
    assert results(clone) == results(shared)
