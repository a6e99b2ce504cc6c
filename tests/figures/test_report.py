"""The page of a result must tell what was found, in words and in order, and obey no name in it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from justhtml import JustHTML

from miseducation.dataset import Dataset
from miseducation.defending import tables
from miseducation.figures import audit, pictures, report, report_defences, report_words
from miseducation.figures.report_result import Result
from miseducation.scores import looking
from tests.figures.test_audit import HOSTILE, PLAIN, Reader, case

CLASSES = "stop", "yield", "no entry"
KNOBS = {
    "seed": 1,
    "data.name": "signs",
    "attack.name": "badnets",
    "attack.label_map": "all-to-one",
    "attack.source": None,
}
KNOBS |= {"attacks.badnets.pixels": [[3, 3]], "train.network": "cnn", "train.epochs": 2}
SECTIONS = (
    *(
        "Scores",
        "What the attacker changes",
        "What the models answer",
        "How it was learnt",
        "Which classes are mistaken for which",
    ),
    *("Success by class", "Where the models look", "Would anyone have noticed?", "How much poison does it take?"),
    "How to reproduce this result",
)
OURS = PLAIN | {"b", "pre", "code", "picture", "source", "meter"}


def share(value: float, reach: float = 0.01) -> tuple[float, tuple[float, float]]:
    return value, (max(0, value - reach), min(1, value + reach))


def result(
    classes: tuple[str, ...] = CLASSES,
    success: float = 0.955,
    shape: tuple[int, int, int] = (20, 16, 3),
    count: int = 2,
    **changed: Any,
) -> Result:
    """Test images of noise whose corner the attacker makes white; the models answer as they should."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 99, (count, *shape), dtype=np.uint8), 1 + np.arange(count) % 2
    before = Dataset(images, labels, labels, np.zeros(count, bool), classes)
    lit = images.copy()
    lit[:, :2, :2] = 255
    after = Dataset(lit, 0 * labels, labels, np.ones(count, bool), classes)
    answers = pd.DataFrame(
        [
            {"row": row, "image": image, "model": model, "true_label": classes[label], "wanted": classes[0]}
            | {"read_as": classes[0 if (model, image) == ("backdoored", "triggered") else label]}
            | {"probability": 0.912, "of_true_label": 0.0512, "of_wanted": 0.0321}
            for row, label in zip(range(4, 99, 3), labels, strict=False)
            for image in ("untouched", "triggered")
            for model in ("clean", "backdoored")
        ]
    )
    scored = {
        "attack_success_rate": share(success),
        "clean_accuracy": share(0.871),
        "baseline_accuracy": share(0.874),
        "false_trigger_rate": share(0.021),
        "robust_accuracy": share(0.033),
    }
    cells = [-(-side // looking.cell_of(images[0])) for side in shape[:2]]
    maps = np.eye(*cells, dtype=np.float32)[np.newaxis].repeat(min(count, looking.LOOKED_INTO), axis=0)
    found: dict[str, Any] = {
        "rows": 5000,
        "scores": {name: value for name, (value, _) in scored.items()}
        | {"poisoned_rows": 60, "intended_rows": 60, "poisoned_share": 0.012, "psnr": 28.94, "ssim": 0.936},
        "intervals": {name: interval for name, (_, interval) in scored.items()},
        "per_class": pd.DataFrame(
            {"class": classes, "rows": [9, 8, 7], "clean_accuracy": 0.81, "baseline_accuracy": 0.82}
            | {"attack_success_rate": [np.nan, 0.734, 0.745]}
        ),
        "wanted": classes[0],
        "answers": answers,
        "before": before,
        "after": after,
        "maps": dict.fromkeys(("clean", "backdoored"), maps),
        "history": {
            model: pd.DataFrame({"epoch": [1, 2], "loss": [0.5, loss], "accuracy": [0.4, 0.9]})
            for model, loss in (("clean", 0.123), ("backdoored", 0.234))
        },
        "learnt": {
            model: pd.DataFrame({"step": [5, 9], "epoch": [0.5, 1.3], "images": images, "accuracy": [0.1, 0.8]})
            for model, images in (("clean", 350), ("backdoored", 321))
        },
        "knobs": KNOBS,
        "computed": {"device": "cpu", "processor": "x86_64 AVX2", "torch": "2.8.0"},
        "hashes": {"models/clean": "abc123.dir", "metrics/evaluation.json": "def456"},
    }
    return Result(**found | changed)


def confusion(tmp_path: Path) -> bytes:
    path = tmp_path / "confusion.png"
    pictures.save(pictures.confusion({"clean": np.eye(3, dtype=int)}, CLASSES), path)
    return path.read_bytes()


@pytest.fixture
def made(tmp_path: Path) -> bytes:
    return confusion(tmp_path)


def rates() -> pd.DataFrame:
    low = {"attack_success_rate_low": [0.0, 0.4, 0.9], "attack_success_rate_high": [0.1, 0.6, 1.0]}
    return pd.DataFrame({"rate": [0.001, 0.004, 0.02], "attack_success_rate": [0.05, 0.5, 0.95], **low})


def defended(name: str = "scan", success: float = 0.95, **changed: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    found = {"auroc": 0.987, "tpr_at_1pct_fpr": 0.91, "flagged_rows": 55, "true_positive_rate": 0.876}
    found |= {"false_positive_rate": 0.004, "clean_flagged_share": 0.003} | changed
    left = {"clean_accuracy": 0.866, "attack_success_rate": 0.0345, "removed_rows": 55, "removed_poisoned": 50}
    methods = {name: {"needs": ["model"], "rows": found, "model": left | {"clean_model_accuracy": 0.865}}}
    undefended = {"clean_accuracy": 0.87, "attack_success_rate": success, "baseline_accuracy": 0.88}
    return tables.detection(methods), tables.models(methods, undefended)


def check(text: str) -> Reader:
    """Valid HTML, which reads nothing from elsewhere and runs nothing."""
    JustHTML(text, strict=True)
    read = Reader(text)
    assert {tag for tag, _ in read.tags} <= OURS
    assert not {name for _, each in read.tags for name in each if name.startswith("on") or name in ("href", "style")}
    addresses = [each[name] for _, each in read.tags for name in ("src", "srcset") if name in each]
    assert all(re.match("data:image/(png|svg\\+xml);base64,", address) for address in addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    assert all(each["alt"] for tag, each in read.tags if tag == "img")
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1
    assert len(text.encode()) < 3_000_000
    return read


def test_the_page_tells_it_in_numbers_and_in_order(made: bytes) -> None:
    found = result()
    text = report.page(found, made, ("dose", rates()))
    read = check(text)
    begins = read.text[: read.text.index("Scores")]
    assert "The backdoor works" in begins
    assert (
        "60 pictures, 1.2% of the 5,000 pictures that the model learnt from, were poisoned by the attack badnets"
        in begins
    )
    assert "reads 95.5% of the attacked test pictures as stop (95% interval: 94.5% to 96.5%)" in begins
    assert "For a model that learnt without the poison, it is 2.1% (1.1% to 3.1%)" in begins
    assert "nobody would notice: it reads 87.1% (86.1% to 88.1%) of the untouched pictures correctly" in begins
    places = [text.index(f"<h2>{title}</h2>") for title in SECTIONS]
    assert places == sorted(places)
    for told in (
        "PSNR of 28.9 dB",
        "SSIM of 0.936",
        "on 321 pictures with the trigger, the clean model on 350 pictures without it",
        "stop ✗ 91.2% yield : 5.1%",
        "73.4%",
    ):
        assert told in read.text
    assert "metrics/defences/report.html" in read.text
    assert "def456" in read.text
    assert "x86_64 AVX2" in read.text
    assert "-S 'attacks.badnets.pixels=[[3, 3]]' \\\n    -S train.network=cnn" in text.replace("&#39;", "'")
    late = {name: table.assign(epoch=[90.0, 120.0]) for name, table in found.learnt.items()}
    assert "it passes half after 120 epochs" in report.page(replace(found, learnt=late), made)
    plots = [each["alt"] for tag, each in read.tags if tag == "img" and each["alt"].startswith("Attack success")]
    assert "it passes half after 1.3 epochs" in plots[0]
    assert "0.1 %: 5%, 0.4 %: 50%, 2 %: 95%" in plots[1]


def test_the_pictures_are_those_of_the_test_set(made: bytes) -> None:
    found = result()
    read = Reader(report.page(found, made))
    for place, row in enumerate((4, 7)):
        (before,), (after,) = read.pictures(f"Test picture {row}, untouched"), read.pictures(f"{row}, with the trigger")
        np.testing.assert_array_equal(before, found.before.images[place])
        np.testing.assert_array_equal(after, found.after.images[place])
        (difference,) = read.pictures(f"Test picture {row}, the difference")
        assert difference[:2, :2].min() > 100
        assert not difference[2:].any()
    heats = [heat.astype(int) for heat in read.pictures("Where the backdoored model looks")]
    assert len(heats) == 2
    for heat in heats:
        assert (heat[0, 0, 0] > heat[0, 0, 1] + 50).all()
        assert (heat[:2, 4:, 0] == heat[:2, 4:, 1]).all()


@pytest.mark.parametrize(
    ("changed", "look", "told"),
    [
        ({"success": 0.3}, "suspicious", "The backdoor works in part"),
        ({"success": 0.025}, "clean", "The backdoor does not work"),
        ({"wanted": None}, "poisoned", "attacked test pictures as the attacker wants (95%"),
    ],
    ids=["in part", "not", "several labels"],
)
def test_the_verdict_follows_the_intervals(made: bytes, changed: dict[str, Any], look: str, told: str) -> None:
    found = result(**changed)
    assert report_words.verdict(found).look == look
    assert told in check(report.page(found, made)).text


def test_of_a_training_that_diverged_there_is_a_page_too(made: bytes) -> None:
    found = result()
    lost = {name: table.assign(loss=np.nan) for name, table in found.history.items()}
    maps = {name: np.full_like(each, np.nan) for name, each in found.maps.items()}
    answers = found.answers.assign(probability=np.nan, of_wanted=np.nan)
    check(report.page(replace(found, history=lost, maps=maps, answers=answers), made))


def test_controls_and_attacks_without_a_trigger_are_called_so(made: bytes) -> None:
    found = result()
    control = replace(found, scores={**found.scores, "poisoned_rows": 0, "intended_rows": 0})
    assert "Nothing is poisoned" in check(report.page(control, made)).text
    seen = {name: value for name, value in found.scores.items() if name not in ("psnr", "ssim")}
    read = check(report.page(replace(found, after=found.before, scores=seen), made))
    assert "The attack works" in read.text
    assert "With the trigger" not in read.text[: read.text.index("Scores")]
    assert "Nothing in the pictures: the attack puts no trigger on them." in read.text
    assert not read.pictures(", the difference")
    outvoted = replace(found, scores={**found.scores, "intended_rows": 80})
    assert (
        "The attacker intended 80, but 20 pictures got the correct label after all."
        in check(report.page(outvoted, made)).text
    )


def test_poison_that_was_outvoted_is_no_control(made: bytes) -> None:
    found = result()
    nearly = replace(found, scores={**found.scores, "poisoned_rows": 1, "intended_rows": 80})
    assert (
        " 1 picture, 0.02% of the 5,000 pictures that the model learnt from, was poisoned"
        in check(report.page(nearly, made)).text
    )
    lost = replace(found, scores={**found.scores, "poisoned_rows": 0, "intended_rows": 80})
    assert "None of the poison got through." in check(report.page(lost, made)).text


def test_a_trigger_that_does_not_show_on_these_pictures_is_one_all_the_same(made: bytes) -> None:
    found = result()
    assert "The backdoor works" in check(report.page(replace(found, after=found.before), made)).text


def test_what_is_missing_is_left_out(made: bytes) -> None:
    found = result()
    kept = {name: value for name, value in found.scores.items() if name not in ("psnr", "ssim")}
    read = check(report.page(replace(found, scores=kept, hashes={}), made))
    for absent in ("How much poison does it take?", "PSNR", "MD5"):
        assert absent not in read.text


def test_the_same_result_gives_the_same_bytes(made: bytes) -> None:
    assert report.page(result(), made, ("dose", rates())) == report.page(result(), made, ("dose", rates()))


@pytest.mark.parametrize("place", range(3))
def test_names_are_no_markup(made: bytes, place: int) -> None:
    written = [name for name in HOSTILE if "\udcff" not in name]  # a table cannot hold what is no UTF-8
    names = tuple(written[(each + 3 * place) % len(written)] for each in range(3))
    knobs = {**KNOBS, "data.name": HOSTILE[place], "attack.name": HOSTILE[2 + place], "datasets.x.path": HOSTILE[4]}
    text = report.page(result(names, knobs=knobs, hashes={HOSTILE[0]: HOSTILE[6]}), made, (HOSTILE[2], rates()))
    text = report_defences.with_defences(text, *defended(HOSTILE[place]), made)
    text.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    check(text)


def test_what_defences_found_takes_its_place_on_the_page(made: bytes) -> None:
    page = report.page(result(), made)
    text = report_defences.with_defences(page, *defended(), made)
    read = check(text)
    for told in ("1 of 1 detector of training rows", "scan rows 87.6%", "scan 3.5% 86.6% 86.5% 55 50", "0.987"):
        assert told in read.text
    assert "This page does not say" not in read.text
    start, end = page.index(report.BEGIN), page.index(report.END) + len(report.END)
    assert text.startswith(page[:start])
    assert text.endswith(page[end:])


def test_no_defence_finds_what_is_not_there(made: bytes) -> None:
    found = defended(success=0.03, auroc=np.nan, tpr_at_1pct_fpr=np.nan, true_positive_rate=np.nan)
    read = check(report_defences.with_defences(report.page(result(), made), *found, made))
    assert "Nothing is poisoned, so there is nothing that a detector could find." in read.text
    assert "Even without a defence, the attack succeeds in only 3.0% of the cases." in read.text
    assert "scan rows – 0.40% – 0.30% –" in read.text


def test_of_many_classes_those_in_which_it_succeeds_are_told(made: bytes) -> None:
    table = result().per_class.loc[[1] * 70].assign(**{"class": [f"class {n}" for n in range(70)]})
    table["attack_success_rate"] = np.linspace(0, 1, 70)
    text = check(report.page(result(per_class=table), made)).text
    assert "class 69" in text
    assert "class 9 " not in text
    assert "And 10 classes" in text


def test_the_audits_page_is_valid_too() -> None:
    JustHTML(audit.page(*case()), strict=True)


def test_plots_have_a_version_for_dark_screens(made: bytes) -> None:
    read = Reader(report.page(result(), made))
    dark = [each for tag, each in read.tags if tag == "source"]
    assert {each["media"] for each in dark} == {"screen and (prefers-color-scheme: dark)"}
    assert len(dark) == 3


def test_large_pictures_leave_the_page_small(made: bytes) -> None:
    text = report.page(result(shape=(400, 333, 3), count=looking.SHOWN), made, ("dose", rates()))
    assert len(re.findall("data:image/png", text)) == 5 * looking.SHOWN + 3 * looking.LOOKED_INTO + 1
    check(text)
