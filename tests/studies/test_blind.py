"""The blind window of made-up cells, whose curves are known, and of some that have none."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from miseducation.studies import blind, blind_text, dose
from miseducation.studies.hill import Curve

RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
Shares = Callable[[float], float] | Sequence[float]  # of a rate, or at each of `RATES`


def table(attacks: Mapping[str, tuple[Shares, Mapping[str, Shares]]], rates: Sequence[float] = RATES) -> pd.DataFrame:
    """Cells of three seeds, which all find the same, from each attack's success and what detectors find of it."""
    rows = []
    for attack, (success, found) in attacks.items():
        for place, rate in enumerate([0, *rates]):
            shares = {
                "attack_success_rate": success,
                **{f"{name}.tpr_at_1pct_fpr": each for name, each in found.items()},
            }
            at = {name: each(rate) if callable(each) else (0.0, *each)[place] for name, each in shares.items()}
            if not rate:
                at = {name: share if name == "attack_success_rate" else np.nan for name, share in at.items()}
            common = {"dataset": "mnist", "attack": attack, "label_map": "all-to-one", "rate": rate}
            rows += [
                common | {"seed": seed, "clean_accuracy": 0.99, "false_trigger_rate": 0.0} | at for seed in (1, 2, 3)
            ]
    return pd.DataFrame(rows)


def curve(median: float, lower: float = 0.0) -> Callable[[float], float]:
    return lambda rate: float(Curve(lower, 1, median, 3).at(np.array(rate)))


def row(windows: pd.DataFrame, detector: str, attack: str = "a") -> dict[str, Any]:
    (found,) = windows[(windows["attack"] == attack) & (windows["detector"] == detector)].to_dict("records")
    return {str(key): value for key, value in found.items()}


def test_the_window_is_what_lies_between_two_known_curves() -> None:
    windows, _ = blind.windows(table({"a": (curve(0.003), {"late": curve(0.012, 0.01), "early": curve(0.0015, 0.01)})}))
    late, early, both = (row(windows, name) for name in ("late", "early", "late + early"))
    # Where the response is a half, computed without the curve's own code: lower + (1 - lower) / (1 + (m / r)^3) = 1/2.
    half = 0.012 * (0.49 / 0.5) ** (1 / 3)
    assert late["attack_dose"] == pytest.approx(0.003, rel=0.02)
    assert late["detector_dose"] == pytest.approx(half, rel=0.02)
    assert (late["blind_from"], late["blind_to"]) == (late["attack_dose"], late["detector_dose"])
    assert late["blind_factor"] == pytest.approx(half / 0.003, rel=0.04)
    assert late["detector_dose_low"] == pytest.approx(late["detector_dose"]) == late["detector_dose_high"]
    assert (early["blind_factor"], early["blind_to"]) == (1, early["attack_dose"]), "it is there before the attack"
    assert both["detector_dose"] == early["detector_dose"], "the pair has what the better one finds"


def test_the_attack_works_from_where_the_dose_response_says() -> None:
    cells = table({"a": (curve(0.003), {"one": curve(0.012)})})
    (found,) = dose.doses(cells).values()
    windows, _ = blind.windows(cells)
    assert row(windows, "one")["attack_dose"] == found["attack_success_rate_50"]["rate"]


@pytest.mark.parametrize(
    ("found", "bound", "lost", "ends"),
    [
        ([0, 0, 0, 0.1, 0.1, 0.2], "> 0.032", None, (0.003, 0.032)),
        ([0.9, 1, 1, 1, 1, 1], "< 0.001", None, (0.003, 0.003)),
        ([0, 0, 0, 0, 1, 1], "0.008 to 0.016", None, (0.003, 0.008)),
        ([0, 0, 0, 0.9, 0.8, 0.1], "0.004 to 0.008", 0.032, (0.003, 0.004)),
        ([0.9, 0.1, 0.1, 0.1, 0.9, 0.9], "< 0.001", 0.002, (0.003, 0.003)),
    ],
)
def test_a_detector_without_a_curve_has_a_bound(
    found: list[float], bound: str, lost: float | None, ends: tuple[float, float]
) -> None:
    windows, _ = blind.windows(table({"a": (curve(0.003), {"one": found})}))
    told = row(windows, "one")
    assert told["detector_bound"] == bound
    assert np.isnan([told["detector_dose"], told["detector_dose_low"], told["detector_dose_high"]]).all()
    assert (told["lost_at"] == lost) if lost else np.isnan(told["lost_at"])
    assert (told["blind_from"], told["blind_to"]) == pytest.approx(ends, rel=0.02)


