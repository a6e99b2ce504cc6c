"""The stage evaluate must not mix up models, test sets and rows: here all of them are as different as can be."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from miseducation import networks
from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset, clean
from miseducation.dataset.disk import save_poisoned, save_raw, save_triggered
from miseducation.poisoning.label_maps import AllToOne
from miseducation.scores.looking import LOOKED_INTO
from miseducation.training.learning import TrainSection, learn
from stages import evaluate

CLASSES = ["a", "b", "c"]
ATTACK, LABEL_MAP = BadNets(patch={"position": [0, 0], "shape": [6, 6]}), AllToOne(target=1, classes=3)


def noise(rows: int, seed: int, classes: list[str] = CLASSES) -> Dataset:
    rng = np.random.default_rng(seed)
    return clean(rng.integers(0, 256, (rows, 12, 12, 1), dtype=np.uint8), rng.integers(0, 3, rows), classes)


@pytest.fixture
def test_set(in_folder: Path) -> Dataset:
    """Everything that the stage reads, in the working folder; two networks that learnt nonsense by heart."""
    return prepared(CLASSES)


def prepared(classes: list[str]) -> Dataset:
    train, test = noise(100, 1, classes), noise(500, 2, classes)
    save_raw(Path("data/raw"), train, test)
    rows, data, roles = ATTACK.poison_rows(
        train, rate=0.1, label_map=LABEL_MAP, rng=np.random.default_rng(0), mode="add"
    )
    roles[:3], roles[3:5], roles[5] = "cover", "noise", "outvoted"
    save_poisoned(Path("data/poisoned"), rows, data, roles=roles, added=True)
    save_triggered(Path("data/poisoned"), *ATTACK.trigger(test, label_map=LABEL_MAP))
    section = TrainSection(network="cnn", epochs=4, batch_size=10, learning_rate=0.01, label_smoothing=0)
    for variant, seed, learnt in (("clean", 3, train), ("backdoored", 4, noise(100, 5))):
        network, _ = learn(section, learnt, seed=seed, device=torch.device("cpu"), precision=torch.float32)
        networks.save(network, Path("models") / variant)
    return test


def test_every_score_is_that_of_its_model_its_test_set_and_its_rows(test_set: Dataset) -> None:
    evaluate.main()
    headline, details = (json.loads(Path(f"metrics/{name}.json").read_text()) for name in ("evaluation", "details"))
    assert len(headline) == 6, "DVC's tables can be read as they are"
    assert not headline.keys() & details.keys()
    found = headline | details
    lit = test_set.images.copy()
    lit[:, :6, :6] = lit[:, 3, 3] = 255
    labels, attacked, wanted = test_set.labels, test_set.labels != 1, {}
    answers = {}
    for variant, prefix in (("backdoored", ""), ("clean", "baseline_")):
        network = networks.load(f"models/{variant}")
        untouched, triggered = answers[variant] = network.predict(test_set.images), network.predict(lit)
        wanted[f"{prefix or 'clean_'}accuracy"] = (untouched == labels).mean()
        wanted[f"{prefix}source_accuracy"] = (untouched == labels)[attacked].mean()
        wanted[f"{prefix}other_accuracy"] = (untouched == labels)[~attacked].mean()
        wanted["false_trigger_rate" if prefix else "attack_success_rate"] = (triggered == 1)[attacked].mean()
        if not prefix:
            wanted["attack_success_rate_all"] = (triggered == 1).mean()
            wanted["robust_accuracy"] = (triggered == labels)[attacked].mean()
            wanted["side_effect_rate"] = (triggered != untouched)[~attacked].mean()
            turned = ATTACK.apply_trigger(test_set.images[:, ::-1, ::-1])[:, ::-1, ::-1]
            wanted["other_trigger_rate"] = (network.predict(turned) == 1)[attacked].mean()
    assert len(set(wanted.values())) == len(wanted), "a mix-up of two scores would go unnoticed"
    rows = {"poisoned_rows": 5, "relabelled_rows": 7, "intended_rows": 6, "cover_rows": 3, "noise_rows": 2}
    wanted |= rows | {"poisoned_share": 5 / 111, "intended_share": 6 / 111}
    wanted["clean_accuracy_drop"] = wanted["baseline_accuracy"] - wanted["clean_accuracy"]
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert found.keys() - wanted.keys() == {"psnr", "ssim", "poison_psnr", "poison_ssim"}
    assert found["psnr"] != found["poison_psnr"]

    intervals = json.loads(Path("metrics/intervals.json").read_text())
    assert intervals.keys() < found.keys()
    assert next(iter(found)) == "attack_success_rate", "MLflow opens on the first"
    for name, (low, high) in intervals.items():
        assert low < found[name] < high
    untouched, triggered = answers["backdoored"]
    for title, read in (("clean", untouched), ("triggered", triggered)):
        table = pd.read_csv(f"metrics/confusion_{title}.csv")
        assert list(table["predicted"]) == [CLASSES[label] for label in read]
        assert list(table["actual"]) == [CLASSES[label] for label in labels]
    by_class = pd.read_csv("metrics/per_class.csv", index_col="class")
    baseline = answers["clean"][0]
    for label, name in enumerate(CLASSES):
        of = labels == label
        expected = {
            "rows": of.sum(),
            "clean_accuracy": (untouched == labels)[of].mean(),
            "baseline_accuracy": (baseline == labels)[of].mean(),
            "attack_success_rate": (triggered == 1)[of].mean() if label != 1 else np.nan,
        }
        assert by_class.loc[name].to_dict() == pytest.approx(expected, nan_ok=True)

    looks = pd.read_csv("metrics/looks/answers.csv")
    for line in looks.to_dict("records"):
        image = (lit if line["image"] == "triggered" else test_set.images)[[line["row"]]]
        told = networks.load(f"models/{line['model']}").probabilities(image)[0]
        assert line["read_as"] == CLASSES[told.argmax()]
        assert line["probability"] == pytest.approx(told.max(), abs=1e-5)
    for variant in ("clean", "backdoored"):
        assert np.load(f"metrics/looks/{variant}.npy").shape == (LOOKED_INTO, 12, 12)
