"""`make study` says what is wrong before DVC does, in our words."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miseducation.commands import studies
from miseducation.errors import InputError
from tests.conftest import PROJECT, copy_pipelines


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [
        ("", None, None, "NAME=… is missing; the studies are: dose, attacks"),
        ("cost", None, None, "there is no section studies.cost; the studies are: dose, attacks"),
        ("dose", "studies.dose.rates", [2], r"studies.dose.rates = \[2\]"),
        ("dose", "train.epochs", 0, "train.epochs = 0"),
        ("dose", "studies.attacks.datasets", ["letters"], "studies.attacks.datasets = 'letters' is unknown"),
        ("dose", "studies", [], "studies must be a mapping|there is no section studies.dose; the studies are: none"),
    ],
)
def test_a_mistake_ends_in_one_line(
    name: str,
    key: str | None,
    value: Any,
    message: str,
    set_params: Callable[[str, Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copy_pipelines(Path())
    if key:
        set_params(key, value)
    monkeypatch.setattr(sys, "argv", ["studies", *filter(None, [name])])
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        studies.main()


def test_make_asks_it_first_and_short_names_are_studies() -> None:
    def shown(*goals: str) -> str:
        command = ["make", "--dry-run", *goals]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True).stdout

    for goals, study in ((["study", "NAME=mine"], "mine"), (["sweep"], "dose"), (["attacks"], "attacks")):
        output = shown(*goals)
        assert output.index(f"python -m miseducation.commands.studies {study}") < output.index(f":track@{study}")
    assert "STUDY_ENGINE=ray" in shown("study", "NAME=dose", "ENGINE=ray")
