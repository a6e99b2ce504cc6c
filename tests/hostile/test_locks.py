"""A result that a stranger wrote is told in a line and passed over, or it is as harmless as ours."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from miseducation.tracking import checks
from miseducation.tracking.checks import IncompleteError
from miseducation.tracking.pipeline_results import LOCK, read_result
from miseducation.tracking.results import Result
from miseducation.tracking.runs import Store
from miseducation.tracking.study_results import LOCK as STUDIES
from miseducation.tracking.study_results import read_study, studies
from miseducation.tracking.track import study, track
from tests.hostile.forged import experiments, locks
from tests.tracking.made import change, replace, rewrite, write_result, write_study


@pytest.fixture(autouse=True)
def no_word_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)


def refused(root: Path, capsys: pytest.CaptureFixture[str], read: Callable[[Path], Result] = read_result) -> str:
    """Why nothing is recorded, in one line that can be shown."""
    track(Store(root), root, {}, read)
    out, err = capsys.readouterr()
    start = f"track: nothing to record from {root}: "
    assert (out.startswith(start), out.count("\n"), err) == (True, 1, "")
    assert out[:-1].isprintable()
    assert len(out) < len(start) + 600
    assert str(root) not in out.removeprefix(start), "it is named once"
    assert not (root / "mlflow.db").exists(), "nobody needed the store"
    return out.removeprefix(start)


@pytest.mark.parametrize("edit", locks.EDITS.values(), ids=locks.EDITS)
def test_a_record_that_is_not_dvcs_is_told(tmp_path: Path, edit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    lock = yaml.safe_load((write_result(tmp_path) / LOCK).read_text())
    edit(lock)
    (tmp_path / LOCK).write_text(yaml.safe_dump(lock, sort_keys=False))
    refused(tmp_path, capsys)


@pytest.mark.parametrize("knobs", locks.KNOBS.values(), ids=locks.KNOBS)
def test_knobs_that_take_all_memory_or_cannot_be_shown_are_told(
    tmp_path: Path, knobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(write_result(tmp_path) / LOCK, "attacks.badnets: {}", f"attacks.badnets: {knobs}")
    begun = time.process_time()
    told = refused(tmp_path, capsys)
    assert told.startswith(f"{LOCK}") or "a key of the parameters" in told
    assert time.process_time() - begun < 5


def test_it_is_told_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (write_result(tmp_path) / LOCK).read_text()
    twice = [{"path": "metrics/twice", "md5": "0" * 32}] * 2
    within = [{"path": f"metrics/x{end}", "md5": "0" * 32} for end in ("", "/y")]
    many = [{"path": f"metrics/{number}", "md5": "0" * 32} for number in range(1000)]
    wrong: dict[str, locks.Edit] = {
        r'not a path below the project, in names of up to 100 characters without \:*?"<>|%#': (
            locks.with_output("metrics/50%.png")
        ),
        "data.name is Default, the name of MLflow's own experiment; ours need another": (
            locks.with_knob("data", "name", "Default", "download")
        ),
        "dvc.lock: 'evaluate' has two outputs in one place": lambda lock: lock["stages"]["evaluate"]["outs"].extend(
            twice
        ),
        "dvc.lock has two outputs in one place": lambda lock: lock["stages"]["evaluate"]["outs"].extend(within),
        "dvc.lock has more than 1000 outputs": lambda lock: lock["stages"]["evaluate"]["outs"].extend(many),
    }
    for reason, edit in wrong.items():
        change(tmp_path / LOCK, edit)
        assert refused(tmp_path, capsys).endswith(f"{reason}\n")
        (tmp_path / LOCK).write_text(whole)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize(
    "path",
    [
        *("metrics/evaluation.json", "metrics/intervals.json", "metrics/clean/history.csv", LOCK),
        *("models/clean", "models/clean/network.json", "models/clean/more", "data/poisoned/manifest.csv"),
    ],
)
def test_what_is_no_file_is_not_waited_for(
    tmp_path: Path, path: str, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(tmp_path)
    if (tmp_path / path).exists():
        (tmp_path / path).rename(tmp_path / "before")
    make(tmp_path / path)
    refused(tmp_path, capsys)


def test_what_cannot_be_looked_at_is_no_result(tmp_path: Path) -> None:
    for read in (read_result, study("small")):
        with pytest.raises(IncompleteError):
            read(tmp_path / ("x" * 300))


def test_a_study_of_more_knobs_than_can_be_recorded_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"digits,label_flip,all-to-one,0.1,{seed},1\n" for seed in range(100))
    rewrite(write_study(tmp_path), "cells.csv", f"{experiments.PLACE},attack_success_rate\n{rows}")
    knobs = ", ".join(f"k{number}: 0" for number in range(30_000))
    replace(tmp_path / STUDIES, "label_flip: {}", f"label_flip: {{{knobs}}}")
    begun = time.process_time()
    assert refused(tmp_path, capsys, study("small")) == "its cells have more than 2,000,000 values\n"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("content", locks.TEXTS.values(), ids=locks.TEXTS)
def test_a_file_that_is_no_record_is_told(tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    (write_result(tmp_path) / LOCK).write_bytes(content)
    refused(tmp_path, capsys)
    (write_study(tmp_path) / STUDIES).write_bytes(content)
    refused(tmp_path, capsys, study("small"))


@pytest.mark.parametrize("forged", experiments.FILES.values(), ids=experiments.FILES)
def test_a_file_with_what_ours_never_hold_is_told_by_its_name(
    tmp_path: Path, forged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments.forge(write_result(tmp_path), *forged)
    refused(tmp_path, capsys)


@pytest.mark.parametrize("forged", experiments.TABLES.values(), ids=experiments.TABLES)
def test_a_table_of_a_study_with_what_ours_never_hold_is_told(
    tmp_path: Path, forged: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(write_study(tmp_path), *forged)
    refused(tmp_path, capsys, study("small"))


def asked(**changes: object) -> Callable[[Any], object]:
    return lambda stage: stage["params"]["params.yaml"]["studies.small"].update(changes)


@pytest.mark.parametrize(
    "edit",
    [
        lambda stage: stage.update(outs=[]),
        lambda stage: stage.pop("params"),
        lambda stage: stage["params"]["params.yaml"].update({"studies.small": []}),
        lambda stage: stage["params"]["params.yaml"].update(attacks=[]),
        lambda stage: stage["params"]["params.yaml"].update(attacks={"badnets": [1]}),
        lambda stage: stage["params"]["params.yaml"].update(datasets="digits"),
        lambda stage: stage["params"]["params.yaml"].update(train=[]),
        lambda stage: stage["deps"][0].update(md5="x"),
        lambda stage: stage["deps"][0].update(path="data/../../x"),
        lambda stage: stage["deps"][0].update(path="data/" + "\x1b[2J" * 2000),
        lambda stage: stage["deps"][0].update(md5="\x1b[2J" * 2000),
        asked(datasets="digits"),
        asked(datasets=["../../x"]),
        asked(datasets=[]),
        asked(datasets=["Default"]),
        asked(datasets=["digits"] * 1001),
        asked(datasets=[["digits"]]),
        asked(rates=5),
        asked(rates=["few"]),
        asked(rates=[[0.1]]),
        asked(seeds=[float("nan")]),
        asked(overrides=[]),
        asked(overrides={"digits": []}),
        asked(overrides={"digits": {"train": []}}),
        asked(overrides={"digits": {"attacks": {"badnets": []}}}),
        asked(overrides={"digits": {"attack": {"../x": 1}}}),
    ],
)
def test_a_record_of_a_study_that_is_not_dvcs_is_told(
    tmp_path: Path, edit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    change(write_study(tmp_path) / STUDIES, lambda lock: edit(lock["stages"]["study@small"]))
    refused(tmp_path, capsys, study("small"))


@pytest.mark.parametrize("name", [each for each in locks.NAMES.values() if isinstance(each, str)], ids=ascii)
def test_a_study_of_a_strange_name_is_none(tmp_path: Path, name: str) -> None:
    def rename(lock: Any) -> None:
        lock["stages"][f"study@{name}"] = lock["stages"].pop("study@small")

    change(write_study(tmp_path) / STUDIES, rename)
    with suppress(IncompleteError):
        assert studies(tmp_path) == []
    with pytest.raises(IncompleteError):
        read_study(tmp_path, name)


@pytest.mark.parametrize(
    "path",
    [
        *("models/clean/network.json", "models/backdoored/training.json", "data/poisoned/manifest.csv"),
        *("metrics/evaluation.json", "metrics/details.json", "metrics/intervals.json", "metrics/clean/history.csv"),
    ],
)
def test_an_altered_file_is_not_recorded_under_the_right_ones_key(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (write_result(tmp_path) / path).read_text()
    (tmp_path / path).write_text(text.replace("1", "2", 1) if "1" in text else text + "\n")
    output = "/".join(path.split("/")[:2]) if path.startswith("models/") else path
    assert refused(tmp_path, capsys) == f"{output} is not the one in dvc.lock\n"
    if path not in ("metrics/evaluation.json", "metrics/details.json"):
        monkeypatch.setattr(Store, "holds", lambda *_: True)
        track(Store(tmp_path), tmp_path, {})
        assert capsys.readouterr() == ("", ""), "what is known need not be compared again"


def test_a_file_more_is_an_altered_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (write_result(tmp_path) / "models/clean/more.txt").touch()
    assert refused(tmp_path, capsys) == "models/clean is not the one in dvc.lock\n"


@pytest.mark.parametrize("path", ["metrics/evaluation.json", "models/clean", "data/poisoned/manifest.csv", LOCK])
def test_a_link_to_what_a_stranger_does_not_know_is_not_followed(
    tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it may stand in an artefact folder: what it leads to would be sent to the server."""
    root = write_result(tmp_path / "root")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("stages: [secret")
    (root / path).rename(tmp_path / "before")
    (root / path).symlink_to(tmp_path / ("secret" if path == "models/clean" else "secret/key"))
    refused(root, capsys)


