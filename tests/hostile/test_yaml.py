"""What we read from YAML is what DVC reads, value and type, or it is refused in one line; and reading has an end."""

import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from miseducation.attacks import AttackSection
from miseducation.check import check_params
from miseducation.commands import scenario
from miseducation.errors import InputError
from miseducation.project.messages import cut, shown
from miseducation.project.params import read, read_all, read_seed
from miseducation.project.pipelines import load_yaml
from miseducation.training.learning import TrainSection
from tests.conftest import copy_pipelines
from tests.hostile.forged.scalars import BOMBS, LONG, NO_TEXT, SPELLINGS, TWOFOLD, files, spellings

Reader = Callable[[Path], Any]
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def dvcs(path: Path) -> Any:
    """What DVC reads; the text `refused` where it reads nothing."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), path)
    except (DvcException, ValueError, LookupError):
        return "refused"


def ours(path: Path, reader: Reader = load_yaml) -> Any:
    """What we read; the text `refused` where we read nothing and say so as we should."""
    try:
        return reader(path)
    except InputError as error:
        said = str(error)
    assert said.startswith(str(path))
    assert said.isprintable(), "one line, and nothing that a terminal obeys"
    assert len(said) < len(str(path)) + 500
    return "refused"


def check_agree(path: Path) -> None:
    theirs = dvcs(path)
    for reader in (load_yaml, read_all):
        read_by_us = ours(path, reader)
        assert "refused" in (theirs, read_by_us) or repr(read_by_us) == repr(theirs)


@settings(SAME_FOLDER, max_examples=400)
@given(content=files())
@example(content="seed: 010\n")
@example(content="target: 00014\n")
def test_a_scalar_is_what_it_is_for_dvc(content: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(content, encoding="utf-8")
    check_agree(tmp_path / "params.yaml")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_spelling_is_what_it_is_for_dvc(spelling: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(f"key: {spelling}\n")
    check_agree(path)
    theirs = dvcs(path)
    assert ours(path) != "refused" or theirs == "refused" or isinstance(theirs["key"], date)
    path.write_text(f"key: '{spelling}'\n")
    assert ours(path) == dvcs(path) == {"key": spelling}


def test_what_a_stage_trains_with_is_what_dvc_records(in_folder: Path) -> None:
    path = in_folder / "params.yaml"
    text = path.read_text()
    for old, new in (("seed: 1 ", "seed: 010 "), ("target: 8 ", "target: 00014 "), ("epochs: 2 ", "epochs: 0o12 ")):
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text.replace("learning_rate: 0.012", "learning_rate: 1e-2"))
    recorded = dvcs(path)
    assert read_seed() == recorded["seed"] == 10
    assert read(AttackSection, "attack").target == recorded["attack"]["target"] == 14
    training = read(TrainSection, "train")
    assert (training.epochs, training.learning_rate) == (10, 0.01)
    assert repr(read_all()) == repr(recorded)


settings_of_dvc = st.sampled_from(["{}", "'{}'", "[{}, a]", "{{a: {}}}"]).flatmap(
    lambda form: spellings().map(lambda text: form.format(text))
)


@settings(SAME_FOLDER, max_examples=100)
@given(value=settings_of_dvc)
def test_what_dvc_writes_for_an_experiment_is_read_as_dvc_reads_it(value: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("key: 7\nother: 010\nthird: 'no'\nfourth: 1e-05\n")
    try:
        apply_overrides(path, [f"key={value}"])
    except Exception:
        assume(False)  # DVC wants nothing of it
    assert repr(ours(path)) == repr(dvcs(path))


texts = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=12).filter(lambda text: "$" not in text)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False)
    | texts
    | st.sampled_from(SPELLINGS)
)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@settings(SAME_FOLDER, max_examples=100)
@given(value=values | st.dictionaries(st.sampled_from(["shape", "position"]), values))
@example(value="nan")
@example(value="Inf")
def test_a_scenario_sets_what_it_holds(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("knob: 7\n")
    apply_overrides(path, [scenario.command("x", {"knob": value})[-1]])
    assert repr(ours(path)["knob"]) == repr(value)


@pytest.mark.parametrize("content", TWOFOLD.values(), ids=TWOFOLD)
def test_what_says_two_things_or_cannot_be_shown_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(content)
    for reader in (load_yaml, read_all):
        assert ours(tmp_path / "params.yaml", reader) == "refused"


@pytest.mark.parametrize("content", NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(content)
    assert ours(tmp_path / "params.yaml") == "refused"


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_reading_comes_to_an_end(content: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content)
    begun = time.process_time()
    assert ours(path) == "refused"
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("value", LONG.values(), ids=LONG)
def test_of_a_wrong_value_a_message_shows_as_much_as_can_be_read(value: str, in_folder: Path) -> None:
    (in_folder / "params.yaml").write_text(f"train: {{network: cnn, epochs: {value}}}\nseed: {value}\n")
    for reader in (read_seed, lambda: read(TrainSection, "train")):
        with pytest.raises(InputError) as refused:
            reader()
        for line in str(refused.value).splitlines():
            assert len(line) < 500
            assert line.isprintable()


@given(
    value=st.recursive(
        st.text() | st.integers() | st.integers().map(lambda number: number * 16**9999),
        lambda inner: st.lists(inner),
        max_leaves=9,
    )
)
def test_whatever_is_shown_fits_a_line(value: Any) -> None:
    for text in (shown(value), cut(str(value) if isinstance(value, str) else "")):
        assert text.isprintable()
        assert len(text) < 2000


@pytest.mark.parametrize(
    "key", ["seed", "attack.rate", "attack.name", "train.epochs", "attacks.badnets.colour", "attacks.badnets.pixels"]
)
@pytest.mark.parametrize("value", [True, [255, False, 0], [[1, True]]])
def test_true_is_no_number(key: str, value: Any, in_folder: Path, set_params: Callable[[str, Any], None]) -> None:
    copy_pipelines(in_folder)
    set_params(key, value)
    with pytest.raises(InputError, match=rf"^params.yaml: {key} = .*; allowed: "):
        check_params()


def test_what_may_be_true_stays_so(in_folder: Path, set_params: Callable[[str, Any], None]) -> None:
    copy_pipelines(in_folder)
    set_params("attacks.badnets.patch", {"position": [0, 0], "shape": [2, 2], "checkerboard": True})
    set_params("datasets.folder.colour", False)
    check_params()


def test_the_line_and_the_way_out_are_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    for content, said in {
        "a: 1\nb: 2001-01-01\n": "line 2: '2001-01-01' cannot be read as 'timestamp'; in quotes and",
        "a: 1\na: 2\n": "line 2: the key a appears twice",
        "a:\n  1: 2\n": "line 2: the key 1 is not a string; put it in quotes",
        "a: !!python/object/apply:os.system [x]\n": "line 1: the tag 'tag:yaml.org,2002:python/object/apply:os.system'",
    }.items():
        path.write_text(content)
        with pytest.raises(InputError, match=r"params\.yaml, line ") as refused:
            load_yaml(path)
        assert said in str(refused.value)


def test_reading_costs_next_to_nothing(in_folder: Path) -> None:
    read_all()
    begun = time.process_time()
    for _ in range(10):
        read_all()
    assert time.process_time() - begun < 0.05, "PyYAML without its C parser took 9 ms each"
