"""One model, trained by as many processes as it takes: what this one does of that. Others are in `test_distributed`."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from miseducation.dataset import Dataset, clean
from miseducation.dataset.images import Images
from miseducation.errors import InputError
from miseducation.training import distributed, fitting, ranks, together
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection, learn
from miseducation.training.together import Trained

CPU = torch.device("cpu")
COMPUTE = ComputeSection(device="cpu", precision="bfloat16", threads=2)
COMMAND = ("-m", "stages.train", "clean")


def section(**knobs: Any) -> TrainSection:
    usual = {"network": "cnn", "epochs": 2, "batch_size": 8, "learning_rate": 0.01, "label_smoothing": 0.1}
    return TrainSection(**{**usual, **knobs})


def noise(rows: int = 16) -> Dataset[Any]:
    rng = np.random.default_rng(0)
    return clean(rng.integers(0, 256, (rows, 12, 12, 1), dtype=np.uint8), np.arange(rows) % 3, list("abc"))


def train(data: Dataset[Images] | None = None, **knobs: Any) -> Trained | None:
    return together.train(section(**knobs), COMPUTE, data or noise(), seed=5, title="clean", command=COMMAND)


def alone(**knobs: Any) -> tuple[dict[str, torch.Tensor], list[fitting.Epoch]]:
    """Weights and history, by `learn`."""
    network, history = learn(section(**knobs), noise(), seed=5, device=CPU, precision=torch.bfloat16)
    return network.state_dict(), history


def same(network: torch.nn.Module, weights: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(each, weights[name]) for name, each in network.state_dict().items())


@pytest.fixture
def rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is the only rank of a group."""
    told = {"RANK": "0", "WORLD_SIZE": "1", ranks.MEETING: f"file://{tmp_path}/ranks"}
    monkeypatch.setattr(os, "environ", {**os.environ, **told})


def test_one_process_trains_alone_and_tells_what_auto_came_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "start", lambda *_, **__: pytest.fail("there is nobody to start"))
    clock = iter([100.0, 307.5])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    trained = train()
    assert trained is not None
    weights, history = alone()
    assert same(trained.network, weights)
    assert trained.history == history
    assert trained.computed == {
        "device": "cpu",
        "precision": "bfloat16",
        "threads": 2,
        "processes": 1,
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "numpy")},
    }
    assert trained.seconds == 207.5
    shown = capsys.readouterr().err
    assert "train clean on cpu: 100%" in shown
    assert "2/2" in shown
    assert f"accuracy={history[-1].accuracy:.4f}, loss={history[-1].loss:.4f}" in shown


@pytest.mark.usefixtures("rank")
def test_a_rank_joins_its_group_and_trains_whatever_the_knob_says(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(ranks, "start", lambda *_, **__: pytest.fail("torchrun has started all"))
    monkeypatch.setattr(distributed, "check_same", lambda content, device: compared.append(content))
    found = [train(processes=4), train(processes=1, epochs=1)]
    assert not torch.distributed.is_initialized(), "it has left the group"
    for trained, epochs in zip(found, (2, 1), strict=True):
        assert trained is not None
        assert same(trained.network, alone(epochs=epochs)[0])
        assert trained.computed["processes"] == 1
    assert os.environ["GLOO_SOCKET_IFNAME"] == os.environ["NCCL_SOCKET_IFNAME"]
    assert os.environ["GLOO_SOCKET_IFNAME"].startswith("lo"), "on one machine nobody else needs to reach them"

    # All that must be the same in all ranks is compared, and not what may differ.
    train(processes=2)
    assert compared[2] == compared[0] != compared[1]
    together.train(section(), COMPUTE, noise(), seed=6, title="clean", command=COMMAND)
    together.train(section(), COMPUTE, noise(), seed=5, title="backdoored", command=COMMAND)
    together.train(section(), COMPUTE, noise(15), seed=5, title="clean", command=COMMAND)
    assert len(set(compared)) == 5


@pytest.mark.parametrize("number", [0, 1])
def test_only_the_first_rank_has_the_model_and_shows_its_progress(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ranks, "number", lambda: number)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert (train() is None) == (number > 0)
    assert ("train clean" in capsys.readouterr().err) == (number == 0)


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_are_started_with_the_same_command(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(ranks, "start", lambda *command, processes: started.append((command, processes)))
    assert train(processes=processes) is None
    assert started == [(COMMAND, processes)]


@pytest.mark.parametrize(
    ("rows", "knobs", "message"),
    [
        (5, {"processes": 3}, "the training set has 5 rows; 3 processes need 6, two for each"),
        (1, {}, "the training set has 1 rows; 1 processes need 2, two for each"),
    ],
)
def test_too_few_rows_are_refused_before_any_process_starts(
    rows: int, knobs: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "start", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(InputError, match=f"^{message}$"):
        train(noise(rows), **knobs)


def test_torchrun_may_ask_for_more_processes_than_a_batch_has_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "count", lambda: 5)
    with pytest.raises(InputError, match=r"^train.batch_size has 8 rows; 5 processes need 10, two for each$"):
        train()
    monkeypatch.setattr(ranks, "count", lambda: 4)
    monkeypatch.setattr(distributed, "check_device", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train()


@pytest.mark.parametrize(("local", "processes", "expected"), [(0, 3, 3), (2, 1, 2)])
def test_a_device_is_wanted_for_each_process_on_this_machine(
    local: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ranks, "local_count", lambda: local)
    monkeypatch.setattr(ranks, "start", lambda *_, **__: None)
    monkeypatch.setattr(distributed, "check_device", lambda *arguments: asked.append(arguments))
    train(processes=processes)
    assert asked == [(CPU, expected)]
