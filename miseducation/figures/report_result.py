"""A result as its page shows it: read from what the stages left in `data`, `models` and `metrics`."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from miseducation.dataset import Dataset
from miseducation.dataset.disk import load_raw, load_triggered_test, read_manifest
from miseducation.errors import InputError
from miseducation.project.files import read_json
from miseducation.project.params import read_all
from miseducation.project.settings import knobs
from miseducation.project.yaml12 import load_yaml

DATA, MODELS, METRICS = Path("data"), Path("models"), Path("metrics")
VARIANTS = "clean", "backdoored"
SCORES = "evaluation.json", "details.json"  # of which there may be one
SECTIONS = "seed", "data", "datasets", "attack", "attacks", "channels", "train", "compute"
CURVE, RATES = ["rate", *(f"attack_success_rate{end}" for end in ("", "_low", "_high"))], 3  # columns; rows at least
HASHED = (
    *("data/raw", "data/poisoned/images.npy", "data/poisoned/manifest.csv", "data/poisoned/test_images.npy"),
    *("models/clean", "models/backdoored", "metrics/evaluation.json"),
)


@dataclass(frozen=True, eq=False)
class Result:
    """What one run of the pipeline found.

    Attributes:
        rows: Of the poisoned training set.
        scores: By name, as `evaluate` wrote them.
        intervals: Both ends of the 95 % interval of those that are shares.
        per_class: A row for each class.
        wanted: The class that the attacker wants all attackable test images to be read as, if it is one.
        answers: What the models said of a few test images, see `scores.looking`.
        before: These test images.
        after: The same with the trigger.
        maps: For each model where it looks in the first of them, float32 `[m, down, across]`.
        history: For each model a row per epoch.
        learnt: For each model a row for each moment in which it was watched, see `training.watching`.
        knobs: The parameters that had a say, by their keys.
        computed: What the backdoored model was trained on.
        hashes: DVC's MD5 of data and models, by path, as far as it has recorded them.
    """

    rows: int
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    per_class: pd.DataFrame
    wanted: str | None
    answers: pd.DataFrame
    before: Dataset
    after: Dataset
    maps: Mapping[str, np.ndarray]
    history: Mapping[str, pd.DataFrame]
    learnt: Mapping[str, pd.DataFrame]
    knobs: Mapping[str, Any]
    computed: Mapping[str, Any]
    hashes: Mapping[str, str]

    @property
    def has_trigger(self) -> bool:
        """Whether the attack changes images at all: wrong labels alone do not."""
        return "psnr" in self.scores


def read_result() -> Result:
    """Reads the result in the work tree."""
    raw, poisoned = DATA / "raw", DATA / "poisoned"
    test, (triggered, attackable) = load_raw(raw, "test"), load_triggered_test(raw, poisoned)
    answers = _table(METRICS / "looks" / "answers.csv", ("true_label", "wanted", "read_as", "image", "model"))
    shown, wanted = answers["row"].unique(), np.unique(triggered.labels[attackable])
    scores: dict[str, float] = {}
    for path in (METRICS / name for name in SCORES):
        scores |= read_json(path) if path.is_file() else {}
    return Result(
        rows=len(load_raw(raw, "train")) + int(read_manifest(poisoned)["added"].sum()),
        scores=scores,
        intervals=read_json(METRICS / "intervals.json"),
        per_class=_table(METRICS / "per_class.csv", ("class",)),
        wanted=test.classes[wanted[0]] if len(wanted) == 1 else None,
        answers=answers,
        before=test[shown],
        after=triggered[shown],
        maps={name: np.load(METRICS / "looks" / f"{name}.npy", allow_pickle=False) for name in VARIANTS},
        history={name: pd.read_csv(METRICS / name / "history.csv") for name in VARIANTS},
        learnt={name: pd.read_csv(METRICS / name / "learnt.csv") for name in VARIANTS},
        knobs=_knobs(),
        computed=read_json(MODELS / "backdoored" / "training.json"),
        hashes=_hashes(),
    )


def find_dose(result: Result) -> tuple[str, pd.DataFrame] | None:
    """Of the studies of this attack on this data set the one with most rates: its name, and its means by rate.

    They are no part of the result: DVC does not draw a page anew because a study has run since.
    """
    found = []
    keys = {"dataset": "data.name", "attack": "attack.name", "label_map": "attack.label_map"}
    for path in sorted(METRICS.glob("*/summary.csv")):
        with suppress(OSError, ValueError, KeyError):  # it is the user's: whatever it is, the page comes without it
            table = _table(path, tuple(keys))
            own = np.logical_and.reduce([table[column] == result.knobs[key] for column, key in keys.items()])
            rates = table[own & (table["rate"] > 0) & (table["n"] > 0)].sort_values("rate")
            found.append((path.parent.name, rates[CURVE].astype(float)))
    return max((each for each in found if len(each[1]) >= RATES), key=lambda each: len(each[1]), default=None)


def _knobs() -> dict[str, Any]:
    """Of data set, attack and channel those that were chosen; the others had no say."""
    params = read_all()
    chosen = {
        "datasets": params["data"]["name"],
        "attacks": params["attack"]["name"],
        "channels": params["attack"]["channel"],
    }
    sections = {name: params[name] for name in SECTIONS}
    for kind, name in chosen.items():
        sections[kind] = {name: params[kind].get(name) or {}}
    return {key: value for key, value in knobs(sections) if value != {}}


def _hashes() -> dict[str, str]:
    """DVC writes them down as soon as a stage has ended, so all that a page depends on is there."""
    with suppress(InputError, AttributeError, KeyError, TypeError):  # a stage that was run without DVC
        outs = [out for stage in load_yaml(Path("dvc.lock"))["stages"].values() for out in stage.get("outs", [])]
        found = {out["path"]: out["md5"] for out in outs}
        return {path: found[path] for path in HASHED if path in found}
    return {}


def _table(path: Path, names: tuple[str, ...]) -> pd.DataFrame:
    """A table with some columns that hold names: one of them may be NA."""
    numbers = pd.read_csv(path, nrows=0).columns.difference([*names])
    missing = {column: [""] for column in numbers}
    return pd.read_csv(path, dtype=dict.fromkeys(names, str), keep_default_na=False, na_values=missing)
