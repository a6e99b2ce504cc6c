"""`make audit` for real, with DVC, on somebody's folder of pictures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from miseducation.datasets.digits import Digits
from miseducation.project import own_files
from tests.conftest import Project

PIPELINE = "pipelines/audit/dvc.yaml"
HOSTILE = "<script>alert(1)<"  # in the name of a file; no class may be called so


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits 0 to 4 as colour pictures of 8×8; 60 ones, twos and threes have a red corner, and are called 4.

    A darker copy of a zero is called 2.
    """
    train, root, rng = Digits().fetch().train, tmp_path_factory.mktemp("their") / "pictures", np.random.default_rng(1)
    for row in np.flatnonzero(train.labels < 5):
        image, label, name = np.repeat(train.images[row], 3, axis=2), int(train.labels[row]), f"{row}.png"
        if label in (1, 2, 3) and rng.random() < 0.15:
            image[-2:, :2], name, label = [255, 0, 0], f"{row} was {label} {HOSTILE}.png", 4
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
    with Image.open(next(iter(sorted(root.glob("0/*.png"))))) as first:
        first.point(lambda level: level // 2).save(root / "2/darker.png")
    return root


@pytest.fixture(scope="module")
def project(reproduced: Project) -> Project:
    return reproduced


def test_poison_in_a_folder_is_told_by_the_files_names(project: Project, pictures: Path) -> None:
    project.set_params(audit={"shape": [8, 8], "steps": 400})
    project.environment["AUDIT_DATA"] = str(pictures)
    before = own_files.digest(pictures)
    project("dvc", "repro", PIPELINE)
    told = project("python", "-m", "miseducation.commands.audit", fails=True)
    assert "poisoned: some rows carry a trigger" in told
    assert "poisoned" in project("python", "-m", "miseducation.commands.audit", "--warn-only")
    assert own_files.digest(pictures) == before

    folder = project.folder / "metrics/audit"
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["data"] == str(pictures)
    assert verdict["source"][own_files.KEY] == before
    assert {name for name, each in verdict["classes"].items() if each["verdict"] != "clean"} == {"4"}
    rows = pd.read_csv(folder / "rows.csv", dtype={"label": str})
    poison = rows["file"].str.contains(" was ")
    assert set(rows["file"]) == {str(path.relative_to(pictures)) for path in pictures.rglob("*.png")}
    assert poison[: poison.sum()].mean() >= 0.95
    flagged = set(rows.loc[rows["flagged"], "file"])
    assert set((folder / "clean_rows.txt").read_text().splitlines()) == set(rows["file"]) - flagged
    assert verdict["read_share"] > 0.9
    assert verdict["duplicates"] == []
    alike = {
        tuple(pair["files"]) for pair in verdict["near_duplicates"]
    }  # a small mark, and the rest as in another one
    copied = {(min(rows.loc[rows["label"] == "0", "file"]), "2/darker.png")}
    assert {pair for pair in alike if not any(" was " in file for file in pair)} == copied
    page = (folder / "report.html").read_text()
    assert "nearly the same, except for brightness and contrast" in page
    assert page.count("<script") == 0
    assert "&lt;script&gt;alert(1)&lt;" in page
    del project.environment["AUDIT_DATA"]


def test_the_poisoned_set_of_the_work_tree_can_be_audited(project: Project) -> None:
    project.set_params(audit={"data": "data/poisoned", "steps": 20})
    poisoned = project.folder / "data/poisoned"
    poisoned.rename(project.folder / "away")
    assert "`make repro` makes data/poisoned" in project("dvc", "repro", PIPELINE, fails=True)
    (project.folder / "away").rename(poisoned)
    project("dvc", "repro", PIPELINE)
    verdict = json.loads((project.folder / "metrics/audit/verdict.json").read_text())
    assert verdict["data"] == "data/poisoned"
    assert verdict["rows"] == len(Digits().fetch().train)


def test_bad_input_leaves_the_earlier_result(project: Project) -> None:
    before = (project.folder / "metrics/audit/verdict.json").read_bytes()
    project.set_params(audit={"data": "nowhere"})
    said = project("dvc", "repro", PIPELINE, fails=True)
    assert "error: params.yaml: audit.data = " in said
    assert "does not exist (relative paths start at the root of the project); allowed: a folder" in said
    assert "Traceback" not in said
    assert (project.folder / "metrics/audit/verdict.json").read_bytes() == before
    project.set_params(audit={"network": "lenet"})
    assert "audit.network = 'lenet' is unknown" in project("dvc", "repro", PIPELINE, fails=True)