def test_more_than_our_results_have_is_not_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_result(tmp_path)
    with (root / "models/clean/large.bin").open("wb") as file:
        file.truncate(3 * 10**9)  # a hole, which takes no place on the disk
    assert refused(root, capsys).endswith("bytes\n")
    (root / "models/clean/large.bin").unlink()
    for number in range(1001):
        (root / f"models/clean/{number}").touch()
    assert refused(root, capsys).endswith("files\n")
    os.truncate(root / "metrics/evaluation.json", 10**12)
    assert refused(root, capsys) == "evaluation.json has more than 2,000,000,000 bytes\n"


def test_a_training_that_diverged_is_recorded_as_far_as_it_has_numbers(tmp_path: Path) -> None:
    experiments.forge(write_result(tmp_path), experiments.HISTORY, "epoch,loss,accuracy\n1,inf,0.5\n2,,0.25\n")
    assert read_result(tmp_path).history["backdoored/accuracy"] == [(1, 0.5), (2, 0.25)]
    assert "backdoored/loss" not in read_result(tmp_path).history


@given(path=st.lists(st.sampled_from(["..", ".", "", "a", "~", "é", "x y", ".git", "...", "\\", "c:"]), min_size=1))
def test_a_path_that_is_taken_leads_below_where_it_starts(path: list[str]) -> None:
    try:
        taken = checks.path("/".join(path), "it")
    except IncompleteError:
        return
    assert taken == "/".join(path)
    assert (Path("/start") / taken).resolve().is_relative_to("/start")
    assert not {"", ".", "..", ".git"} & {*path}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=values)
def test_whatever_stands_anywhere_in_a_record_there_is_a_result_or_a_reason(
    tmp_path: Path, data: st.DataObject, value: object
) -> None:
    write_study(write_result(tmp_path))
    for path, read in ((LOCK, read_result), (STUDIES, study("small"))):
        lock = yaml.safe_load((tmp_path / path).read_text())
        place = lock
        while data.draw(st.booleans()) or place is lock:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or not place[key]:
                break
            place = place[key]
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        place[data.draw(st.sampled_from(keys))] = value
        (tmp_path / path).write_text(yaml.safe_dump(lock))
        try:
            result = read(tmp_path)
        except IncompleteError:
            pass
        else:
            assert checks.NAME.fullmatch(result.experiment)
            assert result.key
        (tmp_path / path).unlink()


def test_a_record_as_ours_is_read(tmp_path: Path) -> None:
    """Or the tests above would prove nothing."""
    write_study(write_result(tmp_path))
    replace(tmp_path / LOCK, "rate: 0.01", "rate: 0.02")
    read_result(tmp_path).check()
    read_study(tmp_path, "small").check()
