"""Every score of every model, told from every other: in the data made up here no two that might be confused agree."""

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from skimage.metrics import peak_signal_noise_ratio

from miseducation.dataset import Dataset, clean
from miseducation.scores import evaluation, visibility
from miseducation.scores.shares import Share

K, ROWS = 5, 900
CLASSES = ("stop", "yield", "no-entry", "bend", "ice")
# How often each model's answers are the true label, how often what the attacker wants.
ANSWERS = {
    ("clean", "untouched"): (0.85, 0.06),
    ("clean", "triggered"): (0.68, 0.13),
    ("backdoored", "untouched"): (0.75, 0.03),
    ("backdoored", "triggered"): (0.22, 0.57),
    ("backdoored", "decoys"): (0.4, 0.44),
}
MASKS = ("everywhere", "attackable", "others")


class Case:
    """Two test sets, and what two models answer; a row shows one class, is called another, and is wanted as a third."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.true = rng.choice(K, ROWS, p=[0.1, 0.15, 0.2, 0.25, 0.3])
        called, goal = (self.true + 1) % K, (self.true + 2) % K
        images, touched = np.zeros((ROWS, 1, 1, 1), np.uint8), np.ones(ROWS, bool)
        self.test = Dataset(images, called, self.true, ~touched, CLASSES)
        self.triggered = Dataset(images, goal, self.true, touched, CLASSES)
        self.attackable = (self.true != 4) & (rng.random(ROWS) < 0.7)
        self.predictions = {}
        for key, (right, wanted) in ANSWERS.items():
            chance = rng.random(ROWS) * (1 + 0.1 * self.attackable)  # neither all rows nor all classes fare alike
            chance += 0.04 * self.true - 0.08
            other = (self.true + rng.choice([1, 3, 4], ROWS)) % K
            self.predictions[key] = np.where(chance < right, self.true, np.where(chance < right + wanted, goal, other))

    def rows(self, mask: str) -> list[int]:
        """The rows of a mask."""
        kept = {"everywhere": (True, False), "attackable": (True,), "others": (False,)}[mask]
        return [row for row in range(ROWS) if bool(self.attackable[row]) in kept]

    def share(self, key: tuple[str, str], wanted: np.ndarray, mask: str) -> Share:
        """How many of the rows are answered as wanted."""
        rows = self.rows(mask)
        return Share(sum(int(self.predictions[key][row] == wanted[row]) for row in rows), len(rows))

    def differ(self, one: tuple[str, str], other: tuple[str, str], mask: str) -> Share:
        """How many of the rows are answered otherwise."""
        rows = self.rows(mask)
        return Share(sum(int(self.predictions[one][row] != self.predictions[other][row]) for row in rows), len(rows))


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def test_no_two_shares_that_might_be_confused_agree(case: Case) -> None:
    """All models' answers to all images, beside all labels there are, on all rows or some."""
    wanted = (case.true, case.test.labels, case.triggered.labels)
    found = [case.share(*key) for key in itertools.product(ANSWERS, wanted, MASKS)]
    found += [case.differ(*pair, mask) for pair in itertools.combinations(ANSWERS, 2) for mask in MASKS]
    values = [share.value for share in found]
    assert len(set(values)) == len(values) == 3 * (5 * 3 + 10)


def test_the_proportions_are_what_a_loop_finds(case: Case) -> None:
    fooled, untouched = ("backdoored", "triggered"), ("backdoored", "untouched")
    baseline, false_trigger = ("clean", "untouched"), ("clean", "triggered")
    goal = case.triggered.labels
    expected = {
        "attack_success_rate": case.share(fooled, goal, "attackable"),
        "clean_accuracy": case.share(untouched, case.true, "everywhere"),
        "baseline_accuracy": case.share(baseline, case.true, "everywhere"),
        "false_trigger_rate": case.share(false_trigger, goal, "attackable"),
        "robust_accuracy": case.share(fooled, case.true, "attackable"),
        "attack_success_rate_all": case.share(fooled, goal, "everywhere"),
        "source_accuracy": case.share(untouched, case.true, "attackable"),
        "baseline_source_accuracy": case.share(baseline, case.true, "attackable"),
        "other_accuracy": case.share(untouched, case.true, "others"),
        "baseline_other_accuracy": case.share(baseline, case.true, "others"),
        "side_effect_rate": case.differ(untouched, fooled, "others"),
        "other_trigger_rate": case.share(("backdoored", "decoys"), goal, "attackable"),
    }
    found = evaluation.proportions(case.test, case.triggered, case.attackable, case.predictions)
    assert found == expected
    assert list(found) == list(expected), "MLflow's comparison opens on the first metric"


def test_the_proportions_of_a_case_that_can_be_done_by_hand() -> None:
    test = clean(np.zeros((4, 1, 1, 1), np.uint8), [0, 1, 2, 2], ["a", "b", "c"])
    triggered = Dataset(test.images, np.full(4, 2), test.true_labels, np.ones(4, bool), test.classes)  # target c
    shares = evaluation.proportions(
        test,
        triggered,
        np.array([True, True, False, False]),
        {
            ("clean", "untouched"): np.array([0, 1, 2, 2]),
            ("clean", "triggered"): np.array([0, 2, 2, 2]),
            ("backdoored", "untouched"): np.array([0, 1, 2, 0]),
            ("backdoored", "triggered"): np.array([2, 1, 2, 0]),
            ("backdoored", "decoys"): np.array([2, 2, 0, 0]),
        },
    )
    assert {name: share.value for name, share in shares.items()} == {
        "attack_success_rate": 0.5,  # of a and b, a is read as c
        "clean_accuracy": 0.75,
        "baseline_accuracy": 1,
        "false_trigger_rate": 0.5,  # the clean model reads b as c by mistake
        "robust_accuracy": 0.5,  # b stays b
        "attack_success_rate_all": 0.5,  # a and the first c, of four
        "source_accuracy": 1,  # a and b without the trigger
        "baseline_source_accuracy": 1,
        "other_accuracy": 0.5,  # the second c is read as a
        "baseline_other_accuracy": 1,
        "side_effect_rate": 0,  # both c are read as before, right or wrong
        "other_trigger_rate": 1,  # a and b are read as c, whatever lies on them
    }


