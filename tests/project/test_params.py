"""Bad input must end in one line that names the key, what was given, and what is allowed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from miseducation.attacks import AttackSection
from miseducation.check import check_params
from miseducation.errors import InputError
from miseducation.project import command, params, parts
from miseducation.project.params import PARAMS, read, read_all, read_seed
from miseducation.training.compute import ComputeSection, set_up
from tests.conftest import PROJECT, copy_pipelines

DATASETS = ", ".join(parts.names("datasets"))
SetParams = Callable[[str, Any], None]


@pytest.fixture(autouse=True)
def pipeline(in_folder: Path) -> None:
    copy_pipelines(in_folder)


def test_the_shipped_params_are_good() -> None:
    check_params()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("attack.rate", -0.1, "attack.rate = -0.1: .* greater than or equal to 0; allowed: poisoned ÷ all training"),
        ("attack.rate", 1.5, "attack.rate = 1.5: .* less than or equal to 1; allowed: .* 0 to 1"),
        ("attack.rate", "abc", "attack.rate = 'abc': .* number.*; allowed: .* 0 to 1"),
        ("attack.rate", float("nan"), "attack.rate = nan: .* finite number; allowed: .* 0 to 1"),
        ("attack.name", "nobody", "attack.name = 'nobody' is unknown; known attacks: adaptive_blend, badnets, "),
        ("attack.name", "../badnets", "attack.name = '../badnets' is unknown"),
        # What YAML makes of a class called yes or no: it must not pass for number 1 or 0.
        ("attack.target", True, "attack.target = True: .*; allowed: .* in quotes if the name looks like a number"),
        ("attack.source", False, "attack.source = False: .*; allowed: .* in quotes if the name looks like a number"),
        ("attack.target", 1.0, "attack.target = 1.0: .*; allowed: .*a class name or number"),
        ("attack.label_map", "some", "attack.label_map = 'some' is unknown; known: all-to-all, "),
        (
            "attack.colour",
            1,
            "attack.colour is not a known key; attack has name, rate, mode, cover, channel, surrogate, label_map, "
            "target, source$",
        ),
        ("attacks.badnets.pixel", [[3, 3]], "attacks.badnets.pixel is not a known key; .* has pixels, patch, colour"),
        ("attacks.badnets.pixels", [], "attacks.badnets = .*: either pixels or patch must be given"),
        ("attacks.badnets.pixels", [[3]], r"attacks.badnets.pixels = .*; allowed: a list of \[row, column\]"),
        ("attacks.badnets.colour", 256, "attacks.badnets.colour = 256: .* allowed: 0 .* to 255"),
        (
            "attacks.badnets.patch",
            {"position": [0, 0], "shape": [0, 1]},
            r"attacks.badnets.patch = .*at shape.0.; allowed: null, or",
        ),
        ("data.name", "letters", f"data.name = 'letters' is unknown; known datasets: {DATASETS}"),
        ("datasets.digits", None, "params.yaml"),
        ("train.network", "rnn", "train.network = 'rnn' is unknown; known networks: cnn"),
        ("train.epochs", 0, "train.epochs = 0: .*; allowed: passes over the training rows, 1 to"),
        ("train.batch_size", 1, "train.batch_size = 1"),
        ("train.processes", 0, "train.processes = 0: .*; allowed: processes that share each batch, 1 to 1024"),
        ("train.processes", 81, "train.processes = 81: batch_size must be 162 or more, two rows for each process"),
        ("train.learning_rate", 0, "train.learning_rate = 0: .*; allowed: .* above 0"),
        ("compute.device", "tpu", "compute.device = 'tpu': .*; allowed: auto, cuda, mps or cpu"),
        ("compute.threads", 0, "compute.threads = 0"),
        ("seed", -1, "seed = -1: .*; allowed: a whole number, 0 or more"),
        ("seed", "one", "seed = 'one'"),
        (
            "atack",
            {"rate": 0.5},
            "atack is not a known section; known: accounts, attack, attacks, audit, channels, compute, data",
        ),
    ],
)
def test_a_mistake_is_named(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params(key, value)
    if key == "datasets.digits":  # not chosen, so not read: no reason to stop
        check_params()
        return
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        check_params()


def test_all_mistakes_of_a_section_are_named_at_once(set_params: SetParams) -> None:
    set_params("attack.rate", 2)
    set_params("attack.extra", 2)
    with pytest.raises(InputError) as error:
        read(AttackSection, "attack")
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_key_and_a_missing_section_are_named() -> None:
    content = yaml.safe_load(PARAMS.read_text())
    del content["attack"]["rate"]
    PARAMS.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"attack.rate is missing: poisoned ÷ all training rows, 0 to 1"):
        read(AttackSection, "attack")
    del content["attack"]
    PARAMS.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"params.yaml lacks the section attack, which has name, rate"):
        read(AttackSection, "attack")


@pytest.mark.parametrize(
    ("text", "message"),
    [("attack: [", "not valid YAML"), ("- 1", "must be a mapping"), ("", "must be a mapping")],
)
def test_a_file_that_is_no_mapping_is_refused(text: str, message: str) -> None:
    PARAMS.write_text(text)
    for reader in (read_all, check_params):
        with pytest.raises(InputError, match=f"params.yaml.*{message}"):
            reader()


def test_a_missing_file_is_refused() -> None:
    PARAMS.unlink()
    for reader in (read_seed, check_params):
        with pytest.raises(InputError, match=r"params.yaml cannot be read: No such file"):
            reader()


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"compute.device = 'cuda' is not available; allowed: auto, .*cpu"):
        set_up(ComputeSection(device="cuda", precision="auto", threads=1))


def test_a_part_is_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "attacks").mkdir()
    (tmp_path / "attacks" / "new.py").touch()
    (tmp_path / "attacks" / "__init__.py").touch()
    monkeypatch.setattr(parts, "HERE", tmp_path)
    assert parts.names("attacks") == ["new"]


def test_a_stage_that_works_ends_well() -> None:
    """It cuts the end short, yet not what was printed and what others wanted done."""
    code = (
        "import atexit; from miseducation.project import command; atexit.register(print, 'at the end');"
        "command.run(lambda: print('worked')); print('goes on')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["worked", "goes on", "at the end", ""]
    assert done.stderr == ""


def test_a_stage_that_fails_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise InputError("attack.rate = 2")

    with pytest.raises(SystemExit) as ended:
        command.run(refuse)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: attack.rate = 2\n"


def test_a_full_disk_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def write() -> None:
        with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(b"1")

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(SystemExit):
        command.run(write)
    assert capsys.readouterr().err.startswith("error: the disk is full")


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: print(1 / 0))


@pytest.mark.parametrize("name", ["size", "nfiles"])
def test_no_knob_is_called_what_dvcs_run_cache_overlooks(name: str) -> None:
    with pytest.raises(TypeError, match=f"no knob may be called {name}"):
        type("Broken", (params.Section,), {"__annotations__": {name: int}})


def test_dvcs_run_cache_overlooks_no_more_than_that() -> None:
    from dvc.stage.cache import _get_cache_hash

    def key(knobs: dict[str, Any]) -> str:
        return str(_get_cache_hash({"params": {"params.yaml": {"attacks.some": knobs}}}, key=True))

    assert key({"size": 1}) == key({"size": 2}), "DVC has mended it: the rule can go"
    assert key({"side": 1, "patch": {"shape": [1, 2]}}) != key({"side": 2, "patch": {"shape": [1, 2]}})
    assert key({"side": 1, "patch": {"shape": [1, 2]}}) != key({"side": 1, "patch": {"shape": [2, 1]}})
