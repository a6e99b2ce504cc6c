"""`make attacks`: every attack that has a file, each cell as the pipeline finds it, and trained once."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from stages import attack_curves, attack_gallery, comparison, dose, parts
from stages.command import InputError
from stages.compare import ComparisonSection
from stages.comparison_results import read_comparison
from stages.params import read
from stages.recorder import CELL, PARENT, REASON
from tests.conftest import Project, scores
from tests.sweeps import TRAINING, outcomes, process, table, wait_for
from tests.test_pictures import misplaced

PIPELINE = "comparison/dvc.yaml"
COMPARE = ("dvc", "repro", f"{PIPELINE}:compare")
STABLE = [
    *("attacks.csv", "attacks_failed.csv", "attacks_summary.csv", "attacks.md"),
    *("attacks.png", "attack_gallery.png"),
]
RATES, SEEDS = [0.02, 0.2], [1, 2]
ATTACK = '''
"""Made for a test.

Nobody: Nothing, 2024, https://example.org.
"""

from typing import ClassVar, final

import numpy as np

from stages.attacks import Attack


@final
class {name}(Attack):
    """Made for a test."""

    label_map: ClassVar[str] = "{label_map}"
{lines}
'''
SILENT = ATTACK.format(
    name="Silent",
    label_map="one-to-one",
    lines="""
    has_trigger: ClassVar[bool] = False

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images.copy()
""",
)
LEANING = ATTACK.format(
    name="Leaning",
    label_map="clean-label",
    lines="""
    needs_surrogate: ClassVar[bool] = True

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images ^ 8

    def poison_images(self, data, *, role, rng, surrogate):
        steps = 32 * np.sign(surrogate.gradient(data.images.astype(np.float32), data.labels))
        return self.apply_trigger(np.clip(data.images + steps, 0, 255).astype(np.uint8))
""",
)
LATE = ATTACK.format(
    name="Late",
    label_map="all-to-one",
    lines="""
    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return 255 - images
""",
)


def add(project: Project, name: str, code: str) -> None:
    """What whoever adds an attack does: a file, and its knobs."""
    (project.folder / f"stages/attacks/{name}.py").write_text(code)
    project.set_params(attacks={name: {}})


def comparing(folder: Path) -> Project:
    """A project with four attacks: of these two, one is for labels only, and one needs a surrogate and clean labels."""
    project = Project(folder)
    for name in parts.names("attacks"):
        if name not in ("badnets", "sticker"):
            (folder / f"stages/attacks/{name}.py").unlink()
    add(project, "silent", SILENT)
    add(project, "leaning", LEANING)
    signs = {
        "compared": ["sticker"],
        "attack": {"target": "speed-limit-50", "source": "stop"},
        "attacks": {"sticker": {"side": 0.3}},
        "train": {"epochs": 1},
    }
    digits = {"attack": {"target": 8, "source": 7}}
    project.set_params(
        train=TRAINING,
        datasets={"signs": {"seed": 1, "train_rows": 200, "test_rows": 200}},
        comparison={"rates": RATES, "seeds": SEEDS, "datasets": {"digits": digits, "signs": signs}},
    )
    project.commit()
    return project


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy in which `dvc repro comparison/dvc.yaml` has run, and the pipeline."""
    project = comparing(tmp_path_factory.mktemp("compared") / "project")
    project("dvc", "repro")  # `dvc exp apply` wants all that dvc.yaml names
    output = project("dvc", "repro", PIPELINE)
    assert "attacks on digits, on joblib" in output
    assert "Traceback" not in output
    project.commit()
    return project


def stable(project: Project) -> dict[str, bytes]:
    return {name: (project.folder / "metrics" / name).read_bytes() for name in STABLE}


def restore(project: Project) -> None:
    project("git", "checkout", "--quiet", ".")
    project("git", "clean", "--quiet", "--force")
    project("dvc", "checkout", "--quiet")


def test_the_table_has_a_row_per_cell_in_order(compared: Project) -> None:
    cells = table(compared, "attacks")
    assert ",".join(cells.columns) == (
        "dataset,attack,label_map,rate,seed,clean_accuracy,baseline_accuracy,attack_success_rate,"
        "false_trigger_rate,robust_accuracy,psnr,ssim"
    )
    arms = [
        *(("digits", "badnets", "all-to-one"), ("digits", "leaning", "clean-label")),
        *(("digits", "silent", "one-to-one"), ("digits", "sticker", "all-to-one"), ("signs", "sticker", "all-to-one")),
    ]
    wanted = [(*arm, rate, seed) for arm in arms for rate in RATES for seed in SEEDS]
    assert list(cells.iloc[:, :5].itertuples(index=False, name=None)) == wanted
    finished = cells[cells["attack_success_rate"].notna()]
    assert finished.drop(columns="psnr").notna().all(axis=None)
    assert set(table(compared, "attacks_timing").columns) > {"dataset", "attack", "seconds"}
    summary = table(compared, "attacks_summary")
    assert len(summary) == len(arms) * len(RATES)
    assert {"n", "attack_success_rate", "attack_success_rate_low", "false_trigger_rate_high"} <= set(summary)


