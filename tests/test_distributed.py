"""Two processes that train together must find what one finds, each time the same, and end together."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from stages import distributed, networks, ranks
from stages.command import InputError
from stages.datasets import Fetched
from stages.train import TrainSection, learn
from tests import rank
from tests.conftest import PROJECT, Project, results

TRAINING: dict[str, Any] = {"epochs": 8, "batch_size": 32, "learning_rate": 0.005, "label_smoothing": 0.0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which two processes have trained the clean model."""
    project = Project(tmp_path_factory.mktemp("trained"), git=False)
    project("dvc", "config", "--local", "core.no_scm", "true")
    project.set_params(train={**TRAINING, "processes": 2}, compute={"device": "cpu", "precision": "float32"})
    output = project("dvc", "repro", "train@clean")
    assert output.count("| 0/8 ") == output.count("clean: 8 epochs in ") == 1, "one shows its progress, for all"
    return project


def test_two_processes_learn_what_one_learns(trained: Project, digits: Fetched) -> None:
    section = TrainSection(network="cnn", **TRAINING, processes=2)  # which `learn` leaves to who starts the processes
    alone, epochs = learn(section, digits.train, seed=1, device=rank.CPU, precision=torch.float32)
    together = networks.load(trained.folder / "models/clean")
    history = pd.read_csv(trained.folder / "metrics/clean/history.csv")
    found = [networks.predict(each, digits.test.images, device=rank.CPU) for each in (together, alone)]
    right = [(each == digits.test.labels).mean() for each in found]
    assert min(right) > 0.93
    assert abs(right[0] - right[1]) < 0.02
    np.testing.assert_allclose(history["accuracy"], [epoch.accuracy for epoch in epochs], atol=0.03)
    np.testing.assert_allclose(history["loss"], [epoch.loss for epoch in epochs], atol=0.1)
    computed = json.loads((trained.folder / "models/clean/training.json").read_text())
    assert computed == {"device": "cpu", "precision": "float32", "threads": 1, "processes": 2}


def test_torchrun_finds_the_same_bytes_whatever_the_knob(trained: Project) -> None:
    before = results(trained)
    trained.set_params(train={"processes": 1})
    for path in (trained.folder / "models/clean").iterdir():
        path.unlink()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    trained(*launcher, "-m", "stages.train", "clean")
    assert results(trained) == before
    trained.set_params(train={"processes": 2})


def test_a_process_that_fails_says_so_once_and_costs_no_result(trained: Project) -> None:
    before = results(trained)
    module = trained.folder / "stages/train.py"
    code = module.read_text()
    module.write_text(code.replace("    first = ", "    assert not ranks.number(), 'a defect'\n    first = "))
    output = trained("dvc", "repro", "train@clean", fails=True)
    assert output.count("Traceback") == output.count("AssertionError: a defect") == 1
    assert results(trained) == before
    module.write_text(code)


def test_the_ranks_share_a_batch_as_if_it_were_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    ranks.start("-m", "tests.rank", "train", str(tmp_path), processes=2)
    first, second = (load_file(tmp_path / f"{number}.safetensors") for number in (0, 1))
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
    assert [path.name for path in tmp_path.glob("*.txt")] == ["1.txt"]
    assert (tmp_path / "1.txt").read_text() == "process 1 of 2 has other parameters or data than process 0"


def test_a_process_that_is_killed_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(PROJECT)
    with pytest.raises(InputError, match=r"^process 1 of 2 was ended by SIGKILL: "):
        ranks.start("-m", "tests.rank", "die", str(tmp_path), processes=2)
    assert capfd.readouterr().err == ""
    assert not alive(tmp_path)


def test_nobody_outlives_who_started_all_and_none_listens_to_the_network(tmp_path: Path) -> None:
    code = "import sys; from stages import ranks; ranks.start('-m', 'tests.rank', 'wait', sys.argv[1], processes=2)"
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=PROJECT) as starter:
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


def test_more_processes_than_rows_are_refused_before_any_starts(trained: Project) -> None:
    before = results(trained)
    trained.set_params(train={"batch_size": 2000, "processes": 720})
    output = trained(sys.executable, "-m", "stages.train", "clean", fails=True)
    assert output == "error: the training set has 1437 rows; 720 processes need 1440, two for each\n"
    assert results(trained) == before
