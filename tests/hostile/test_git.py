"""Where git is not as in a fresh clone: around us, elsewhere, cut off, somebody else's, or not there at all."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from miseducation.errors import InputError
from miseducation.project.git import baseline, experiments, git, keep_experiment
from tests.conftest import PROJECT


def run(*command: str, cwd: Path) -> str:
    who = {f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(command, cwd=cwd, env=os.environ | who, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def repository(folder: Path, commits: int = 2) -> Path:
    """A repository that is a project and has another, in a folder `project`."""
    (folder / "project").mkdir(parents=True)
    run("git", "init", "--quiet", "--initial-branch=main", cwd=folder)
    for number in range(commits):
        for place in ("dvc.yaml", "project/dvc.yaml", "project/file"):
            (folder / place).write_text(str(number))
        run("git", "add", "--all", cwd=folder)
        run("git", "commit", "--quiet", "--message", "x", cwd=folder)
    return folder


def worktree(folder: Path) -> Path:
    run("git", "worktree", "add", "--quiet", "../other", "--detach", cwd=repository(folder / "main"))
    return folder / "other"


def submodule(folder: Path) -> Path:
    part, whole = repository(folder / "part"), repository(folder / "whole")
    run("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(part), "part", cwd=whole)
    return whole / "part"


def detached(folder: Path) -> Path:
    run("git", "checkout", "--quiet", "--detach", cwd=repository(folder))
    return folder


KINDS = {
    "itself": repository,
    "a folder of it": lambda folder: repository(folder) / "project",
    "a work tree": worktree,
    "a folder of a work tree": lambda folder: worktree(folder) / "project",
    "a submodule": submodule,
    "a detached head": detached,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hook", [False, True])
def test_git_is_asked_wherever_it_is(kind: str, hook: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = KINDS[kind](tmp_path / "here")
    commit = run("git", "rev-parse", "HEAD", cwd=folder)
    if hook:
        monkeypatch.setenv("GIT_DIR", str(repository(tmp_path / "elsewhere", commits=1) / ".git"))
    monkeypatch.chdir(folder)
    assert git("rev-parse", "HEAD") == [commit]
    assert baseline() == commit
    keep_experiment(commit, "x", commit)
    assert experiments() == {(commit, "x"): commit}


def test_an_unpacked_archive_in_an_ignored_folder_is_no_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = repository(tmp_path)
    (around / ".gitignore").write_text("unpacked\n")
    (around / "unpacked").mkdir()
    monkeypatch.chdir(around / "unpacked")
    assert git("rev-parse", "HEAD") == []
    assert experiments() == {}


@pytest.mark.parametrize("kind", ["ignored", "not committed", "added"])
def test_a_project_that_the_commit_does_not_hold_is_told(kind: str, tmp_path: Path) -> None:
    folder = repository(tmp_path) / kind
    folder.mkdir()
    (folder / "dvc.yaml").touch()
    if kind == "ignored":
        (tmp_path / ".gitignore").write_text(kind)
    if kind == "added":
        run("git", "add", ".", cwd=folder)
    with pytest.raises(
        InputError, match=r"the one here does not contain this project; add it: git add \., git commit$"
    ):
        baseline(folder)
    if kind != "ignored":
        run("sh", "-c", "git add . && git commit --quiet --message x", cwd=folder)
        assert baseline(folder)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_shallow_clone_is_told_what_helps_and_it_does(
    depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = repository(tmp_path / "origin", commits=4)
    run("git", "clone", "--quiet", f"--depth={depth}", f"file://{origin}", "clone", cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "clone")
    with pytest.raises(InputError, match=r"shallow.*`git fetch --unshallow`"):
        baseline()
    run("git", "fetch", "--quiet", "--unshallow", cwd=Path())
    assert baseline() == run("git", "rev-parse", "HEAD", cwd=origin)


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b", "é", "日本"])
def test_a_path_that_dvc_takes_for_another_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"would lose experiments.*move the project"):
        baseline(repository(tmp_path / name))


@pytest.mark.parametrize("name", ["a b", "it's", 'q"q', "100%", "a&b;c", "[x]", "$HOME", "~", "a=b"])
def test_other_odd_paths_are_well(name: str, tmp_path: Path) -> None:
    assert len(baseline(repository(tmp_path / name))) == 40


def test_no_git_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository(tmp_path))
    for path in ("", str(tmp_path / "nowhere"), str(tmp_path / "project/file")):
        monkeypatch.setenv("PATH", path)
        assert git("rev-parse", "HEAD") == []
        with pytest.raises(InputError, match="git is not installed"):
            baseline()


def test_no_commit(tmp_path: Path) -> None:
    run("git", "init", "--quiet", "empty", cwd=tmp_path)
    for folder in (tmp_path, tmp_path / "empty"):
        with pytest.raises(InputError, match="starts from a git commit, but there is none here"):
            baseline(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "a b")
    os.chown(folder, 12345, -1)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    with pytest.raises(InputError, match="belongs to another user") as told:
        baseline(folder / "project")
    make = make_told(folder / "project")
    assert make.returncode == 2
    assert "git config --global --add safe.directory" in make.stderr
    run("sh", "-c", str(told.value).partition("them: ")[2], cwd=folder)
    assert baseline(folder / "project")
    assert make_told(folder / "project").returncode == 0


def make_told(folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make repro` does before all else, with a DVC that writes down what it is told."""
    shutil.copy(PROJECT / "Makefile", folder)
    binaries = folder / "env/bin"
    binaries.mkdir(parents=True, exist_ok=True)
    (binaries / "dvc").write_text('#!/bin/sh\necho "$@" >> "$(dirname "$0")/calls"\n')
    (binaries / "dvc").chmod(0o755)
    (folder / "env/.installed").touch()
    command = ["make", "--silent", "VENV=env", "--assume-old=env/.installed", "no-scm"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def make_no_scm(folder: Path) -> bool:
    """Whether `make repro` tells DVC that there is no git."""
    assert make_told(folder).returncode == 0
    calls = folder / "env/bin/calls"
    return calls.exists() and "core.no_scm true" in calls.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_make_leaves_dvc_its_git(kind: str, tmp_path: Path) -> None:
    assert not make_no_scm(KINDS[kind](tmp_path / "a 'b"))


def test_make_tells_dvc_where_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    assert make_no_scm(tmp_path / "alone")
    around = repository(tmp_path / "around")
    (around / ".gitignore").write_text("unpacked\n")
    (around / "unpacked").mkdir()
    assert make_no_scm(around / "unpacked")


def test_make_asks_where_it_is_whatever_a_hook_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = repository(tmp_path / "elsewhere")
    (tmp_path / "alone").mkdir()
    monkeypatch.setenv("GIT_DIR", str(elsewhere / ".git"))
    assert make_no_scm(tmp_path / "alone")
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "alone"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere / ".git/index"))
    assert not make_no_scm(elsewhere / "project")


def test_make_says_which_environments_it_cannot_use(tmp_path: Path) -> None:
    for name, told in (("a b", "contains a space"), ("a%20b", "a % in its path")):
        done = subprocess.run(
            ["make", f"VENV={tmp_path}/{name}", "help"], cwd=PROJECT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert told in done.stderr


def test_make_clears_away_the_empty_record_of_a_killed_dvc(tmp_path: Path) -> None:
    for place, text in (("", ""), ("pipelines/one", ""), ("pipelines/two", "schema: '2.0'\n")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "dvc.lock").write_text(text)
    make_no_scm(tmp_path)
    assert [path.parent.name for path in tmp_path.rglob("dvc.lock")] == ["two"]
