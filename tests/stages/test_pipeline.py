"""The pipelines, `params.yaml` and the code must tell one story."""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from miseducation.datasets import signs
from miseducation.defending.section import Kind
from miseducation.project import code, parts, pipelines
from miseducation.tracking.locks import NO_RESULT
from tests.conftest import PROJECT, Project, ran, results

PARAMS: dict[str, Any] = yaml.safe_load((PROJECT / "params.yaml").read_text())
PIPELINES = pipelines.pipelines(PROJECT)
STAGES = {f"{path.parent.name}:{name}": stage for path in PIPELINES for name, stage in pipelines.stages(path).items()}
# check runs when a name in params.yaml changes, the others always: none makes anything that could be out of date.
WITH_DEPS = sorted(name for name in STAGES if name.partition(":")[2] not in NO_RESULT)
CHOSEN = {
    "attacks": "${attack.name}",
    "channels": "${attack.channel}",
    "datasets": "${data.name}",
    "defences": "${key}",
    "networks": "${train.network}",
}
# It may stop a stage, but cannot change what it makes.
CHECK = "miseducation/check.py"
# In place of this folder stands its digest in signs.py, see `test_signs_depends_on_the_code_that_draws`.
DRAWING = "miseducation/datasets/drawing/"


def file_of(stage: str) -> str:
    return f"stages/{STAGES[stage]['cmd'].split()[2].removeprefix('stages.')}.py"


def holds_code(path: str) -> bool:
    """Whether a file could change what a stage makes: not one with a docstring alone, nor errors that do nothing."""
    body = ast.parse((PROJECT / path).read_text()).body
    return not all(
        isinstance(node, ast.Expr) or (isinstance(node, ast.ClassDef) and len(node.body) == 1) for node in body
    )


def problems(stage: str, deps: list[str]) -> tuple[set[str], set[str]]:
    """Of these code deps of a stage: the files that it imports and none covers, and the deps that cover none."""
    needed = code.imported([file_of(stage)], without=[CHECK])
    for kind, name in CHOSEN.items():
        if f"{parts.folder(kind)}/__init__.py" in needed:
            needed.add(f"{parts.folder(kind)}/{name}.py")
            for part in parts.names(kind):
                own = f"{parts.folder(kind)}/{part}.py"
                needed |= code.imported([own], without=[CHECK]) - {own}
    needed = {each for each in needed if "$" in each or (holds_code(each) and not each.startswith(DRAWING))}
    covered = {path: {dep for dep in deps if Path(path).is_relative_to(dep)} for path in needed}
    return {path for path, by in covered.items() if not by}, set(deps) - set().union(*covered.values())


def code_deps(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith(("stages", "miseducation"))]


@pytest.mark.parametrize("stage", WITH_DEPS)
def test_deps_name_all_code_that_the_stage_imports_and_no_other(stage: str) -> None:
    deps = code_deps(stage)
    missing, idle = problems(stage, deps)
    assert not missing, "needed, but not among the deps"
    assert not idle, "among the deps, but not needed"
    for dep in deps:
        assert problems(stage, [each for each in deps if each != dep])[0], f"{dep} could be taken out unnoticed"
    idle_dep = "miseducation/commands"
    assert "miseducation" in deps or problems(stage, [*deps, idle_dep])[1] == {idle_dep}


@pytest.mark.parametrize("stage", WITH_DEPS)
def test_a_stage_depends_on_few_wings(stage: str) -> None:
    assert len(code_deps(stage)) <= 9


@pytest.mark.parametrize("path", PIPELINES, ids=lambda path: path.parent.name)
def test_a_pipeline_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 200


def test_signs_depends_on_the_code_that_draws() -> None:
    files = sorted((PROJECT / DRAWING).glob("*.py"))
    found = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    assert found == signs.DRAWING, f'the drawing has changed: in datasets/signs.py, DRAWING = "{found}"'


def test_no_data_set_but_signs_needs_the_code_that_draws() -> None:
    needing = [
        name
        for name in parts.names("datasets")
        if any(path.startswith(DRAWING) for path in code.imported([f"miseducation/datasets/{name}.py"]))
    ]
    assert needing == ["signs"]


# What nobody's training depends on, and by which stage, if any, DVC is to notice a change of it.
ASIDE = {
    "miseducation/figures/pictures.py": "report",
    "miseducation/figures/templates/report.html": "report",
    "stages/report.py": "report",
    "miseducation/scores/shares.py": "evaluate",
    "miseducation/attacks/wanet.py": None,
    "miseducation/datasets/mnist.py": None,
    "miseducation/datasets/drawing/faces.py": None,
    "miseducation/networks/resnet18.py": "poison",  # of the wing, as an attack may have a model
    "miseducation/poisoning/channels/web.py": "poison",
    "miseducation/studies/cells.py": None,
    "miseducation/tracking/recorder.py": None,
    "miseducation/commands/summary.py": None,
    "miseducation/check.py": None,
}
INSIDE = {
    "miseducation/training/fitting.py": {"train@clean", "train@backdoored", "evaluate", "poison"},
    "miseducation/networks/cnn.py": {"train@clean", "train@backdoored", "evaluate", "poison"},
    "miseducation/attacks/badnets.py": {"poison"},
    "miseducation/poisoning/draws.py": {"poison"},
    "miseducation/datasets/digits.py": {"download"},
}


def changed(project: Project) -> set[str]:
    """The stages of the pipeline that DVC finds out of date; those that always run are not among them."""
    return set(json.loads(project("dvc", "status", "--json", "dvc.yaml").splitlines()[-1])) - {"track", "check"}