def test_cells_that_cannot_be_are_told_and_stop_nothing(compared: Project) -> None:
    cells, failed = table(compared, "attacks"), table(compared, "attacks_failed")
    without = cells[cells["attack_success_rate"].isna()]
    own = ["clean_accuracy", "attack_success_rate", "robust_accuracy", "psnr", "ssim"]
    assert without[own].isna().all(axis=None)
    place = ["dataset", "attack", "rate", "seed"]
    assert without[place].to_numpy().tolist() == failed[place].to_numpy().tolist()
    assert set(zip(failed["attack"], failed["rate"], strict=True)) == {("leaning", 0.2), ("silent", 0.2)}
    assert failed["reason"].str.contains("but the label map allows").all()
    text = (compared.folder / "metrics/attacks.md").read_text()
    assert "- silent at 20 %: params.yaml: attack.rate = 0.2 asks for 287 of 1437 training rows" in text


def test_without_a_trigger_there_is_no_ratio(compared: Project) -> None:
    cells = table(compared, "attacks")
    silent = cells[(cells["attack"] == "silent") & (cells["rate"] == 0.02)]
    assert silent["psnr"].isna().all()
    assert (silent["ssim"] == 1).all()
    text = (compared.folder / "metrics/attacks.md").read_text()
    assert "| silent | one-to-one | – | 1.000 |" in text


@pytest.mark.parametrize(
    ("attack", "rate", "seed", "settings"),
    [
        ("badnets", 0.2, 2, {}),
        ("silent", 0.02, 1, {"attack.label_map": "one-to-one", "attack.source": 7}),
        ("leaning", 0.02, 2, {"attack.label_map": "clean-label", "attack.surrogate": "clean"}),
    ],
)
def test_a_cell_is_what_the_pipeline_finds(
    compared: Project, attack: str, rate: float, seed: int, settings: dict[str, Any]
) -> None:
    knobs = {"attack.name": attack, "attack.rate": rate, "seed": seed, **settings}
    changes = [word for key, value in knobs.items() for word in ("-S", f"{key}={value}")]
    compared("dvc", "exp", "run", "--temp", "--name", attack, *changes)
    compared("dvc", "exp", "apply", attack)
    cells = table(compared, "attacks")
    chosen = (cells["dataset"] == "digits") & (cells["attack"] == attack)
    (cell,) = cells[chosen & (cells["rate"] == rate) & (cells["seed"] == seed)].to_dict("records")
    wanted = scores(compared)
    names = [*comparison.SCORES, *(["psnr", "ssim"] if attack != "silent" else [])]
    assert {name: cell[name] for name in names} == {name: wanted[name] for name in names}
    restore(compared)


def test_what_is_known_is_not_trained_again(compared: Project) -> None:
    before, times = stable(compared), table(compared, "attacks_timing")
    compared("dvc", "repro", "--force", "--single-item", COMPARE[-1])
    pd.testing.assert_frame_equal(table(compared, "attacks_timing"), times)
    assert stable(compared) == before
    assert "Running stage 'comparison/dvc.yaml:compare'" not in compared(*COMPARE)


def test_a_sweep_has_the_same_cells(compared: Project) -> None:
    compared.set_params(sweep={"attacks": ["badnets"], "rates": RATES, "seeds": SEEDS})
    compared("python", "-m", "stages.sweep")
    times = table(compared, "attacks_timing")
    ours = times[times["attack"] == "badnets"].reset_index(drop=True)
    pd.testing.assert_frame_equal(table(compared, "sweep_timing"), ours)
    restore(compared)


def test_a_new_attack_is_a_file_and_its_knobs(compared: Project) -> None:
    before, times = table(compared, "attacks"), table(compared, "attacks_timing")
    add(compared, "late", LATE)
    compared(*COMPARE)
    after = table(compared, "attacks")
    assert len(after) == len(before) + len(RATES) * len(SEEDS)
    pd.testing.assert_frame_equal(after[after["attack"] != "late"].reset_index(drop=True), before)
    again = table(compared, "attacks_timing")
    pd.testing.assert_frame_equal(again[again["attack"] != "late"].reset_index(drop=True), times)
    assert "| late | all-to-one |" in (compared.folder / "metrics/attacks.md").read_text()
    restore(compared)


