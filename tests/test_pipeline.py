"""The pipelines, `params.yaml` and the code must tell one story."""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages import parts
from stages.results import NO_RESULT
from stages.track import PIPELINES
from tests.conftest import PROJECT

PARAMS: dict[str, Any] = yaml.safe_load((PROJECT / "params.yaml").read_text())
STAGES: dict[str, Any] = {
    name: stage.get("do", stage)
    for pipeline in PIPELINES
    for name, stage in yaml.safe_load((PROJECT / pipeline).read_text())["stages"].items()
}
# check runs when a name in params.yaml changes, the others always: none makes anything that could be out of date.
WITH_DEPS = sorted(set(STAGES) - set(NO_RESULT))
CHOSEN = {
    "attacks": "${attack.name}",
    "channels": "${attack.channel}",
    "datasets": "${data.name}",
    "networks": "${train.network}",
}


@cache
def imported(path: Path) -> frozenset[str]:
    """The first-party files that a file imports, itself and indirect ones included; lazy imports count too."""
    found = {str(path.relative_to(PROJECT))}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "stages":
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("stages.")]
        else:
            continue
        for name in names:
            base = PROJECT / name.replace(".", "/")
            for file in (base.with_suffix(".py"), base / "__init__.py"):
                if file.is_file() and file != PROJECT / "stages/__init__.py":
                    found |= imported(file)
    return frozenset(found)


@pytest.mark.parametrize("stage", WITH_DEPS)
def test_deps_name_every_module_that_the_stage_imports(stage: str) -> None:
    needed = set(imported(PROJECT / "stages" / f"{stage}.py"))
    for kind, name in CHOSEN.items():
        if f"stages/{kind}/__init__.py" in needed:
            needed.add(f"stages/{kind}/{name}.py")
            for part in parts.names(kind):
                needed |= imported(PROJECT / "stages" / kind / f"{part}.py") - {f"stages/{kind}/{part}.py"}
    listed = {dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")}
    # A folder stands for all that lies in it.
    covered = {path: {dep for dep in listed if Path(path).is_relative_to(dep)} for path in needed}
    assert not {path for path, deps in covered.items() if not deps}, "needed, but not among the deps"
    assert listed == set().union(*covered.values()), "among the deps, but not needed"


def test_every_pipeline_is_known() -> None:
    found = {str(path.relative_to(PROJECT)) for path in [*PROJECT.glob("dvc.yaml"), *PROJECT.glob("*/dvc.yaml")]}
    assert found == set(PIPELINES)


def test_the_package_itself_holds_no_code_that_a_stage_could_depend_on() -> None:
    (docstring,) = ast.parse((PROJECT / "stages/__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_and_says_what_it_does(stage: str) -> None:
    assert (PROJECT / "stages" / f"{stage}.py").is_file()
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"].startswith(f"python -m stages.{stage}")
    assert "__main__" in (PROJECT / "stages" / f"{stage}.py").read_text()


def test_every_section_of_the_params_is_read_by_a_stage() -> None:
    entries = {entry for stage in STAGES.values() for entry in stage.get("params", [])}
    read = {re.sub(r"\..*", "", entry) for entry in entries}
    assert set(PARAMS) == read


@pytest.mark.parametrize(("kind", "section"), [(kind, kind) for kind in ("attacks", "channels", "datasets")])
def test_every_part_has_its_knobs_in_the_params(kind: str, section: str) -> None:
    assert sorted(PARAMS[section]) == parts.names(kind), f"params.yaml: {section} must name each file of stages/{kind}"


def test_every_knob_has_a_comment() -> None:
    for line in (PROJECT / "params.yaml").read_text().splitlines():
        if re.match(r"\s*\w+: \S", line):
            assert "  # " in line, f"params.yaml: {line.strip()} has no comment"


@pytest.mark.parametrize(
    ("stage", "unneeded"),
    [
        ("check", {"torch", "mlflow", "sklearn", "scipy", "matplotlib", "torchvision"}),
        ("poison", {"torch", "mlflow", "sklearn", "scipy", "torchvision"}),
        ("train", {"mlflow", "sklearn", "scipy", "matplotlib", "torchvision", "torch"}),
        ("evaluate", {"mlflow", "sklearn", "scipy", "torchvision", "torch"}),
        ("track_sweep", {"mlflow", "torch", "numpy", "pandas", "pydantic", "matplotlib", "dvc"}),
        ("track", {"mlflow", "torch", "numpy", "pandas", "pydantic", "matplotlib", "dvc"}),
    ],
)
def test_a_stage_imports_only_what_it_needs(stage: str, unneeded: set[str]) -> None:
    code = f"import sys, stages.{stage}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not unneeded & set(loaded.stdout.split())


@pytest.mark.parametrize("attack", parts.names("attacks"))
def test_an_attack_imports_no_more_than_numpy(attack: str) -> None:
    code = f"import sys, stages.attacks.{attack}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert not {"torch", "scipy", "skimage", "matplotlib"} & set(loaded.stdout.split())


def test_the_pinned_versions_are_names_and_versions_only() -> None:
    for line in (PROJECT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+", line), line