def edit(project: Project, path: str) -> None:
    file = project.folder / path
    file.write_text(file.read_text() + "\n# changed\n")


def test_what_training_does_not_need_leaves_it_up_to_date(reproduced: Project) -> None:
    before = results(reproduced)
    for path in ASIDE:
        edit(reproduced, path)
    (reproduced.folder / "miseducation/attacks/new.py").write_text("# an attack to come\n")
    (reproduced.folder / "miseducation/datasets/new.py").write_text("# a data set to come\n")
    knobs = {"new": {"strength": 1}, "wanet": {**PARAMS["attacks"]["wanet"], "s": 1}}
    reproduced.set_params(attacks=knobs, datasets={"new": None})
    assert changed(reproduced) == {stage for stage in ASIDE.values() if stage}
    output = reproduced("dvc", "repro")
    assert set(ran(output)) == {"poison", "evaluate", "report", "track"}, "poison makes the same as before"
    assert results(reproduced) == before
    reproduced("git", "checkout", "--quiet", ".")
    reproduced("git", "clean", "--quiet", "--force", "miseducation")
    reproduced("dvc", "repro")


@pytest.mark.parametrize(("path", "stages"), INSIDE.items(), ids=INSIDE)
def test_what_a_stage_needs_puts_it_out_of_date(reproduced: Project, path: str, stages: set[str]) -> None:
    edit(reproduced, path)
    assert changed(reproduced) == stages
    reproduced("git", "checkout", "--quiet", ".")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_short_module_and_says_what_it_does(stage: str) -> None:
    text = (PROJECT / file_of(stage)).read_text()
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"].startswith("python -m stages.")
    assert "__main__" in text
    assert len(text.splitlines()) <= 70


def test_there_is_nothing_but_stages_among_the_stages() -> None:
    package = ast.parse((PROJECT / "stages/__init__.py").read_text()).body
    assert not [node for node in package if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    files = {f"stages/{path.name}" for path in (PROJECT / "stages").glob("*.py")}
    assert files == {"stages/__init__.py", *map(file_of, STAGES)}


def test_every_section_of_the_params_is_read_by_a_stage() -> None:
    entries = {entry for stage in STAGES.values() for entry in stage.get("params", [])}
    read = {re.sub(r"\..*", "", entry) for entry in entries}
    assert set(PARAMS) == read


@pytest.mark.parametrize("kind", ["attacks", "channels", "datasets"])
def test_every_part_has_its_knobs_in_the_params(kind: str) -> None:
    folder = parts.folder(kind)
    assert sorted(PARAMS[kind]) == parts.names(kind), f"params.yaml: {kind} must name each file of {folder}"


def test_every_defence_has_its_knobs_in_the_params() -> None:
    named = [name for kind in get_args(Kind) for name in PARAMS["defences"][kind]]
    assert sorted(named) == parts.names("defences"), (
        "params.yaml: defences must name each file of miseducation/defences"
    )


def knob_lines(node: yaml.MappingNode, depth: int = 1) -> Iterator[int]:
    """Where the knobs stand. What a study overrides is deeper, and is described where its own knob is."""
    for key, value in node.value:
        if isinstance(value, yaml.MappingNode) and not value.flow_style and depth < 5:
            yield from knob_lines(value, depth + 1)
        else:
            yield key.start_mark.line


def test_every_knob_has_a_comment() -> None:
    text = (PROJECT / "params.yaml").read_text()
    lines, top = text.splitlines(), yaml.compose(text, yaml.SafeLoader)
    assert isinstance(top, yaml.MappingNode)
    for number in knob_lines(top):
        assert "  # " in lines[number], f"params.yaml: {lines[number].strip()} has no comment"


def test_a_changed_knob_is_a_changed_line(tmp_path: Path) -> None:
    """`dvc exp run -S` writes the file anew; in the form in which DVC does, that leaves all else as it was."""
    path = tmp_path / "params.yaml"
    shutil.copy(PROJECT / path.name, path)
    before = path.read_text()
    apply_overrides(path, ["attack.rate=0.123"])
    assert path.read_text() == before.replace("\n  rate: 0.01 ", "\n  rate: 0.123", 1) != before


FAST = {"mlflow", "torch", "numpy", "pandas", "pydantic", "matplotlib", "dvc"}


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("stages.check", {"torch", "mlflow", "sklearn", "scipy", "matplotlib", "torchvision", "pandas"}),
        ("stages.poison", {"torch", "mlflow", "sklearn", "scipy", "torchvision", "matplotlib", "pandas"}),
        ("stages.train", {"mlflow", "sklearn", "scipy", "matplotlib", "torchvision", "torch", "pandas"}),
        ("stages.evaluate", {"mlflow", "sklearn", "scipy", "torchvision", "torch", "matplotlib"}),
        ("stages.report", {"mlflow", "sklearn", "scipy", "torchvision", "torch"}),
        ("stages.track", FAST),
        ("miseducation", FAST | {"yaml"}),
    ],
)
def test_nobody_imports_what_they_do_not_need(module: str, unneeded: set[str]) -> None:
    assert not unneeded & loaded(module)


def test_an_attack_imports_no_more_than_numpy() -> None:
    attacks = ", ".join(f"miseducation.attacks.{name}" for name in parts.names("attacks"))
    assert not {"torch", "scipy", "skimage", "matplotlib"} & loaded(attacks)


def loaded(modules: str) -> set[str]:
    """What is imported with them."""
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_pinned_versions_are_names_and_versions_only() -> None:
    for line in (PROJECT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._+!]+", line), line