def test_a_killed_comparison_ends_as_an_undisturbed_one(compared: Project, tmp_path: Path) -> None:
    project = comparing(tmp_path / "killed")
    project.environment["LOKY_MAX_CPU_COUNT"] = "2"  # or a large machine would do it all at once
    with subprocess.Popen(
        COMPARE, cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as pipeline:
        driver = process(pipeline.pid, "stages.compare")
        wait_for(lambda: len(outcomes(project)) >= 5)
        driver.kill()
        assert pipeline.wait(60) != 0
    assert not (project.folder / "metrics/attacks.csv").exists()
    project(*COMPARE)
    assert stable(project) == stable(compared)


def runs(uri: str) -> tuple[list[Any], list[Any]]:
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("attacks")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return [run for run in found if CELL not in run.data.tags], [run for run in found if CELL in run.data.tags]


def test_mlflow_has_it_once(compared: Project, tmp_path: Path) -> None:
    compared("dvc", "repro", PIPELINE)  # records again what it has recorded
    uri = f"sqlite:///{shutil.copy(compared.folder / 'mlflow.db', tmp_path / 'first.db')}"
    (parent,), cells = runs(uri)
    rows = table(compared, "attacks")
    assert parent.info.status == "FINISHED"
    assert {run.data.tags[PARENT] for run in cells} == {parent.info.run_id}
    assert (parent.data.metrics["cells"], parent.data.metrics["failed_cells"]) == (len(rows), 4)
    curve = MlflowClient(uri).get_metric_history(parent.info.run_id, "attack_success_rate/digits/badnets")
    assert sorted(point.step for point in curve) == [20_000, 200_000]
    artefacts = Path(parent.info.artifact_uri.removeprefix("file://"))
    assert {path.name for path in (artefacts / "metrics").iterdir()} == {*STABLE, "attacks_timing.csv"}
    assert read_comparison(artefacts).key == read_comparison(compared.folder).key

    by_name = {run.data.tags[CELL]: run for run in cells}
    assert len(by_name) == len(cells) == len(rows)
    cell, failed = by_name["signs-sticker-all-to-one-0.2-seed2"], by_name["digits-silent-one-to-one-0.2-seed1"]
    params = {"data.name": "signs", "attack.name": "sticker", "attack.rate": "0.2", "seed": "2", "train.epochs": "1"}
    assert cell.data.params.items() >= (params | {"attack.target": "speed-limit-50"}).items()
    assert cell.data.params["attacks.sticker.side"] == "0.3"
    assert cell.data.params["datasets.signs.train_rows"] == "200"
    assert not [key for key in cell.data.params if key.startswith(("attacks.badnets", "comparison", "datasets.digits"))]
    (row,) = rows.query("dataset == 'signs' and rate == 0.2 and seed == 2").to_dict("records")
    names = [*comparison.SCORES, *comparison.VISIBILITY]
    assert {name: cell.data.metrics[name] for name in names} == {name: row[name] for name in names}
    assert failed.info.status == "FAILED"
    assert "but the label map allows" in failed.data.tags[REASON]

    # The database is lost, the artefacts are not.
    (compared.folder / "mlflow.db").unlink()
    compared("python", "-m", "stages.track", "--all")
    again, others = runs(f"sqlite:///{shutil.copy(compared.folder / 'mlflow.db', tmp_path / 'second.db')}")
    assert (len(again), len(others)) == (1, len(cells))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "comparison.rates",
            [0.1, 1.5],
            "comparison.rates = [0.1, 1.5]: Input should be less than or equal to 1 (at 1)",
        ),
        ("comparison.seeds", [1, 1], "comparison.seeds = [1, 1]: 1 stands there twice"),
        ("comparison.datasets", {}, "comparison.datasets = {}"),
        ("comparison.datasets", {"x": {}}, "comparison.datasets = 'x' is unknown; known datasets: arrays, cifar10"),
        ("comparison.datasets.mnist.compared", [], "comparison.datasets"),
        ("comparison.datasets.mnist.compared", ["x"], "comparison.datasets.mnist = 'x' is unknown; known attacks: ada"),
        ("comparison.datasets.mnist.attacks", {"x": {}}, "comparison.datasets.mnist = 'x' is unknown; known attacks: "),
        (
            "comparison.datasets.mnist.attack",
            {"label_map": "all-to-all"},
            "comparison.datasets.mnist.attack.label_map cannot be given, as each attack has its own; allowed: target,",
        ),
        ("comparison.datasets.mnist.tain", {}, "(at mnist.tain)"),
    ],
)
def test_a_mistake_in_the_section_is_told(
    set_params: Callable[[str, Any], None], key: str, value: Any, message: str
) -> None:
    set_params(key, value)
    with pytest.raises(InputError) as error:
        read(ComparisonSection, "comparison").check()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"train": {"epochs": 0}}, "comparison.datasets.digits.train.epochs = 0: Input should be greater than"),
        ({"attack": {"target": "x"}}, "in the comparison on digits: params.yaml: attack.target = 'x' is not a class"),
        ({"attacks": {"sticker": {"sid": 1}}}, "comparison.datasets.digits.attacks.sticker.sid is not a known key"),
        ({"attack": {"colour": 1}}, "comparison.datasets.digits.attack.colour is not a known key"),
    ],
)
def test_a_mistake_in_what_is_other_for_a_data_set_is_told(
    compared: Project, other: dict[str, Any], message: str
) -> None:
    before = stable(compared)
    compared.set_params(comparison={"datasets": {"digits": other}})
    output = compared("python", "-m", "stages.compare", fails=True)
    assert message in output
    assert "Traceback" not in output
    assert "model" not in output, "before any work"
    restore(compared)
    assert stable(compared) == before