def test_an_attack_that_fails_has_no_window_and_one_that_always_works_a_wide_one() -> None:
    never, always = (lambda rate: 0.01), (lambda rate: 0.99 if rate else 0)
    windows, told = blind.windows(table({"a": (never, {"one": curve(0.004)}), "b": (always, {"one": never})}))
    assert row(windows, "one")["attack_bound"] == "> 0.032"
    assert np.isnan([row(windows, "one")[f"blind_{each}"] for each in ("from", "to", "factor")]).all()
    wide = row(windows, "one", "b")
    assert (wide["attack_bound"], wide["blind_from"], wide["blind_to"]) == ("< 0.001", 0.001, 0.032)
    assert told["mnist"]["attacks"]["a/all-to-one"] == dict.fromkeys([*blind.NOTICED, "pair_tpr_at_1pct_fpr"])
    assert (told["mnist"]["successful"], told["mnist"]["found"], told["mnist"]["pair"]) == (1, 0, ["one"])


def test_seeds_that_differ_make_an_interval_around_the_dose() -> None:
    cells = table({"a": (curve(0.003), {"one": curve(0.012)})})
    for seed, median in ((1, 0.008), (2, 0.012), (3, 0.018)):
        here = (cells["seed"] == seed) & (cells["rate"] > 0)
        cells.loc[here, "one.tpr_at_1pct_fpr"] = cells.loc[here, "rate"].map(curve(median))
    told = row(blind.windows(cells)[0], "one")
    assert 0.007 < told["detector_dose_low"] < told["detector_dose"] < told["detector_dose_high"] < 0.02


def test_the_pair_that_covers_most_is_found_where_attacks_begin_to_succeed() -> None:
    rng, names = np.random.default_rng(0), ["one", "two", "three", "four"]
    for _ in range(5):
        shares = rng.choice([0.2, 0.95], (6, len(names)), p=[0.6, 0.4]) + rng.uniform(0, 0.04, (6, len(names)))
        starts = rng.integers(0, len(RATES), 6)
        cells = table(
            {
                f"attack {number}": (
                    [0.95 if place >= start else 0.85 for place in range(len(RATES))],
                    # Before and after, all detectors find all.
                    {name: [share if place == start else 1 for place in range(len(RATES))] for name, share in found},
                )
                for number, start in enumerate(starts)
                for found in [list(zip(names, shares[number], strict=True))]
            }
        )
        told = blind.headline(cells)
        covered = {
            pair: sum(max(shares[row, names.index(name)] for name in pair) >= 0.9 for row in range(6))
            for pair in combinations(names, 2)
        }
        assert told["pair_found"] == covered[tuple(told["pair"])] == max(covered.values())
        assert told["found"] == (shares.max(axis=1) >= 0.9).sum()
        for number, start in enumerate(starts):
            of_attack = told["attacks"][f"attack {number}/all-to-one"]
            assert of_attack["rate"] == RATES[start]
            assert of_attack["detector"] == names[shares[number].argmax()]
            assert of_attack["tpr_at_1pct_fpr"] == pytest.approx(shares[number].max())
            pair = [names.index(name) for name in told["pair"]]
            assert of_attack["pair_tpr_at_1pct_fpr"] == pytest.approx(shares[number, pair].max())


def test_clean_models_alone_have_no_window() -> None:
    windows, told = blind.windows(table({"a": (curve(0.003), {"one": curve(0.01), "two": curve(0.01)})}, rates=()))
    assert windows["blind_from"].isna().all()
    assert told["mnist"]["successful"] == 0
    text = blind_text.markdown("mine", windows, told)
    assert "attack |" not in text, "there is none to tell of"
    assert blind_text.sentence(told["mnist"]) == "0 of 1 attacks reach 90 % success"


def test_false_alarms_are_counted_once_for_each_clean_model() -> None:
    cells = table({"a": (curve(0.003), {"one": curve(0.01)}), "b": (curve(0.003), {"one": curve(0.01)})})
    clean = cells["rate"] == 0
    cells.loc[~clean, "one.flagged_share"] = 0.9
    cells.loc[clean, "one.flagged_share"] = cells.loc[clean, "seed"].map({1: 0.001, 2: 0.002, 3: 0.006})
    told = blind.headline(cells)["clean_flagged_share"]
    assert told == {"one": {"mean": pytest.approx(0.003), "worst": 0.006}}
    assert "| detector | mean | worst |\n| --- | ---: | ---: |\n| one | 0.3 % | 0.6 % |\n" in blind_text.markdown(
        "mine", *blind.windows(cells)
    )
    assert not blind.headline(cells[~clean])["clean_flagged_share"]


def test_people_read_doses_bounds_and_losses() -> None:
    found: dict[str, Shares] = {"late": curve(0.012), "never": [0.0] * 6, "lost": [0, 0, 0, 0.9, 0.8, 0.1]}
    text = blind_text.markdown("mine", *blind.windows(table({"a": (curve(0.003), found)})))
    assert text.startswith("# The blind window of the study mine\n")
    assert "| attack | label map | works from | late | never | lost | both |" in text
    assert (
        "| a | all-to-one | 0.3 % (0.3 to 0.3) | 1.2 % (1.2 to 1.2) | above 3.2 % | 0.4 % to 0.8 %, lost at 3.2 % |"
        in text
    )
    assert "| a | all-to-one | 0.8 % | 95 % | lost | 90 % | 90 % |" in text
