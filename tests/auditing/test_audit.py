"""An audit of scikit-learn's digits, clean and poisoned, by networks that really learn."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miseducation.attacks import Attack, BadNets, Blended, LabelFlip
from miseducation.auditing.audit import Audited, audit, check, summary, table
from miseducation.auditing.section import AuditSection
from miseducation.dataset import Dataset
from miseducation.datasets.digits import Digits
from miseducation.defending.evidence import Recipe
from miseducation.errors import InputError
from miseducation.networks import Network
from miseducation.poisoning.label_maps import AllToOne
from miseducation.training.compute import ComputeSection

ATTACKS: dict[str, Attack | None] = {"clean": None, "badnets": BadNets(), "blended": Blended(), "flip": LabelFlip()}
SECTION = AuditSection(data="digits", steps=150)
STEPS = {"blended": 300}  # it is learnt later than a pixel
COMPUTE = ComputeSection(device="cpu", precision="float32", threads=1)


@cache
def poisoned(name: str) -> Dataset:
    train, attack = Digits().fetch().train, ATTACKS[name]
    if not attack:
        return train
    data = attack.poison(train, rate=0.05, label_map=AllToOne(target=8, classes=10), seed=1)
    return replace(train, images=data.images[:], labels=data.labels, poisoned=data.poisoned)


@cache
def audited(name: str) -> Audited:
    data = poisoned(name)
    section = SECTION.model_copy(update={"steps": STEPS.get(name, SECTION.steps)})
    return audit(data.images, data.labels, data.classes, section, COMPUTE, seed=1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("clean", "clean"), ("badnets", "poisoned"), ("blended", "poisoned"), ("flip", "suspicious")],
)
def test_the_verdict_is_right(name: str, expected: str) -> None:
    data, found = poisoned(name), audited(name)
    told = summary(found, data.labels, data.classes)
    assert told["verdict"] == expected
    assert told["read_share"] > 0.9
    assert {each for each, judged in told["classes"].items() if judged["verdict"] != "clean"} == (
        set() if expected == "clean" else {"8"}
    )
    poison = data.poisoned & (data.labels != data.true_labels)
    reason = "wrong label" if name == "flip" else "backdoor"
    assert (found.reasons == reason)[poison].mean() >= 0.9 if poison.any() else not found.flagged.any()
    if poison.any():
        assert poison[found.flagged].mean() >= 0.9


def test_the_table_has_the_worst_first_under_the_users_names() -> None:
    data, found = poisoned("badnets"), audited("badnets")
    files = [f"{label}/{row}.png" for row, label in enumerate(data.labels)]
    rows = table(found, data.labels, data.classes, files)
    assert sorted(rows["row"]) == list(range(len(data.labels)))
    assert list(rows.columns[:4]) == ["row", "file", "label", "suspicion"]
    assert list(rows.columns[-3:]) == ["flagged", "reason", "looks_like"]
    assert set(rows.columns[4:-3]) == set(found.suspicions)
    count = int(found.flagged.sum())
    assert rows["flagged"][:count].all()
    assert not rows["flagged"][count:].any()
    assert rows["suspicion"].between(0, 1).all()
    for one in rows.head(50).to_dict("records"):
        assert one["file"] == files[one["row"]]
        assert one["label"] == str(data.labels[one["row"]])
    poison = data.poisoned & (data.labels != data.true_labels)
    first = rows["row"][: int(poison.sum())]
    assert poison[first].mean() >= 0.95
    assert (rows["looks_like"][: len(first)].to_numpy() == data.true_labels[first].astype(str)).mean() > 0.9


@pytest.mark.parametrize(
    ("labels", "classes", "told"),
    [
        (np.zeros(500, np.int64), ["a"], "there is one class, 'a'"),
        (np.arange(60) % 2, ["a", "b"], "there are 60 rows"),
        (np.arange(300) % 150, [str(each) for each in range(150)], "there are 2 rows in the usual class"),
    ],
)
def test_what_is_too_small_is_refused(labels: np.ndarray, classes: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        check(labels, classes)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["black", "noise", "many classes", "random labels", "copies"])
def test_what_makes_no_sense_gets_no_verdict_that_evidence_does_not_carry(kind: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 6, 7, 3), dtype=np.uint8)
    labels = np.arange(300) % (60 if kind == "many classes" else 3)
    if kind == "black":
        images[:] = 0
    if kind == "copies":
        images[:] = images[rng.integers(0, 5, 300)]
    if kind == "random labels":
        images = np.repeat(np.arange(3, dtype=np.uint8) * 100, 100)[:, None, None, None] + images // 10
        labels = rng.integers(0, 3, 300)
    quick = SECTION.model_copy(update={"steps": 60})
    classes = [str(each) for each in range(labels.max() + 1)]
    found = audit(images, labels, classes, quick, COMPUTE, seed=1)
    told = summary(found, labels, classes)
    assert told["verdict"] in ("clean", "mislabelled")
    assert told["read_share"] < 0.5, "what is learnt by heart is not read"
    assert len(table(found, labels, classes, [])) == 300


def test_trusted_rows_are_learnt_and_not_reported() -> None:
    data = poisoned("badnets")
    known, rest = data[:200], data[200:]
    given = rest.images[:], rest.labels, rest.classes
    found = audit(*given, SECTION, COMPUTE, seed=1, trusted=(known.images[:], known.true_labels))
    assert len(found.reasons) == len(found.readings.without) == len(rest.labels)
    assert {len(each) for named in (found.suspicions, found.named) for each in named.values()} == {len(rest.labels)}
    assert summary(found, rest.labels, rest.classes)["rows"] == len(rest.labels)
    assert summary(found, rest.labels, rest.classes)["verdict"] == "poisoned"
    poison = rest.poisoned & (rest.labels != rest.true_labels)
    assert poison[found.flagged].mean() >= 0.9
    assert found.flagged[poison].mean() >= 0.9


def test_an_interrupted_audit_goes_on_from_there_and_finds_what_another_of_its_seed_finds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It trains four networks, and is interrupted in the third; what is half written counts for nothing."""
    data, section, trained = poisoned("badnets")[:400], SECTION.model_copy(update={"steps": 20}), []
    before = data.images.tobytes(), data.labels.tobytes()
    given, train = (data.images, data.labels, data.classes, section, COMPUTE), Recipe.train

    def interrupted(self: Recipe, *args: Any, **knobs: Any) -> Network:
        trained.append(len(args[1]))
        if len(trained) in (3, 6):
            raise KeyboardInterrupt
        return train(self, *args, **knobs)

    monkeypatch.setattr(Recipe, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        audit(*given, seed=1, kept=tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == 2
    found = audit(*given, seed=1, kept=tmp_path / "kept")
    assert len(trained) == 3 + 2
    with pytest.raises(KeyboardInterrupt):  # another seed's networks are others
        audit(*given, seed=2, kept=tmp_path / "kept")
    monkeypatch.undo()
    whole = audit(*given, seed=1)
    assert found.judged == whole.judged
    for one, other in zip(found.readings, whole.readings, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(found.reasons, whole.reasons)
    assert whole.readings.candidates.any()
    assert (data.images.tobytes(), data.labels.tobytes()) == before