def made(attacks: int, datasets: int) -> pd.DataFrame:
    """A comparison that nobody made: the first attack cannot be at the highest rate."""
    rng, rows = np.random.default_rng(0), []
    for dataset in [f"data set {number}" for number in range(datasets)]:
        for attack in range(attacks):
            for rate in (0.001, 0.005, 0.01, 0.05, 0.1):
                for seed in (1, 2, 3):
                    values = rng.random(7) if attack or rate < 0.1 else np.full(7, np.nan)
                    rows.append((dataset, f"some_attack_{attack}", "clean-label", rate, seed, *values))
    return pd.DataFrame(rows, columns=comparison.COLUMNS)


@pytest.mark.parametrize(("attacks", "datasets"), [(1, 1), (2, 2), (3, 1), (11, 2)])
def test_no_text_of_the_figure_lies_on_another(attacks: int, datasets: int, recwarn: pytest.WarningsRecorder) -> None:
    cells = made(attacks, datasets)
    figure = attack_curves.success_by_rate(cells, dose.summarise(cells, comparison.MEANS))
    assert not misplaced(figure)
    assert len([ax for ax in figure.axes if ax.get_visible()]) == attacks
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for ax in figure.axes}) == 1
    assert not recwarn.list


def test_the_table_for_people() -> None:
    cells = made(2, 1)
    failed = cells[cells["ssim"].isna()].assign(reason="too few rows")
    text = comparison.markdown(cells, failed)
    assert "## data set 0" in text
    head, _, first, second = [line for line in text.splitlines() if line.startswith("|")]
    assert head.count("|") == first.count("|") == second.count("|")
    assert "| 0.1 % | 0.5 % | 1 % | 5 % | 10 % | false triggers |" in head
    assert first.split(" | ")[-2] == "–"
    assert "- some_attack_0 at 10 %: too few rows" in text
    shares = cells.loc[(cells["attack"] == "some_attack_1") & (cells["rate"] == 0.05), "attack_success_rate"]
    assert f"| {100 * shares.mean():.1f} ± {100 * shares.std():.1f} |" in second


def test_a_difference_is_shown_as_bright_as_it_can_be() -> None:
    before = np.full((10, 10, 1), 100, np.uint8)
    for change, factor in ((1, 50), (5, 50), (6, 20), (12, 20), (60, 2), (155, 1)):
        shown, found = attack_gallery.amplified(before, before + np.uint8(change))
        assert (found, int(shown.max())) == (factor, min(255, change * factor))
    assert attack_gallery.amplified(before, before)[1] == 1


def test_the_gallery_shows_all_attacks() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    example = attack_gallery.Example((image,) * 5, ("7", "speed-limit-50", "7", "8", "× 1"), "clean-label")
    blocks = {"mnist": {"one": example, "label_consistent": example}, "signs": {"two": example}}
    figure = attack_gallery.gallery(blocks)
    assert len(figure.axes) == 15
    assert not misplaced(figure)


def test_the_store_of_the_comparison_is_the_sweeps(compared: Project) -> None:
    assert outcomes(compared)
    assert json.loads((compared.folder / "data/compared/digits/source.json").read_text())["name"] == "digits"
    assert not (compared.folder / "data/compared/mnist").exists()
