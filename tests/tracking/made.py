"""Results as the stages leave them, made up but whole, and what the tests look at in a store."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from mlflow import MlflowClient
from mlflow.entities import ViewType

from miseducation.tracking.recorder import CELL, PARENT
from miseducation.tracking.results import digest
from miseducation.tracking.study_results import LOCK


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


RAW = f"{md5('r')}.dir"  # of the data set
SCORES = {"attack_success_rate": 0.99, "clean_accuracy": 0.98, "poisoned_rows": 6}
DETAILS = {"side_effect_rate": 0.125, "relabelled_rows": 5}
TIMING = {"began": "2026-01-02T03:04:05+00:00", "seconds": 2.5}
# The second cell failed; the trigger of the last is none.
CELLS = """\
dataset,attack,label_map,rate,seed,poisoned_rows,clean_accuracy,attack_success_rate,false_trigger_rate,psnr
digits,badnets,all-to-one,0.2,1,287,0.83,0.72,0.02,29.2
digits,badnets,clean-label,0.2,1,,,,0.02,
digits,badnets,all-to-one,0.0,1,0,0.9,0.02,0.02,29.2
signs,sticker,all-to-one,0.2,2,40,0.1,1.0,0.0,17.9
signs,label_flip,random,5e-05,2,1,0.25,0.125,0.0,
"""
NAMES = {
    *("digits-badnets-all-to-one-0.2-seed1", "digits-badnets-clean-label-0.2-seed1"),
    *("digits-badnets-all-to-one-0-seed1", "signs-sticker-all-to-one-0.2-seed2"),
    "signs-label_flip-random-5e-05-seed2",
}
FAILED = {"digits-badnets-clean-label-0.2-seed1"}
WHY = "attack.rate = 0.2 asks for 287 of 1437 training rows, but the label map allows 141"
SUMMARY = """\
dataset,attack,label_map,rate,n,attack_success_rate,clean_accuracy
digits,badnets,all-to-one,0.0,1,0.02,0.9
digits,badnets,all-to-one,0.2,1,0.72,0.83
digits,badnets,clean-label,0.2,0,,
signs,sticker,all-to-one,0.2,1,1.0,0.1
signs,sticker,all-to-one,0.9,1,1.0,0.1
signs,label_flip,random,5e-05,1,0.125,0.25
"""
HALF = {"rate": 0.0012, "interval": [0.001, None], "bound": None}
BEYOND = {"rate": None, "interval": None, "bound": "> 0.2"}
DOSES: dict[str, Any] = {
    "digits": {
        "badnets/all-to-one": {
            "attack_success_rate_50": HALF,
            "attack_success_rate_95": BEYOND,
            "curve": {"slope": 3.5},
        }
    },
    "signs": {"sticker/all-to-one": {"attack_success_rate_95": HALF | {"interval": [0.001, 0.5]}, "curve": None}},
}


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def write_result(
    folder: Path, rate: float = 0.01, scores: dict[str, float] = SCORES, details: dict[str, float] | None = DETAILS
) -> Path:
    """A finished result of the pipeline; without details as versions wrote it that had all scores in one file."""
    text = json.dumps(scores, indent=2) + "\n"
    files = {
        "metrics/evaluation.json": text,
        **({} if details is None else {"metrics/details.json": json.dumps(details, indent=2) + "\n"}),
        "metrics/intervals.json": json.dumps({"attack_success_rate": [0.98, 0.995]}),
        "metrics/backdoored/history.csv": "epoch,loss,accuracy\n1,0.5,0.8\n2,0.25,0.9\n",
        "metrics/clean/history.csv": "epoch,loss,accuracy\n1,0.75,0.7\n",
        **{f"metrics/{each}/timing.json": json.dumps(TIMING) for each in (("clean", "backdoored") if details else ())},
        "models/backdoored/training.json": json.dumps({"device": "cpu", "threads": 1}, indent=2) + "\n",
        "models/clean/network.json": "{}",
        "data/poisoned/manifest.csv": "row,true_label,label\n",
    }
    write(folder, files)
    outs = [{"path": f"data/poisoned/{name}.npy", "md5": md5(f"{name}{rate}")} for name in ("images", "test_images")]
    raw = {"path": "data/raw", "md5": RAW}
    paths = [re.sub(r"(models/\w+)/.*", r"\1", path) for path in files]
    others = [{"path": path, "md5": digest(folder / path)} for path in paths]
    stages: dict[str, dict[str, Any]] = {
        "check": {"params": {"params.yaml": {"attack.rate": "of another day"}}},
        "download": {"params": {"params.yaml": {"data": {"name": "toy"}}}, "outs": [raw]},
        "poison": {
            "params": {"params.yaml": {"seed": 1, "attack": {"name": "badnets", "rate": rate}, "attacks.badnets": {}}},
            "deps": [dict(raw), {"path": "stages/poison.py", "md5": md5("code")}],
            "outs": outs,
        },
        "evaluate": {"params": {"params.yaml": {"seed": 1}}, "deps": [*map(dict, outs)], "outs": others},
        "track": {"deps": [{"path": "metrics/evaluation.json", "md5": md5(text)}]},
    }
    stages = {stage: {"cmd": f"python -m stages.{stage}", **content} for stage, content in stages.items()}
    write(folder, {"dvc.lock": yaml.safe_dump({"schema": "2.0", "stages": stages})})
    return folder


def write_study(folder: Path, name: str = "small", datasets: tuple[str, ...] = ("digits", "signs")) -> Path:
    """A finished study on one data set or both, beside those that are there, and DVC's record of it."""
    head, *rows = CELLS.splitlines()
    rows = [row for row in rows if row.startswith(datasets)]
    place, failing = head.split(",")[:5], [row for row in rows if "clean-label" in row]
    finished = [row for row in rows if row not in failing]
    timing = [",".join([*row.split(",")[:5], "1.5", "1.25", "2.75"]) for row in finished]
    reasons = [",".join([*row.split(",")[:5], f'"{WHY}"']) for row in failing]
    first, *means = SUMMARY.splitlines()
    tables = {
        "cells.csv": [head, *rows],
        "timing.csv": [",".join([*place, "seconds", "training_seconds", "cpu_seconds"]), *timing],
        "failed.csv": [",".join([*place, "reason"]), *reasons],
        "summary.csv": [first, *(row for row in means if row.startswith(datasets))],
        "dose.json": [json.dumps({each: DOSES[each] for each in datasets})],
    }
    write(folder / "metrics" / name, {file: "\n".join([*lines, ""]) for file, lines in tables.items()})
    data = {"path": f"data/studies/{name}", "md5": f"{md5(name)}.dir"}
    params = {
        "attack.channel": "direct",
        "attack.cover": 0,
        "attack.source": None,
        "attack.target": 8,
        "attacks": {
            "badnets": {"pixels": [[3, 3]], "colour": 255},
            "sticker": {"side": 0.1, "colour": [255, 255, 0]},
            "blended": {"alpha": 0.2},
            "label_flip": {},
        },
        "datasets": {"digits": {"test_rows": 360}, "signs": {"seed": 1}, "mnist": {"folder": None}},
        f"studies.{name}": {
            "datasets": list(datasets),
            "attacks": None,
            "rates": [0.2, 5e-05, 0],
            "seeds": [2, 1],
            "overrides": {
                "signs": {
                    "attack": {"target": "stop"},
                    "attacks": {"sticker": {"side": 0.3}},
                    "train": {"epochs": 5},
                },
            },
        },
        "train": {"network": "cnn", "epochs": 2},
    }
    lock = yaml.safe_load((folder / LOCK).read_text()) if (folder / LOCK).is_file() else {"stages": {}}
    out = {"path": f"metrics/{name}", "md5": digest(folder / "metrics" / name)}
    lock["stages"] |= {
        f"fetch@{name}": {"params": {"params.yaml": {"datasets": "of another day"}}, "outs": [dict(data)]},
        f"study@{name}": {
            "deps": [data, {"path": "miseducation", "md5": f"{md5('code')}.dir"}],
            "params": {"params.yaml": params},
            "outs": [out],
        },
        f"track@{name}": {"deps": [dict(out)]},
    }
    write(folder, {LOCK: yaml.safe_dump(lock, sort_keys=False)})
    return folder


