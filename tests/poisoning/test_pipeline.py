"""What DVC knows of the poisoning: it depends on the model and the channel that are asked for, and on no others."""

import json
from typing import Any

import pandas as pd
import pytest

from miseducation.check import check_params
from miseducation.errors import InputError
from tests.conftest import PROJECT, Project, copy_pipelines, ran

NEEDING = {"name": "label_consistent", "label_map": "clean-label", "rate": 0.05}
ACCOUNTS, OUTPUTS = "pipelines/accounts/dvc.yaml", ("metrics/accounts.csv", "metrics/accounts.png")
CROWD = {"workers": 1000, "attackers": 100, "votes": 3, "error_rate": 0}


def outdated(project: Project) -> dict[str, Any]:
    """What DVC finds changed of the poisoning, and of what comes before it."""
    status = json.loads(project("dvc", "status", "--json", "--with-deps", "poison").splitlines()[-1])
    return {stage: changes for stage, changes in status.items() if stage != "check"}


def test_the_clean_model_comes_first_only_where_it_is_needed(project: Project) -> None:
    project.set_params(
        datasets={"digits": {"test_rows": 1597}},
        attacks={"label_consistent": {"steps": 2}},
        attack={**NEEDING, "surrogate": "clean", "channel": "crowdsourcing"},
        train={"epochs": 1},
        channels={"crowdsourcing": CROWD, "web": {"votes": 3, "error_rate": 0}},
    )
    assert {*ran(project("dvc", "repro", "poison"))} == {"check", "download", "train@clean", "poison"}
    manifest = pd.read_csv(project.folder / "data/poisoned/manifest.csv")
    assert set(manifest["role"]) == {"poison"}
    assert (manifest["label"] == manifest["true_label"]).all()

    # Another channel's knob, or another attack's, is nothing to it; those of its own channel are.
    project.set_params(channels={"crowdsourcing": CROWD, "web": {"votes": 5, "error_rate": 0}})
    assert not outdated(project)
    project.set_params(channels={"crowdsourcing": {**CROWD, "attackers": 7}})
    assert outdated(project) == {"poison": [{"changed deps": {"params.yaml": {"channels.crowdsourcing": "modified"}}}]}

    # So is the model, and what that depends on; without it, that is not.
    project.set_params(channels={"crowdsourcing": CROWD}, train={"learning_rate": 0.002})
    assert outdated(project).keys() == {"train@clean"}
    project.set_params(attack={"name": "badnets", "label_map": "all-to-one", "surrogate": "none"})
    assert outdated(project).keys() == {"poison"}


@pytest.mark.usefixtures("in_folder")
def test_a_missing_surrogate_is_told_before_any_work(in_folder: Any, set_params: Any) -> None:
    copy_pipelines(in_folder)
    for key, value in NEEDING.items():
        set_params(f"attack.{key}", value)
    message = "attack.surrogate = 'none', but label_consistent needs a clean model; allowed: 'clean'"
    with pytest.raises(InputError, match=message):
        check_params()
    set_params("attack.surrogate", "clean")
    check_params()
    set_params("attack.surrogate", "none")
    set_params("attack.rate", 0)
    check_params()


def test_accounts_are_a_pipeline_of_their_own(project: Project) -> None:
    project("dvc", "checkout", ACCOUNTS)  # nothing stands in the way of who never ran it
    project.set_params(accounts={"rows": 1000})
    output = project("dvc", "repro", ACCOUNTS)
    assert ran(output) == [f"{ACCOUNTS}:accounts"]
    assert "5 % are intended: 200 (1 vote), 288 (3 votes)" in output
    first = [(project.folder / path).read_bytes() for path in OUTPUTS]
    assert all(path in project("git", "status", "--porcelain", "metrics") for path in OUTPUTS), "they belong into git"

    # What it does not read leaves it alone.
    project.set_params(attack={"rate": 0.03}, channels={"crowdsourcing": {**CROWD, "attackers": 7, "votes": 5}})
    assert not ran(project("dvc", "repro", ACCOUNTS))

    # A mistake in what it reads costs no result.
    project.set_params(accounts={"votes": [1, 1001]})
    refused = project("dvc", "repro", ACCOUNTS, fails=True)
    assert ran(refused) == [f"{ACCOUNTS}:accounts"]
    assert "allowed: 1 to channels.crowdsourcing.workers = 1000" in refused
    assert "Traceback" not in refused
    assert [(project.folder / path).read_bytes() for path in OUTPUTS] == first


def test_make_runs_the_accounts() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    assert "\naccounts: " in makefile
    assert f"dvc repro {ACCOUNTS}" in makefile
