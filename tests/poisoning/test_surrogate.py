"""The clean model in the attacker's hands is a dependency of the attacks that need one, and of no other."""

import pandas as pd

from tests.conftest import Project, ran

NEEDING = {"name": "label_consistent", "label_map": "clean-label", "rate": 0.05}


def test_the_clean_model_comes_first_only_where_it_is_needed(project: Project) -> None:
    project.set_params(attack={**NEEDING, "surrogate": "clean"}, train={"epochs": 1})
    assert ran(project("dvc", "repro", "poison")) == ["download", "train@clean", "poison"]
    manifest = pd.read_csv(project.folder / "data/poisoned/manifest.csv")
    assert set(manifest["role"]) == {"poison"}
    assert (manifest["label"] == manifest["true_label"]).all()
    images = (project.folder / "data/poisoned/images.npy").read_bytes()
    project.set_params(train={"learning_rate": 0.002})
    assert ran(project("dvc", "repro", "poison")) == ["train@clean", "poison"]
    assert (project.folder / "data/poisoned/images.npy").read_bytes() != images, "another model, other changes"

    project.set_params(attack={"name": "badnets", "label_map": "all-to-one", "surrogate": "none"})
    assert ran(project("dvc", "repro", "poison")) == ["poison"]
    project.set_params(train={"learning_rate": 0.001})
    assert ran(project("dvc", "repro", "poison")) == []


def test_a_missing_surrogate_is_told_before_any_work(project: Project) -> None:
    project.set_params(attack={**NEEDING, "surrogate": "none"})
    output = project("dvc", "repro", fails=True)
    assert "attack.surrogate = 'none', but label_consistent needs a clean model; allowed: 'clean'" in output
    assert "Traceback" not in output
    assert ran(output) == ["check"]
