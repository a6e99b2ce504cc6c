"""What detectors would have noticed in a study's cells, against the detectors themselves, and how it is kept."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

from miseducation import defences
from miseducation.datasets import Fetched
from miseducation.defences.confidence import Confidence
from miseducation.defences.scan import Scan
from miseducation.defending.evidence import Evidence, Model, draw_trusted, order
from miseducation.errors import InputError
from miseducation.project import code, parts
from miseducation.studies import engines
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.prepare import prepare
from miseducation.studies.section import check_studies, read_study
from miseducation.studies.store import OURS, Keys
from miseducation.training.learning import learn
from stages import study
from tests.studies.study_projects import Here, made_bench

DETECTORS = ["confidence", "scan", "spectral_signatures"]
SCORES = ["auroc", "tpr_at_1pct_fpr", "true_positive_rate", "false_positive_rate", "flagged_share"]
MINE: dict[str, Any] = {
    "datasets": ["digits"],
    "attacks": ["badnets", "blended"],
    "rates": [0, 0.1],
    "seeds": [1],
    "measured": ["scores", "detection"],
    "detectors": DETECTORS,
    "overrides": {"digits": {"train": {"epochs": 2, "batch_size": 50}}},
}
POISONED = Cell(0, 0.1, 0, 1)


@pytest.fixture
def bench(set_params: Callable[[str, Any], None], digits: Fetched) -> Bench:
    """Of the study `mine`; its data lie where the stage looks for them."""
    folder = Path("data/studies/mine/digits")
    made_bench(folder, digits)
    set_params("compute", {"device": "cpu", "precision": "float32", "threads": 1})
    set_params("defences.trusted_rows", 60)
    set_params("studies", {"mine": MINE})
    return prepare("mine", read_study("mine"), "digits", folder)


def run(monkeypatch: pytest.MonkeyPatch, engine: Here) -> pd.DataFrame:
    """The stage, in this process; what it wrote to `cells.csv`."""
    monkeypatch.setattr(engines, "chosen", lambda: engine)
    monkeypatch.setattr(sys, "argv", ["study", "mine"])
    study.main()
    return pd.read_csv("metrics/mine/cells.csv")


def test_a_study_tells_what_detectors_themselves_say(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = run(monkeypatch, engine := Here())
    columns = [f"{name}.{score}" for name in DETECTORS for score in SCORES]
    assert [name for name in map(str, cells) if "." in name] == columns
    assert len(engine.asked) == 3, "the attacks share the clean model"

    rows = bench.arms[0].attack.poison_rows(
        bench.train, rate=0.1, label_map=bench.arms[0].label_map, rng=np.random.default_rng(1), mode="replace"
    )
    learnt = rows.laid_over(bench.train, "replace")
    network, _ = learn(bench.learning, learnt, seed=1, device=torch.device("cpu"), precision=torch.float32)
    seen = learnt[order(len(learnt), 1)]  # a defender gets the rows in another order
    evidence = Evidence(
        seen.images,
        seen.labels,
        bench.train.classes,
        1,
        model=Model(network, seen.images),
        trusted=draw_trusted(bench.train, 60, seed=0),
    )
    wrong = seen.labels != seen.true_labels
    counted = wrong | ~seen.poisoned
    (found,) = cells.query("attack == 'badnets' and rate == 0.1 and seed == 1").to_dict("records")
    for name, detector in ((each, defences.defence(each, "detectors")) for each in DETECTORS):
        assert isinstance(detector, defences.RowDetector)
        suspicion = detector.suspect(evidence)
        flagged = detector.flag(suspicion, evidence)
        false, true, _ = roc_curve(wrong[counted], suspicion[counted])
        assert found[f"{name}.auroc"] == pytest.approx(roc_auc_score(wrong[counted], suspicion[counted]))
        assert found[f"{name}.tpr_at_1pct_fpr"] >= true[false <= 0.01].max()  # which knows fewer thresholds
        assert found[f"{name}.true_positive_rate"] == flagged[wrong].mean()
        assert found[f"{name}.false_positive_rate"] == flagged[~seen.poisoned].mean()
        assert found[f"{name}.flagged_share"] == flagged.mean()
    clean = cells[cells["rate"] == 0]
    assert clean.filter(regex=r"\.(auroc|tpr_at_1pct_fpr|true_positive_rate)$").isna().all(axis=None)
    assert (clean["scan.flagged_share"] == clean["scan.false_positive_rate"]).all()
    badnets, blended = (clean[clean["attack"] == name].filter(like=".").to_numpy() for name in ("badnets", "blended"))
    np.testing.assert_array_equal(badnets, blended)

    folder = Path("metrics/mine")
    windows = pd.read_csv(folder / "blind_window.csv")
    assert [*windows.groupby(["attack", "detector"]).size()] == [1] * 2 * 4
    assert (folder / "blind_window-digits.png").is_file()
    assert (folder / "blind_window.md").read_text().count("| badnets | all-to-one |") == 2
    assert "scan.flagged_share_low" in pd.read_csv(folder / "summary.csv")
    again = run(monkeypatch, idle := Here())
    assert not idle.asked
    pd.testing.assert_frame_equal(cells, again)


def test_a_new_detector_asks_no_other_again_and_without_any_there_is_no_window(
    bench: Bench, set_params: Callable[[str, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"attacks": ["badnets"], "rates": [0.1], "detectors": ["confidence"]}
    set_params("studies.mine", MINE | few)
    cells = run(monkeypatch, Here())
    assert len(list(Path("metrics/mine").glob("blind_window*"))) == 4
    set_params("studies.mine.detectors", ["confidence", "spectral_signatures"])
    monkeypatch.setattr(Confidence, "suspect", None)  # what it said is known
    both = run(monkeypatch, Here())
    assert both["confidence.auroc"].equals(cells["confidence.auroc"])
    assert both["spectral_signatures.auroc"].notna().all()
    set_params("studies.mine", MINE | few | {"measured": ["scores"], "detectors": None})
    cells = run(monkeypatch, idle := Here())
    assert not idle.asked, "scores are known"
    assert not [name for name in map(str, cells) if "." in name]
    assert not list(Path("metrics/mine").glob("blind_window*"))


def test_a_detector_that_fails_spoils_its_own_columns_alone(
    bench: Bench, set_params: Callable[[str, Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Scan, evidence: Evidence) -> np.ndarray:
        raise (error)

    monkeypatch.setattr(Scan, "suspect", fails)
    set_params("studies.mine", MINE | {"attacks": ["badnets"], "rates": [0.1]})
    error: Exception = ValueError("no\nluck")
    with pytest.warns(UserWarning, match="^digits: scan fails on data that badnets poisoned: ValueError: no luck$"):
        cells = run(monkeypatch, Here())
    assert cells.filter(regex=r"^scan\.").isna().all(axis=None)
    assert cells.drop(columns=cells.filter(regex=r"^scan\.|other_trigger").columns).notna().all(axis=None)

    error = RuntimeError("out of memory")  # the next time there may be enough: nothing is kept
    set_params("studies.mine", MINE | {"attacks": ["badnets"], "rates": [0.05], "seeds": [2]})
    with pytest.raises(InputError, match="every cell failed:\nRuntimeError: out of memory"):
        run(monkeypatch, Here())


@pytest.mark.parametrize(
    ("knob", "value", "changed"),
    [
        ("detectors.scan.dimensions", 10, {"scan"}),
        ("detectors.confidence.share", 0.02, {"confidence"}),
        ("detectors.strip.row_overlays", 3, set()),
        ("detectors.scan.anomaly", 7.38905609893065, set()),
        ("repairs.clp.deviations", 2, set()),
        ("trusted_rows", 61, set(DETECTORS)),
        ("seed", 1, set(DETECTORS)),
    ],
)
def test_a_knob_concerns_its_own_detector_alone(
    bench: Bench, set_params: Callable[[str, Any], None], knob: str, value: Any, changed: set[str]
) -> None:
    before = Keys(bench)
    set_params(f"defences.{knob}", value)
    after = Keys(prepare("mine", read_study("mine"), "digits", bench.folder))
    assert changed == {name for name in DETECTORS if names(before, name) != names(after, name)}
    assert before(POISONED, "scores") == after(POISONED, "scores")


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        ("defences/scan", {"scan"}),
        ("defences/strip", set()),
        ("defending/classwise", {"scan", "spectral_signatures"}),
        ("defending/evidence", set(DETECTORS)),
        ("scores/detection", set(DETECTORS)),
        ("studies/measurements/detection", set(DETECTORS)),
        ("studies/blind", set()),
    ],
)
def test_code_concerns_those_that_it_makes_alone(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, changed: set[str]
) -> None:
    before = Keys(bench)
    known = {name: names(before, name) for name in DETECTORS} | {"scores": before(POISONED, "scores")}
    shutil.copytree(code.PACKAGE, tmp_path / "miseducation", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "ROOT", tmp_path)
    with (tmp_path / f"miseducation/{file}.py").open("a") as module:
        module.write("\n# changed\n")
    after = Keys(bench)
    assert changed == {name for name in DETECTORS if names(after, name) != known[name]}
    assert after(POISONED, "scores") == known["scores"]


def names(keys: Keys, detector: str) -> str:
    return keys(POISONED, f"detection.{detector}")


def test_every_detector_has_a_key_of_its_own(bench: Bench, set_params: Callable[[str, Any], None]) -> None:
    set_params("studies.mine.detectors", None)
    every = prepare("mine", read_study("mine"), "digits", bench.folder)
    kinds = {name: parts.find("defences", name, defences.Defence, "") for name in parts.names("defences")}
    rows = [name for name, kind in kinds.items() if issubclass(kind, defences.RowDetector)]
    assert sorted(every.measured) == sorted(["scores", *(f"detection.{name}" for name in rows)])
    assert len({Keys(every)(POISONED, name) for name in every.measured}) == len(every.measured)
    assert Keys(every)(POISONED, "detection.scan") == names(Keys(bench), "scan"), "whatever others there are"
    imported = code.imported([OURS])
    assert not [path for path in imported if path.startswith("miseducation/defences/")]
    assert names(Keys(replace(bench, measured=("scores",))), "scan") == names(Keys(bench), "scan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detectors": ["nobody"]}, "studies.mine.detectors = 'nobody' is unknown; known defences: "),
        ({"detectors": ["scan", "scan"]}, "'scan' appears twice"),
        ({"detectors": []}, "detectors = []"),
        ({"measured": ["scores"]}, "studies.mine.detectors is for the measurement detection"),
    ],
)
def test_a_mistake_is_told_before_any_work(
    set_params: Callable[[str, Any], None], change: dict[str, Any], message: str
) -> None:
    set_params("studies", {"mine": MINE | change})
    with pytest.raises(InputError) as error:
        check_studies()
    assert message in str(error.value)


def test_what_is_no_detector_of_rows_is_told_before_any_training(
    bench: Bench, set_params: Callable[[str, Any], None]
) -> None:
    set_params("studies.mine.detectors", ["anp"])
    with pytest.raises(InputError, match=r"^params.yaml: studies\.mine\.detectors = 'anp'; allowed: \w+, "):
        prepare("mine", read_study("mine"), "digits", bench.folder)
    set_params("studies.mine.detectors", ["scan"])
    set_params("defences.detectors.scan", {"dimension": 3})
    with pytest.raises(InputError, match=r"^params.yaml: defences\.detectors\.scan\.dimension is not a known key"):
        prepare("mine", read_study("mine"), "digits", bench.folder)
