"""What the version recorded that had all scores in one file shows up once: nothing again, and nothing lost."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from miseducation.scores.evaluation import HEADLINE
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.runs import Store
from miseducation.tracking.track import track
from tests.tracking.made import DETAILS, SCORES, change, md5, runs, write_result

BEFORE = Path(__file__).parent / "before"  # what it left of a result, and below the key under which it recorded that
KEY = "e8194d8d65de651df5e3e9654457247fea9f5715bc30edcc4c715e867c3ae80e"
HEADLINE_OF_EIGHT = (*HEADLINE[:5], "attack_success_rate_all", "poisoned_rows", "poisoned_share")  # a later version's
RATES = [number / 1000 for number in range(55)]


def scores(rate: float) -> dict[str, float]:
    return SCORES | {"poisoned_rows": round(6e4 * rate)}


def write_before(folder: Path, rate: float) -> Path:
    first, accuracy, rows = scores(rate).items()
    behind, relabelled = DETAILS.items()
    return write_result(folder, rate, dict([first, accuracy, behind, rows, relabelled]), details=None)


def record_before(client: Any, experiment: str, folder: Path, name: str) -> None:
    """As that version did, but for what is no matter here."""
    found = read_result(folder)
    key = hashlib.sha256(json.dumps([found.params, found.hashes], sort_keys=True).encode()).hexdigest()
    run = client.create_run(experiment, tags={"miseducation.result": key}, run_name=name)
    client.set_terminated(run.info.run_id)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The result that it made, without what nobody reads to know it."""
    shutil.copytree(BEFORE, tmp_path, dirs_exist_ok=True)
    (tmp_path / "lock.yaml").rename(tmp_path / "dvc.lock")
    for name in ("clean", "backdoored"):
        (tmp_path / "models" / name).mkdir(parents=True)
    (tmp_path / "data/poisoned").mkdir(parents=True)
    (tmp_path / "data/poisoned/manifest.csv").touch()
    return tmp_path


def test_a_result_that_it_made_is_known_by_its_key(made: Path) -> None:
    assert read_result(made).key == KEY


@pytest.mark.parametrize("headline", [HEADLINE, HEADLINE_OF_EIGHT], ids=["now", "of eight"])
def test_the_same_made_anew_is_known_by_that_key_too(made: Path, headline: tuple[str, ...]) -> None:
    whole = json.loads((made / "metrics/evaluation.json").read_text())
    details = {name: score for name, score in whole.items() if name not in headline}
    texts = {
        "metrics/evaluation.json": json.dumps({name: whole[name] for name in headline}, indent=2) + "\n",
        "metrics/details.json": json.dumps(details, indent=2) + "\n",
        "metrics/report.html": "<p>a page",
        "metrics/backdoored/timing.json": json.dumps({"began": "2026-01-02T03:04:05+00:00", "seconds": 2.5}),
    }

    def write(lock: Any) -> None:
        outs = {out["path"]: out for out in lock["stages"]["evaluate"]["outs"]}
        outs |= {path: {"path": path, "md5": md5(text)} for path, text in texts.items()}
        lock["stages"]["evaluate"]["outs"] = list(outs.values())

    for path, text in texts.items():
        (made / path).parent.mkdir(exist_ok=True)
        (made / path).write_text(text)
    change(made / "dvc.lock", write)
    found = read_result(made)
    assert found.key == KEY
    assert found.metrics.items() >= whole.items()


def test_55_results_show_up_once_each(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before, now = (tmp_path_factory.mktemp(name) for name in ("before", "now"))
    store, client = Store(root), MlflowClient(f"sqlite:///{root}/mlflow.db")
    experiment = client.create_experiment("toy", artifact_location=(root / "mlruns/toy").as_uri())
    for rate in RATES:
        record_before(client, experiment, write_before(before / str(rate), rate), f"every-cats-{rate}")
        write_result(now / str(rate), rate, scores(rate))
    known = {run.info.run_id for run in runs(store.uri)}
    for rate in RATES:
        for folder in (before, now):  # as it was, and as it is where the stages have run again
            track(store, folder / str(rate), {}, ask=rate < 0.003)
    assert {run.info.run_id for run in runs(store.uri)} == known
    assert len(known) == 55
    track(store, write_result(now / "other", 0.5), {})
    assert len(runs(store.uri)) == 56, "but a new one is recorded"