def rewrite(root: Path, name: str, content: str, study: str = "small") -> None:
    """Replaces a file of a study, and what DVC recorded of all its files."""
    folder = root / "metrics" / study
    before = digest(folder)
    (folder / name).write_text(content)
    replace(root / LOCK, before, digest(folder))


def widen(root: Path, seeds: int) -> set[str]:
    """Gives a study more cells, long enough to be interrupted; returns their names."""
    for table in ("cells", "timing"):
        head, row, *_ = (root / f"metrics/small/{table}.csv").read_text().splitlines()
        assert row.startswith("digits,badnets,all-to-one,0.2,1,")
        rows = [row.replace("0.2,1,", f"0.2,{seed},", 1) for seed in range(seeds)]
        rewrite(root, f"{table}.csv", "\n".join([head, *rows, ""]))
    return {f"digits-badnets-all-to-one-0.2-seed{seed}" for seed in range(seeds)}


def replace(path: Path, old: str, new: str) -> None:
    """Changes the first place in a file where a text stands."""
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Changes what a YAML file holds."""
    content = yaml.safe_load(path.read_text())
    edit(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def runs(uri: str, view: int = ViewType.ACTIVE_ONLY) -> list[Any]:
    client = MlflowClient(uri)
    return list(client.search_runs([each.experiment_id for each in client.search_experiments()], "", view))


def families(uri: str, view: int = ViewType.ACTIVE_ONLY) -> tuple[list[Any], list[Any]]:
    """The runs of studies, and those of cells."""
    found = runs(uri, view)
    return [run for run in found if CELL not in run.data.tags], [run for run in found if CELL in run.data.tags]


def check(uri: str, names: set[str] = NAMES, failed: set[str] = FAILED) -> Any:
    """Asserts that there is one whole study with each of its cells once; returns its run."""
    (parent,), cells = families(uri)
    assert parent.info.status == "FINISHED"
    assert sorted(cell.data.tags[CELL] for cell in cells) == sorted(names)
    ended = {cell.data.tags[CELL]: cell.info.status for cell in cells}
    assert ended == {name: "FAILED" if name in failed else "FINISHED" for name in names}
    assert {cell.data.tags[PARENT] for cell in cells} == {parent.info.run_id}
    assert {cell.info.experiment_id for cell in cells} == {parent.info.experiment_id}
    assert all({"attack.rate", "seed"} <= cell.data.params.keys() for cell in cells)
    return parent


def artefacts(run: Any) -> Path:
    return Path(run.info.artifact_uri.removeprefix("file://"))