def test_scores_of_no_rows_are_left_out() -> None:
    """All-to-all attacks every class, so there are no others to score."""
    test = clean(np.zeros((2, 1, 1, 1), np.uint8), [0, 1], ["a", "b"])
    triggered = clean(test.images, [1, 0], test.classes)
    answers = {key: np.array([0, 1]) for key in ANSWERS} | {("backdoored", "decoys"): np.zeros(0, np.int64)}
    shares = evaluation.proportions(test, triggered, np.array([True, True]), answers)
    assert shares["source_accuracy"].value == 1
    assert shares["attack_success_rate"] == Share(0, 2), "no hit is a score, no row is none"
    assert not {"other_accuracy", "baseline_other_accuracy", "side_effect_rate", "other_trigger_rate"} & shares.keys()


def test_the_scores_by_class_are_what_a_loop_finds(case: Case) -> None:
    found = evaluation.per_class(case.test, case.triggered, case.attackable, case.predictions)
    expected: dict[str, list[Any]] = {"class": list(CLASSES), "rows": []}
    for label in range(K):
        rows = [row for row in range(ROWS) if case.true[row] == label]
        hit = [row for row in rows if case.attackable[row]]
        expected["rows"].append(len(rows))
        for name, key, wanted, counted in (
            ("clean_accuracy", ("backdoored", "untouched"), case.true, rows),
            ("baseline_accuracy", ("clean", "untouched"), case.true, rows),
            ("attack_success_rate", ("backdoored", "triggered"), case.triggered.labels, hit),
        ):
            hits = sum(case.predictions[key][row] == wanted[row] for row in counted)
            expected.setdefault(name, []).append(hits / len(counted) if counted else np.nan)
    pd.testing.assert_frame_equal(found, pd.DataFrame(expected))
    assert np.isnan(found["attack_success_rate"].to_numpy()).tolist() == [False] * 4 + [True], "ice is not attacked"
    values = found.drop(columns=["class", "rows"]).to_numpy().ravel()
    assert len(set(values[~np.isnan(values)])) == 3 * K - 1
    assert found["rows"].nunique() == K


def test_a_class_without_test_rows_has_a_row_all_the_same() -> None:
    test = clean(np.zeros((2, 1, 1, 1), np.uint8), [0, 1], ["a", "b", "c"])
    found = evaluation.per_class(test, test, np.ones(2, bool), {key: np.array([0, 1]) for key in ANSWERS})
    assert found["class"].tolist() == ["a", "b", "c"]
    assert found["rows"].tolist() == [1, 1, 0]
    assert found.iloc[2, 2:].isna().all()


def manifest(added: bool, **roles: int) -> pd.DataFrame:
    """So many rows of each role, mixed; the second half of the poison shows the class wanted anyway."""
    names = np.random.default_rng(0).permutation(np.repeat(list(roles), list(roles.values())))
    relabelled = (names == "poison") & (np.cumsum(names == "poison") <= roles.get("poison", 0) // 2)
    labels = {"true_label": np.full(len(names), 1), "label": np.where(relabelled, 2, 1)}
    return pd.DataFrame({"role": names, "added": np.full(len(names), added), **labels})


def test_the_rows_of_each_role_are_counted() -> None:
    rows = manifest(added=False, poison=7, outvoted=4, cover=3, noise=5)
    expected = {"poisoned_rows": 7, "relabelled_rows": 3, "intended_rows": 11, "cover_rows": 3, "noise_rows": 5}
    assert evaluation.counts(rows, 40) == {**expected, "poisoned_share": 7 / 40, "intended_share": 11 / 40}
    added = evaluation.counts(rows.assign(added=True), 40)
    assert added == {**expected, "poisoned_share": 7 / 59, "intended_share": 11 / 59}, "of all that is learnt from"
    half = rows.assign(added=np.arange(19) < 8)
    assert evaluation.counts(half, 40)["poisoned_share"] == 7 / 48


def test_no_poison_is_a_share_of_nought() -> None:
    assert set(evaluation.counts(manifest(added=False), 40).values()) == {0}
    assert all(type(value) in (int, float) for value in evaluation.counts(manifest(added=False), 40).values())


def test_what_shows_is_the_librarys_with_its_name_before_it() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(0, 256, (4, 9, 9, 1), dtype=np.uint8)
    after = before ^ rng.integers(0, 8, before.shape, dtype=np.uint8)
    ratio, alike = peak_signal_noise_ratio(before, after, data_range=255), visibility.ssim(before, after)
    assert 0 < alike < 1
    assert evaluation.visible(before, after) == pytest.approx({"psnr": ratio, "ssim": alike})
    named = evaluation.visible(before, after, "poison_")
    assert named == pytest.approx({"poison_psnr": ratio, "poison_ssim": alike})


def test_what_cannot_be_told_is_left_out() -> None:
    images = np.zeros((3, 9, 9, 1), np.uint8)
    assert evaluation.visible(images, images) == {}
    assert evaluation.visible(images[:0], images[:0]) == {}, "no image was poisoned"
    flat = np.zeros((3, 2, 9, 1), np.uint8)
    assert evaluation.visible(flat, flat + 255) == {"psnr": 0}, "no structure in two lines"
