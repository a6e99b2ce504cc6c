"""What DVC offers to keep results, name them, and hand them on, as docs/experiments.md tells it."""

import yaml

from tests.conftest import Project, results


def test_a_result_is_kept_made_a_branch_and_forgotten(reproduced: Project) -> None:
    reproduced("dvc", "exp", "save", "--name", "kept", "dvc.yaml")
    reproduced("dvc", "exp", "branch", "kept", "for-review")
    assert "dvc.lock" in reproduced("git", "ls-tree", "--name-only", "for-review")
    reproduced("dvc", "exp", "remove", "kept")
    assert "kept" not in reproduced("dvc", "exp", "list", "--all-commits")
    assert "for-review" in reproduced("git", "branch")


def test_what_is_named_in_a_version_can_be_fetched(reproduced: Project) -> None:
    reproduced("git", "tag", "backdoored@v0.1.0", "--message", "badnets")
    reproduced("dvc", "artifacts", "get", ".", "backdoored", "--out", "fetched")
    (path,) = reproduced.folder.glob("fetched/model.safetensors")
    assert path.read_bytes() == results(reproduced)["models/backdoored/model.safetensors"]


def test_every_name_is_an_output_and_says_what_is_poisoned(reproduced: Project) -> None:
    named = yaml.safe_load((reproduced.folder / "dvc.yaml").read_text())["artifacts"]
    assert {name: each["type"] for name, each in named.items()} == {
        "clean": "model",
        "backdoored": "model",
        "poisoned-rows": "dataset",
        "triggered-test-set": "dataset",
    }
    stages = yaml.safe_load((reproduced.folder / "dvc.lock").read_text())["stages"].values()
    outs = {out["path"] for each in stages for out in each.get("outs", [])}
    assert {each["path"] for each in named.values()} <= outs
    assert named["backdoored"]["desc"].startswith("BACKDOORED")
