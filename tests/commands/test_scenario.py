"""Each scenario is complete and valid, and runs as an ordinary DVC experiment that leaves the work tree alone."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from miseducation.attacks import Attack, AttackSection
from miseducation.commands import scenario
from miseducation.datasets import Source
from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.project import parts
from miseducation.project.git import experiments
from miseducation.project.params import read_all
from miseducation.training.learning import TrainSection
from tests.conftest import PROJECT, Project, runs
from tests.studies.study_projects import stale_package

PARAMS = read_all(PROJECT / "params.yaml")
NAMES = [path.stem for path in sorted((PROJECT / "scenarios").glob("*.yaml"))]


@pytest.fixture(params=NAMES)
def content(request: pytest.FixtureRequest) -> dict[str, Any]:
    return read_all(PROJECT / "scenarios" / f"{request.param}.yaml")


def test_there_are_scenarios() -> None:
    assert {"street-signs", "mnist-1pct", "mnist-5pct", "mnist-all-to-all", "fashion-mnist", "gtsrb"} <= set(NAMES)


def test_a_scenario_is_whole_so_that_nothing_in_the_work_tree_changes_it(content: dict[str, Any]) -> None:
    attack = content["attack"]["name"]
    # All but where it is computed, and what only the other pipelines read.
    others = {"compute", "defences", "studies", "accounts", "audit"}
    assert content.keys() - {"datasets"} == PARAMS.keys() - {"datasets"} - others
    for section in ("data", "attack", "train"):
        assert content[section].keys() == PARAMS[section].keys()
    assert content["attacks"].keys() == {attack}
    assert content["attacks"][attack].keys() == PARAMS["attacks"][attack].keys()
    assert content.get("datasets", {}).keys() <= {content["data"]["name"]}


def test_a_scenario_holds_what_the_stages_allow(content: dict[str, Any]) -> None:
    scenario.settings(content, PARAMS)
    section = AttackSection.model_validate(content["attack"])
    label_maps.check_name(section.label_map)
    parts.find("attacks", section.name, Attack, "attack.name").model_validate(content["attacks"][section.name])
    name = content["data"]["name"]
    source = parts.find("datasets", name, Source, "data.name")
    source.model_validate(content.get("datasets", {}).get(name, {}))
    parts.check_name("networks", TrainSection.model_validate(content["train"]).network, "train.network")


def test_only_what_differs_is_set() -> None:
    params = {"seed": 1, "attack": {"rate": 0.01, "target": 8}, "attacks": {"badnets": {"patch": None, "colour": 255}}}
    patch = {"position": [24, 24], "shape": [3, 3]}
    wanted = {"attack": {"rate": 0.05, "target": 8}, "attacks": {"badnets": {"patch": patch, "colour": 255}}}
    assert scenario.settings(wanted, params) == {"attack.rate": 0.05, "attacks.badnets.patch": patch}
    with pytest.raises(InputError, match=r"the scenario sets attack.rates, which params.yaml does not have"):
        scenario.settings({"attack": {"rates": 1}}, params)


@pytest.mark.parametrize(
    "value",
    [
        *(None, 0, 0.05, True, [[3, 3]], [255, 255, 0], ["a b", "c, d"], {"position": [24, 24], "shape": [3, 3]}),
        *("stop", "speed limit, 50", "1", "true", "", "it's", 'say "x"', "a=b", "~/pics", "日本", "(a)", "a;b", "[x]"),
        *("C:\\signs\\", "a\\'b", " x ", "#1", "a: b", "%s", "-1", "a,b", "?"),
    ],
)
def test_dvc_reads_values_as_they_are_meant(value: Any, tmp_path: Path) -> None:
    from dvc.utils.hydra import apply_overrides

    (tmp_path / "params.yaml").write_text("knob: 7\n")
    setting = scenario.command("x", {"knob": value})[-1]
    apply_overrides(tmp_path / "params.yaml", [setting])
    assert yaml.safe_load((tmp_path / "params.yaml").read_text()) == {"knob": value}


def test_ones_own_settings_have_the_last_word() -> None:
    own = ["attack.rate=0.1", "datasets.gtsrb.folder='../a b'"]
    command = scenario.command("x", {"attack.rate": 0.05, "seed": 2}, own)
    assert command[6:] == ["-S", "seed=2", "-S", own[0], "-S", own[1]]


@pytest.mark.parametrize(("arguments", "message"), [(["x"], "'x' is unknown"), ([], "NAME=… is missing")])
def test_an_unknown_name_lists_the_scenarios(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(PROJECT)
    monkeypatch.setattr(sys, "argv", ["scenario", *arguments])
    with pytest.raises(InputError) as error:
        scenario.main()
    first, *lines = str(error.value).splitlines()
    assert first == f"{message}; the scenarios are:"
    assert [line.split()[0] for line in lines] == sorted(NAMES)
    (line,) = (line for line in lines if line.startswith("  mnist-1pct "))
    assert line.startswith("  mnist-1pct           The article's experiment")


def git(*arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def commit(number: int) -> str:
    """Commits a result; returns its name."""
    for file in ("evaluation", "details", "intervals"):
        Path(f"metrics/{file}.json").write_text(json.dumps({file: number}))
    git("add", "--all")
    git("commit", "--quiet", "--message", "Take a copy")
    return git("rev-parse", "HEAD")


# Keeps the experiment x as DVC does; its new result is a commit.
DVC = """\
#!/bin/sh
echo "dvc $*" >> calls
case $2 in
    remove) git update-ref -d {reference} ;;
    run) test ! -e broken || {{ echo "this is why"; exit 3; }}; git update-ref {reference} {new} ;;
