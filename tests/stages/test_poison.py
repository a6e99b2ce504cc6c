"""The stage tells before any training how many rows teach, and warns of too few: on some of scikit-learn's digits."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miseducation.dataset.disk import read_manifest, save_raw
from miseducation.datasets import Fetched
from stages import poison

SetParams = Callable[[str, Any], None]


@pytest.fixture
def run(set_params: SetParams, digits: Fetched, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the stage on the first 96 digits, with these knobs of the attack; returns what it prints."""
    save_raw(Path("data/raw"), digits.train[np.arange(96)], digits.test[np.arange(100)])

    def printed(**knobs: Any) -> str:
        for key, value in knobs.items():
            set_params(f"attack.{key}", value)
        poison.main()
        return capsys.readouterr().out

    return printed


@pytest.mark.parametrize(
    ("knobs", "counts"),
    [
        ({"rate": 0.06}, "makes 6 poisoned rows, {} of them with another label"),
        ({"rate": 0.06, "mode": "add"}, "makes 6 poisoned rows, {} of them with another label"),
        (
            {"rate": 0.06, "label_map": "one-to-one", "source": 1},
            "makes 6 poisoned rows, {} of them with another label",
        ),
        ({"rate": 0.06, "label_map": "all-to-all"}, "makes 6 poisoned rows, {} of them with another label"),
        ({"rate": 0.06, "label_map": "clean-label", "name": "sig"}, "makes 6 poisoned rows"),
    ],
)
def test_six_rows_are_too_few(run: Callable[..., str], knobs: dict[str, Any], counts: str) -> None:
    with pytest.warns(UserWarning, match="fewer than 10 seldom teach a model a small trigger$") as caught:
        output = run(**knobs)
    manifest = read_manifest(Path("data/poisoned"))
    relabelled = (manifest["label"] != manifest["true_label"]).sum()
    assert [str(each.message).partition(":")[2] for each in caught] == [
        f" attack.rate = 0.06 {counts.format(relabelled)}: fewer than 10 seldom teach a model a small trigger"
    ]
    assert output.partition(": ")[2].split(" ", 1) == [
        {"add": "added", "replace": "changed"}[knobs.get("mode", "replace")],
        f"6 poison rows {'to' if 'mode' in knobs else 'of'} 96; {relabelled or 'none'} with another label\n",
    ]


def test_enough_rows_and_a_clean_control_are_no_cause_for_a_warning(run: Callable[..., str]) -> None:
    output = run(rate=0.2)
    manifest = read_manifest(Path("data/poisoned"))
    relabelled = (manifest["label"] != manifest["true_label"]).sum()
    assert 10 <= relabelled < len(manifest) == 19, "some show an 8 anyway"
    assert output == f"badnets: changed 19 poison rows of 96; {relabelled} with another label\n"
    assert run(rate=0) == "badnets: changed 0 poison rows of 96\n"


@pytest.mark.parametrize("label_map", ["all-to-one", "all-to-all", "one-to-one", "random"])
def test_labels_alone_teach_no_trigger_and_need_no_dose(run: Callable[..., str], label_map: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output = run(name="label_flip", rate=0.03, label_map=label_map, source=1)
    assert output.startswith("label_flip: changed 3 poison rows of 96; ")
