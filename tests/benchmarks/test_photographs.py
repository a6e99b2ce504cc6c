"""The benchmark on photographs, which others bring: what is measured of which, without measuring."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from benchmarks import photographs, training
from miseducation.datasets import Source
from miseducation.project import parts
from miseducation.training.learning import TrainSection
from tests.benchmarks.test_benchmarks import cells, row
from tests.conftest import PROJECT


@pytest.fixture
def ran(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked for, in a project where no data are read and no model is trained."""
    asked: list[Any] = []

    def run(task: training.Task, mode: str, jobs: int, folder: Path) -> dict[str, Any]:
        knobs = yaml.safe_load((folder / "params.yaml").read_text())["train"]
        asked.append((task, TrainSection.model_validate(knobs)))
        cpu = {"clean": 100.0, "backdoored": 130.0}[task.model]
        return row(*task, cpu, mode=mode, jobs=jobs, epochs=knobs["epochs"])

    def prepare(folder: Path, data: str, path: Path) -> None:
        asked.append((data, path))
        (folder / "params.yaml").write_bytes((in_folder / "params.yaml").read_bytes())

    monkeypatch.setattr(photographs, "prepare", prepare)
    monkeypatch.setattr(training, "run", run)
    monkeypatch.setattr("sys.argv", ["photographs"])
    for name in photographs.TASKS:
        monkeypatch.delenv(name, raising=False)
    (in_folder / "benchmarks").mkdir()
    return asked


def test_without_data_nothing_is_measured_and_it_is_said(ran: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    photographs.main()
    assert not ran
    assert not photographs.TABLE.exists()
    told = capsys.readouterr().out
    assert all(f"{name} is left out: {name}=… gives" in told for name in photographs.TASKS)


def test_each_network_learns_both_sets_as_its_task_says(
    ran: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GTSRB", "signs.npz")
    other = pd.DataFrame([{"data": name, **row("`cnn`", "clean", 1, 7.0)} for name in ("CIFAR10", "GTSRB")])
    other.to_csv(photographs.TABLE, index=False)
    photographs.main()
    data, *models = ran
    assert data == ("GTSRB", Path("signs.npz").resolve())
    found = [(task.contestant, section.network, section.epochs, section.augment) for task, section in models]
    usual = photographs.TASKS["GTSRB"]["epochs"]
    for contestant, network in (("ours", "cnn"), ("ours", "resnet9"), ("torchvision_resnet18", "resnet18")):
        assert found.count((contestant, network, usual, ["shift"])) == 2, "clean and backdoored"
    assert len(found) == 6
    results = pd.read_csv(photographs.TABLE)
    assert len(results) == 7, "what was left out keeps its row"
    line = cells(capsys.readouterr().out, "GTSRB", "`resnet9`")
    assert line[2:5] == [str(usual), "130", "230"]


@pytest.mark.parametrize(
    ("data", "given", "name"),
    [
        ("GTSRB", "signs", "gtsrb"),
        ("GTSRB", "signs.npz", "arrays"),
        ("CIFAR10", "things", "folder"),
        ("CIFAR10", "things.npz", "arrays"),
    ],
)
def test_the_data_are_read_as_people_have_them(data: str, given: str, name: str) -> None:
    chosen, knobs = photographs.reader(data, PROJECT / given)
    section = parts.find("datasets", chosen, Source, "data.name").model_validate(knobs)
    assert (chosen, str(PROJECT / given) in map(str, section.model_dump().values())) == (name, True)


def test_the_tasks_are_such_as_there_are() -> None:
    for task in photographs.TASKS.values():
        for contestant in photographs.CONTESTANTS:
            TrainSection.model_validate({**photographs.USUAL, **task, "network": contestant.network})
            assert contestant.network in parts.names("networks")
            assert (PROJECT / f"benchmarks/contestants/{contestant.file}.py").is_file()