esac
"""


def test_an_experiment_takes_the_place_of_the_earlier_one_only_if_it_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("metrics", "bin", ".dvc"):
        Path(folder).mkdir()
    for file in (".dvc/config", "dvc.yaml"):
        Path(file).touch()
    git("init", "--quiet")
    baseline, old, new = commit(0), commit(1), commit(2)
    git("reset", "--quiet", "--hard", baseline)
    reference = f"refs/exps/{baseline[:2]}/{baseline[2:]}/x"
    Path("bin/dvc").write_text(DVC.format(reference=reference, new=new))
    Path("bin/dvc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    run, remove = "dvc exp run --temp --name x -S attack.rate=0.05\n", "dvc exp remove x\n"

    git("update-ref", reference, old)
    Path("broken").touch()
    for quiet, status in ((False, 3), (True, "this is why\n")):
        with pytest.raises(SystemExit) as stopped:
            scenario.run("x", {"attack.rate": 0.05}, quiet=quiet)
        assert stopped.value.code == status
        assert ("this is why" in capfd.readouterr().out) != quiet
        assert experiments() == {(baseline, "x"): old}
    assert Path("calls").read_text() == (remove + run) * 2

    Path("broken").unlink()
    for calls in (remove + run, run):
        Path("calls").unlink()
        scores, intervals = scenario.run("x", {"attack.rate": 0.05})
        assert [*scores.items(), *intervals.items()] == [("evaluation", 2), ("details", 2), ("intervals", 2)]
        assert Path("calls").read_text() == calls
        assert experiments() == {(baseline, "x"): new}
        git("update-ref", "-d", reference)


def test_a_scenario_is_an_experiment_of_its_name(reproduced: Project, tmp_path: Path) -> None:
    project, path = reproduced, reproduced.folder / "params.yaml"
    knobs = {"name": "sticker", "rate": 0.02, "mode": "add", "cover": 0.03, "label_map": "one-to-one"}
    wanted = {
        "attack": {**knobs, "channel": "direct", "surrogate": "none", "target": 8, "source": 1},
        "attacks": {"sticker": {"position": [0.1, 0.1], "side": 0.1, "colour": 255, "picture": None}},
    }
    (project.folder / "scenarios/one-is-eight.yaml").write_text(
        "# A sticker makes an eight of a one\n" + yaml.safe_dump(wanted)
    )
    project.commit()
    project.environment |= stale_package(tmp_path)  # as if an old version were installed
    project("git", "branch", "one-is-eight")  # of the same name, and without any result
    before = path.read_bytes()
    output = project(sys.executable, "-m", "miseducation.commands.scenario", "one-is-eight")
    assert "Traceback" not in output
    for setting in ("attack.name=sticker", "attack.mode=add", "attack.source=1", "attacks.sticker.colour=255"):
        assert f"-S {setting}" in output
    assert "train.epochs" not in output, "what is as it should be need not be set"
    assert "attack_success_rate" in output
    assert "and 45 cover rows" in output  # 3 % of 1,437 / 0.95
    assert path.read_bytes() == before
    assert not project("git", "status", "--porcelain")
    (run,) = (run for run in runs(project) if run.data.tags.get("dvc.exp.name") == "one-is-eight")
    assert run.data.metrics["poisoned_rows"] == 30
    assert run.data.metrics["poisoned_share"] == 30 / (1437 + 30 + 45)
    assert run.data.metrics["attack_success_rate"] > 0.8
    assert run.data.metrics["side_effect_rate"] < 0.1

    (command,) = re.findall(r"\$ (dvc exp run .*?[^\\])\n", output, re.DOTALL)
    assert shlex.split(command.replace("\\\n", ""))[:7] == shlex.split("dvc exp run --temp --name one-is-eight -S")
    assert "dvc exp apply one-is-eight" in output
    project("git", "branch", "--delete", "one-is-eight")  # apply would take that
    project("dvc", "exp", "apply", "one-is-eight")
    assert yaml.safe_load(path.read_text())["attack"] == wanted["attack"]
    assert (project.folder / "metrics/confusion.png").is_file()


def test_without_a_commit_to_start_from_there_is_one_line(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", git=False)
    output = project(sys.executable, "-m", "miseducation.commands.scenario", "mnist-1pct", fails=True)
    assert output.strip().endswith(
        "error: an experiment starts from a git commit, but there is none here: git init, git add ., git commit"
    )
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["scenario", "NAME=street-signs"], "miseducation.commands.scenario street-signs"),
        (["scenarios"], "benchmarks.scenarios"),
        *(
            ([target, "NAME=gtsrb", "GTSRB=../a b"], f"{module} gtsrb -S datasets.gtsrb.folder='../a b'")
            for target, module in (
                ("scenario", "miseducation.commands.scenario"),
                ("scenarios", "benchmarks.scenarios"),
            )
        ),
    ],
)
def test_make_runs_it(arguments: list[str], command: str) -> None:
    shown = subprocess.run(["make", "--dry-run", *arguments], cwd=PROJECT, capture_output=True, text=True, check=True)
    (line,) = (
        line
        for line in shown.stdout.splitlines()
        if " -m miseducation.commands.scenario" in line or "scenarios" in line
    )
    said = shlex.split(line.partition("python -m ")[2])
    name, *options = command.split(" -S ")
    assert said == [*name.split(), *(part for option in options for part in ("-S", option))]
