"""After `dvc exp pull` of a stranger's experiments, `track --all` writes nowhere else, and records the good ones."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from miseducation.project.git import experiments as refs
from miseducation.tracking.pipeline_results import LOCK
from miseducation.tracking.places import places
from miseducation.tracking.study_results import LOCK as STUDIES
from miseducation.tracking.track import track_all
from tests.hostile.forged import experiments, locks
from tests.tracking.made import md5, runs, write, write_result, write_study

LOCKS = (LOCK, STUDIES)
LINKS = ("metrics", "metrics/evaluation.json", "models/clean", "models/clean/network.json", LOCK, "data/poisoned")


class Clone:
    """A clone in `project`, which is all that may be written to; `tmp` is the system's temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.base, self.root = folder, folder / "project"
        write(folder, {"outside/secret": "hush", "home/.bashrc": "", "tmp/x": ""})
        (folder / "tmp/x").unlink()
        ignored = "/tmp\n/cache\n/config.local\n"
        write(self.root, {".dvc/config": "", ".dvc/.gitignore": ignored, "params.yaml": "{}", "dvc.yaml": "stages: {}"})
        self.git("init", "--quiet")
        write_result(self.root)
        self.baseline = self.commit()
        self.cache("pwned")

    def git(self, *arguments: str, given: str | None = None) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.root, input=given, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Take a copy")
        return self.git("rev-parse", "HEAD")

    def experiment(self, name: str, edit: Callable[[Path], object]) -> None:
        """An experiment of this name: the baseline, and what is changed in the work tree, which is as before then."""
        edit(self.root)
        commit = self.commit()
        self.refer(name, commit)
        self.git("reset", "--quiet", "--hard", self.baseline)

    def refer(self, name: str, commit: str) -> None:
        self.git("update-ref", f"refs/exps/{self.baseline[:2]}/{self.baseline[2:]}/{name}", commit)

    def cache(self, content: str, suffix: str = "") -> str:
        digest = md5(content)
        write(self.root, {f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}{suffix}": content})
        return digest + suffix

    def outside(self) -> dict[str, str]:
        """What lies outside of the project, and in it, but for what `track` may write."""
        files = [path for path in self.base.rglob("*") if path.is_file() and not path.is_symlink()]
        own = [self.root / name for name in ("mlruns", ".dvc/tmp", ".git", "mlflow.db")]
        return {str(path): path.read_text() for path in files if not any(path.is_relative_to(each) for each in own)}


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    made = Clone(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(made.root)
    return made


def with_lock(edit: Any, lock: str = LOCK) -> Callable[[Path], object]:
    def forge(root: Path) -> None:
        content = yaml.safe_load((root / lock).read_text())
        edit(content)
        (root / lock).write_text(yaml.safe_dump(content, sort_keys=False))

    return forge


def with_text(content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / LOCK).write_bytes(content)


def with_link(path: str) -> Callable[[Path], object]:
    def forge(root: Path) -> None:
        if (root / path).is_dir():
            shutil.rmtree(root / path)
        else:
            (root / path).unlink()
        (root / path).symlink_to(root.parent / "outside", target_is_directory=True)

    return forge


FORGED: dict[str, Callable[[Path], object]] = {
    **{name: with_lock(edit) for name, edit in locks.EDITS.items()},
    **{f"record: {name}": with_text(content) for name, content in locks.TEXTS.items()},
    **{
        name: lambda root, file=file: experiments.forge(root, *file)  # type: ignore[misc]
        for name, file in experiments.FILES.items()
    },
    **{f"link: {path}": with_link(path) for path in LINKS},
}


# A record of each kind, as each takes a commit; the rest are read in test_locks.
SOME = {
    name: FORGED[name] for place, name in enumerate(FORGED) if place % 5 == 0 or name.startswith(("link", "output"))
}


def test_the_good_ones_among_forged_experiments_are_recorded(
    clone: Clone, empty_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(empty_store, clone.root / "mlflow.db")
    (clone.root / ".git/info/exclude").write_text("mlflow.db\nmlruns\n")
    clone.experiment("a-good-one", lambda root: write_result(root, rate=0.05))
    named = {f"e{number}": name for number, name in enumerate(SOME)}
    for number, name in named.items():
        clone.experiment(number, FORGED[name])
    clone.experiment("zz-good-one", lambda root: write_result(root, rate=0.1))
    before = clone.outside()
    track_all()
    out, err = capsys.readouterr()
    assert clone.outside() == before
    assert not [*(clone.base / "tmp").iterdir()]
    uri = f"sqlite:///{clone.root / 'mlflow.db'}"
    assert sorted(run.data.params["attack.rate"] for run in runs(uri)) == ["0.01", "0.05", "0.1"]
    locations = [each.artifact_location for each in MlflowClient(uri).search_experiments() if each.name != "Default"]
    assert locations == [(clone.root / "mlruns/toy").as_uri()]
    told = {line.split(":")[1].split()[-1] for line in out.splitlines() if "nothing to record from experiment" in line}
    passed = {named[number] for number in named.keys() - told}
    assert passed == {f"link: {LOCK}"}, "which is no file in git, and so no experiment with a result"
    assert all(line.isprintable() for line in (out + err).splitlines())


@pytest.mark.parametrize("listed", experiments.LISTINGS.values(), ids=experiments.LISTINGS)
def test_a_list_of_files_in_dvcs_cache_leads_nowhere_else(
    clone: Clone, listed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = clone.cache(listed.replace("%s", md5("pwned")), ".dir")

    def forge(lock: Any) -> None:
        (out,) = (out for out in lock["stages"]["evaluate"]["outs"] if out["path"] == "models/clean")
        out["md5"] = digest

    clone.experiment("forged", with_lock(forge))
    before = clone.outside()
    for place in places(clone.root, LOCKS):
        if place.name == "experiment forged":
            assert not (place.folder / LOCK).exists() or listed == experiments.LISTINGS["many"]
    assert "track: nothing to record from experiment forged: " in capsys.readouterr().out
    assert clone.outside() == before


def test_a_stranger_cannot_fill_the_disk(
    clone: Clone, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    large = clone.cache("large")
    with (clone.root / f".dvc/cache/files/md5/{large[:2]}/{large[2:]}").open("wb") as file:
        file.truncate(10**12)  # a hole, which takes no place until it is copied
    clone.experiment("large", with_lock(lambda lock: lock["stages"]["evaluate"]["outs"][0].update(md5=large)))
    many = clone.cache(json.dumps([{"md5": md5("pwned"), "relpath": str(number)} for number in range(600)]), ".dir")

    def fill(lock: Any) -> None:
        for out in lock["stages"]["evaluate"]["outs"]:
            out["md5"] = many if out["path"].startswith("models/") else out["md5"]

    clone.experiment("many", with_lock(fill))
    tree = clone.git("mktree", given=f"100644 blob {clone.git('hash-object', '-w', LOCK)}\tx\n")
    for _ in range(12):  # ten in ten in ten …: made in no time, and without end when they are listed
        tree = clone.git("mktree", given="".join(f"040000 tree {tree}\t{number}\n" for number in range(10)))
    models = clone.git("mktree", given=f"040000 tree {tree}\tclean\n")
    top = clone.git("ls-tree", clone.baseline).replace(clone.git("rev-parse", f"{clone.baseline}:models"), models)
    clone.refer("tree", clone.git("commit-tree", clone.git("mktree", given=f"{top}\n"), "-m", "x"))
    list(places(clone.root, LOCKS))
    told = capsys.readouterr().out
    for name in ("large", "many", "tree"):
        assert f"nothing to record from experiment {name}: " in told
    assert "experiment tree: models/clean has more than 1000 files" in told, "before a thousand are written"


NAMES = ("x;touch", "$(touch)", "<script>", "a%2fb", "ü", "--all", "x" * 150, "'", "a|b", "HEAD")


def test_the_names_of_experiments_are_looked_at(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        clone.refer(name, clone.baseline)
    clone.refer("deep/er", clone.baseline)
    clone.git("update-ref", f"refs/exps/zz/{'z' * 38}/x", clone.baseline)
    clone.git("update-ref", "refs/exps/aa/short/x", clone.baseline)
    clone.refer("blob", clone.git("hash-object", "-w", "--stdin", given="no commit"))
    found = [place.tags["dvc.exp.name"] for place in places(clone.root, LOCKS) if "dvc.exp.name" in place.tags]
    told = capsys.readouterr().out
    for name in NAMES:
        assert (name in found) != (f"experiment {name!r}: its name" in told), name
    assert told.count(r'not a name of up to 100 characters without \/:*?"<>|') == told.count("\n")
    assert sorted(found) == sorted(["$(touch)", "'", "--all", "HEAD", "a%2fb", "blob", "x;touch", "ü"])
    assert all(baseline == clone.baseline for baseline, _ in refs())


def test_a_study_in_an_experiment_is_looked_at_too(clone: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    write_study(clone.root)
    out = {"path": "metrics/../../../outside/x", "md5": md5("pwned")}
    clone.experiment("forged", with_lock(lambda lock: lock["stages"]["study@small"]["outs"].append(out), STUDIES))
    before = clone.outside()
    for place in places(clone.root, LOCKS):
        if place.name == "experiment forged":
            assert (place.folder / LOCK).is_file(), "the other result there is good"
            assert not (place.folder / STUDIES).exists()
    assert f"nothing to record from experiment forged: {STUDIES}" in capsys.readouterr().out
    assert clone.outside() == before


def test_what_a_commit_says_of_dvc_is_not_obeyed(clone: Clone) -> None:
    """Its configuration would have DVC write to folders, and its pipeline have it read addresses."""
    write(clone.root, {"dvc.yaml": json.dumps({"stages": {"x": {"cmd": "x", "outs": ["/outside"]}}, "vars": ["/x"]})})
    config = f"[core]\n    site_cache_dir = {clone.base}/outside/site\n[cache]\n    dir = {clone.base}/outside/cache\n"
    clone.experiment("forged", lambda root: write(root, {".dvc/config": config, "dvc.yaml": "stages: ["}))
    before = clone.outside()
    found = [place for place in places(clone.root, LOCKS) if (place.folder / LOCK).is_file()]
    assert next(place.name for place in found) == "experiment forged"
    assert clone.outside() == before
