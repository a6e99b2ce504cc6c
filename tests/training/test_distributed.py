"""Two processes that train together must find what one finds, each time the same, and end together."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import cross_entropy

from benchmarks.scratch import environment
from miseducation import networks
from miseducation.dataset import Dataset
from miseducation.dataset.disk import save_raw
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.training import distributed
from miseducation.training.learning import TrainSection, learn
from tests.conftest import PROJECT, copy_pipelines
from tests.training import rank

TRAINING: dict[str, Any] = {"epochs": 8, "batch_size": 32, "learning_rate": 0.005, "label_smoothing": 0.0}


class Stage:
    """The stage `train` in a folder of its own, without DVC."""

    def __init__(self, folder: Path, train: Dataset, test: Dataset) -> None:
        self.folder = folder
        copy_pipelines(folder)
        save_raw(folder / "data/raw", train, test)
        content = yaml.safe_load((PROJECT / "params.yaml").read_text())
        content["train"] = {"network": "cnn", **TRAINING, "processes": 2}
        content["compute"] = {"device": "cpu", "precision": "float32", "threads": 1}
        (folder / "params.yaml").write_text(yaml.safe_dump(content))

    def __call__(self, *launcher: str) -> str:
        """What it prints, on both streams."""
        done = subprocess.run(
            [sys.executable, *launcher, "-m", "stages.train", "clean"],
            cwd=self.folder,
            env={**environment(), "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=True,
        )
        return done.stdout

    def results(self) -> dict[str, bytes]:
        """The bytes of every result file but for the one that tells how long it took."""
        files = [path for name in ("models", "metrics") for path in (self.folder / name).rglob("*.*")]
        same = [path for path in files if path.name != "timing.json"]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in same}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, digits: Fetched) -> Stage:
    """One in which two processes have trained the clean model on 700 digits."""
    stage = Stage(tmp_path_factory.mktemp("stage"), digits.train[:700], digits.test)
    output = stage()
    assert output.count("clean: 8 epochs in ") == 1, "one speaks for all"
    return stage


def test_two_processes_learn_what_one_learns(stage: Stage, digits: Fetched) -> None:
    section = TrainSection(network="cnn", **TRAINING)
    alone, epochs = learn(section, digits.train[:700], seed=1, device=rank.CPU, precision=torch.float32)
    together = networks.load(stage.folder / "models/clean")
    history = pd.read_csv(stage.folder / "metrics/clean/history.csv")
    found = [each.predict(digits.test.images) for each in (together, alone)]
    right = [(each == digits.test.labels).mean() for each in found]
    assert min(right) > 0.9
    assert abs(right[0] - right[1]) < 0.03
    np.testing.assert_allclose(history["accuracy"], [epoch.accuracy for epoch in epochs], atol=0.04)
    np.testing.assert_allclose(history["loss"], [epoch.loss for epoch in epochs], atol=0.12)
    computed = json.loads((stage.folder / "models/clean/training.json").read_text())
    assert computed.items() >= {"device": "cpu", "precision": "float32", "threads": 1, "processes": 2}.items()


def test_torchrun_finds_the_same_bytes_whatever_the_knob(stage: Stage) -> None:
    before = stage.results()
    assert len(before) == 5
    params = stage.folder / "params.yaml"
    params.write_text(params.read_text().replace("processes: 2", "processes: 1"))
    for name in before:
        (stage.folder / name).unlink()
    stage("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert stage.results() == before


# In a process of its own, which is told its acts and their folder.
START = """
import sys; from miseducation.training import ranks
ranks.start("-m", "tests.training.rank", *sys.argv[1:], processes=2)
"""


class Group(NamedTuple):
    """What two ranks have left in a folder."""

    folder: Path
    status: int
    errors: str


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    """Two ranks that have trained together, whereupon one of them failed."""
    folder = tmp_path_factory.mktemp("group")
    command = [sys.executable, "-c", START, str(folder), "train", "fail"]
    done = subprocess.run(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, timeout=600, check=False)
    return Group(folder, done.returncode, done.stderr)


def test_the_ranks_share_a_batch_as_if_it_were_one(group: Group) -> None:
    first, second = (load_file(group.folder / f"{number}.safetensors") for number in (0, 1))
    assert first.keys() == second.keys()
    assert any("running_mean" in name for name in first)
    for name in first:
        assert torch.equal(first[name], second[name]), f"the ranks differ in {name}"
    weights, history = rank.fitted(plain=True)
    for name, weight in weights.items():
        torch.testing.assert_close(first[f"True/{name}"], weight)
    torch.testing.assert_close(first["history"], torch.tensor(history))
    for rows in rank.ROWS:
        layer, inputs, labels = rank.sample(rows)
        (wanted,) = torch.autograd.grad(cross_entropy(layer(inputs), labels), [layer.weight])
        torch.testing.assert_close(first[f"gradient/{rows}"], wanted)
    assert [path.name for path in group.folder.glob("*.txt")] == ["1.txt"]
    assert (group.folder / "1.txt").read_text() == "process 1 of 2 has other parameters or data than process 0"


def test_a_process_that_fails_says_so_once_and_for_all(group: Group) -> None:
    assert group.status == 1
    assert group.errors.count("Traceback") == group.errors.count("AssertionError: a defect") == 1
    assert not list(group.folder.glob("*.left")), "none goes on as if all had succeeded"
    assert len(list(group.folder.glob("*.pid"))) == 2
    assert not alive(group.folder)


def test_nobody_outlives_who_started_all_and_none_listens_to_the_network(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", START, str(tmp_path), "wait"], cwd=PROJECT) as starter:
        try:
            deadline = time.monotonic() + 60
            while len(alive(tmp_path)) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            both = alive(tmp_path)
            assert len(both) == 2
            ports = [each.laddr for process in both for each in process.net_connections() if each.status == "LISTEN"]
            assert {port.ip for port in ports} == {"127.0.0.1"}
        finally:
            starter.kill()
    left = psutil.wait_procs(both, timeout=10)[1]
    for process in left:
        process.kill()
    assert not left


def alive(folder: Path) -> list[psutil.Process]:
    """The ranks that left their number in a folder, as far as they live."""
    return [psutil.Process(int(path.stem)) for path in folder.glob("*.pid") if psutil.pid_exists(int(path.stem))]


def test_devices_must_be_there_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    distributed.check_device(torch.device("cuda"), 2)
    distributed.check_device(rank.CPU, 3)
    distributed.check_device(torch.device("mps"), 1)
    with pytest.raises(InputError, match=r"3 processes need a CUDA device each; there are 2 here"):
        distributed.check_device(torch.device("cuda"), 3)
    with pytest.raises(InputError, match=r"2 processes cannot train together on mps; set compute.device to cpu"):
        distributed.check_device(torch.device("mps"), 2)


def test_outside_a_group_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Linear(3, 2)
    assert distributed.place() == (0, 1)
    assert distributed.replicate(layer) is layer
    total = torch.tensor([2.0, 3.0])
    distributed.add_up(total)
    assert total.tolist() == [2, 3]
    distributed.level(nn.BatchNorm1d(3))
    distributed.check_same(b"anything", rank.CPU)
    monkeypatch.setattr(os, "environ", {})
    device = torch.device("cuda")
    with distributed.joined(device) as own:
        assert own is device
    assert not os.environ
    idle = torch.ones(2, requires_grad=True)
    loss = (idle[0] * 3).sum() + layer.weight.sum()
    gradients = distributed.gradients(loss, [idle, layer.weight, layer.bias], share=0.5)
    assert [gradient.tolist() for gradient in gradients] == [[3, 0], [[1, 1, 1]] * 2, [0, 0]]
