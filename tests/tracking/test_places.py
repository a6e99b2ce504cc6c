"""Where results are looked for, in which order, and what is said of how they came about."""

import json
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from miseducation.tracking.pipeline_results import LOCK, read_result
from miseducation.tracking.places import Place, passing_over, places, tags_of_this_run
from miseducation.tracking.study_results import LOCK as STUDIES
from miseducation.tracking.study_results import read_study
from tests.tracking.made import change, md5, write, write_result, write_study

LOCKS = (LOCK, STUDIES)


def git(*arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit() -> str:
    git("add", "--all")
    git("commit", "--quiet", "--allow-empty", "--message", "Take a copy")
    return git("rev-parse", "HEAD")


def test_the_tags_say_which_run_we_are_in(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare)
    assert tags_of_this_run() == {"mlflow.source.name": "dvc repro", "mlflow.source.type": "LOCAL"}
    git("init", "--quiet")
    ours = {"mlflow.source.type": "LOCAL", "mlflow.source.git.commit": commit()}
    assert tags_of_this_run() == {**ours, "mlflow.source.name": "dvc repro"}
    monkeypatch.setenv("DVC_EXP_NAME", "modal-jute")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    wanted = {"mlflow.source.name": "dvc exp run", "dvc.exp.name": "modal-jute", "dvc.exp.baseline": "abc"}
    assert tags_of_this_run() == {**ours, **wanted}


@pytest.fixture
def repository(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with nothing in it."""
    monkeypatch.chdir(bare)
    git("init", "--quiet")
    write(bare, {".dvc/config": "", ".dvc/.gitignore": "/tmp\n/cache\n", ".gitignore": "mlruns\n"})
    return bare


def cache(root: Path, content: str, suffix: str = "") -> str:
    """Puts an output into DVC's cache; returns its MD5."""
    digest = md5(content)
    write(root, {f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}{suffix}": content})
    return digest + suffix


def test_experiments_come_first_then_the_commit_the_work_tree_and_the_artefacts(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_study(write_result(repository, rate=0.01))
    baseline = commit()
    change(write_result(repository, rate=0.05) / LOCK, lambda lock: lock["stages"]["poison"].update(cmd="x"))
    experiment = commit()
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/modal-jute", experiment)
    git("reset", "--quiet", "--hard", baseline)
    write_result(repository, rate=0.1)
    for run in ("toy/b", "toy/a", "small/c"):
        (repository / f"mlruns/{run}/artifacts").mkdir(parents=True)
    found: list[object] = []
    for folder, tags, name in places(repository, LOCKS):
        if folder.is_relative_to(repository):
            assert (tags, name) == ({}, str(folder))
            found.append(str(folder.relative_to(repository)))
        else:
            rate = read_result(folder).params["attack.rate"]
            found.append((rate, name, tags.pop("mlflow.source.name"), tags))
            assert read_study(folder, "small").cells
            assert (folder == Path()) == (rate == 0.1)
            if rate != 0.1:
                copy = folder
                assert {path.name for path in folder.iterdir()} == {
                    "dvc.lock",
                    "pipelines",
                    "metrics",
                    "models",
                    "data",
                }
                assert (folder / "models/clean/network.json").is_file()
                assert not (folder / "data/raw").exists()
    source, baseline_tag = {"mlflow.source.git.commit": baseline}, {"dvc.exp.baseline": baseline}
    assert found == [
        (0.05, "experiment modal-jute", "dvc exp run", {"dvc.exp.name": "modal-jute", **baseline_tag, **source}),
        (0.01, f"commit {baseline[:7]}", "dvc repro", source),
        (0.1, str(repository), "dvc repro", {"mlflow.source.type": "LOCAL", **source}),
        *("mlruns/small/c/artifacts", "mlruns/toy/a/artifacts", "mlruns/toy/b/artifacts"),
    ]
    assert not copy.exists(), "it was only for a while"
    assert capsys.readouterr() == ("", "")


def test_outputs_come_from_dvcs_cache_and_what_it_lacks_is_told(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(repository)
    network = cache(repository, "{}")
    clean = cache(repository, json.dumps([{"md5": network, "relpath": "network.json"}]), ".dir")
    cached = {
        "models/clean": clean,
        "models/backdoored": f"{'0' * 32}.dir",
        "data/poisoned/manifest.csv": md5("row,true_label,label\n"),
    }

    def settle(lock: Any) -> None:
        for out in lock["stages"]["evaluate"]["outs"]:
            out |= {"hash": "md5", "md5": cached.get(out["path"], out["md5"])}

    change(repository / LOCK, settle)
    stage = {"cmd": "python -m stages.evaluate", "outs": list(cached)}
    write(repository, {"dvc.yaml": json.dumps({"stages": {"evaluate": stage}})})
    for path in ("models", "data/poisoned", "metrics/clean"):
        shutil.rmtree(repository / path)
    head = commit()
    found = cast(Generator[Place], places(repository, LOCKS))
    folder = next(found).folder
    assert (folder / "models/clean/network.json").read_text() == "{}"
    assert (folder / "metrics/evaluation.json").is_file()
    missing = ["models/backdoored", "data/poisoned/manifest.csv"]
    missing += [f"metrics/clean/{name}" for name in ("history.csv", "timing.json")]
    lacks = [f"track: {head[:7]} lacks {path} in git and in DVC's cache" for path in missing]
    assert sorted(capsys.readouterr().err.splitlines()) == sorted(lacks)
    found.close()


def test_what_cannot_be_looked_at_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with passing_over("there"):
        Path("x" * 300).stat()
    assert capsys.readouterr().out == "track: nothing to record from there: File name too long\n"


def test_without_git_there_are_the_work_tree_and_the_artefacts(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bare)
    ours = {"mlflow.source.name": "dvc repro", "mlflow.source.type": "LOCAL"}
    assert list(places(bare, LOCKS)) == [Place(Path(), ours, str(bare))]
