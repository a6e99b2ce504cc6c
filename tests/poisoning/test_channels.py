"""Every channel keeps the same promises, and a vote comes out as when ballots are really drawn and counted."""

import importlib
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from miseducation import attacks
from miseducation.attacks import Attack
from miseducation.attacks.badnets import BadNets
from miseducation.check import check_params
from miseducation.dataset import Dataset
from miseducation.dataset.disk import read_manifest, save_raw
from miseducation.dataset.images import BLOCK
from miseducation.datasets import Fetched
from miseducation.errors import InputError
from miseducation.figures.pictures import gallery
from miseducation.poisoning import label_maps
from miseducation.poisoning.channels import Channel
from miseducation.poisoning.channels._votes import Voted
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.poisoning.channels.web import Web
from miseducation.poisoning.poison import Poison
from miseducation.project import parts
from miseducation.project.params import read
from miseducation.scores import evaluation
from stages import poison
from tests.conftest import copy_pipelines

NAMES = parts.names("channels")
SetParams = Callable[[str, Any], None]


def part(name: str) -> type[Channel]:
    return parts.find("channels", name, Channel, "attack.channel")


@pytest.fixture(params=NAMES)
def channel(request: pytest.FixtureRequest, in_folder: Path) -> Channel:
    """Each channel, with the knobs that stand in `params.yaml`."""
    return attacks.channel(request.param)


def crowds() -> st.SearchStrategy[Crowdsourcing]:
    def of(workers: int) -> st.SearchStrategy[Crowdsourcing]:
        return st.builds(
            Crowdsourcing,
            workers=st.just(workers),
            attackers=st.integers(0, workers),
            votes=st.integers(1, min(workers, 9)),
            error_rate=st.floats(0, 1),
        )

    return st.one_of(st.integers(1, 30), st.integers(1, 10**6)).flatmap(of)


def webs() -> st.SearchStrategy[Web]:
    return st.builds(Web, votes=st.integers(1, 9), error_rate=st.floats(0, 1))


def share_wins(channel: Channel, classes: int, *, rows: int = 40_000, seed: int = 0) -> float:
    """How often a wrong label passes."""
    return float(channel.passes(np.zeros(rows, dtype=bool), classes, np.random.default_rng(seed)).mean())


def agrees(share: float, expected: float, rows: int) -> bool:
    """Within five standard errors, and a row where so few are expected that they say little."""
    return abs(share - expected) <= 5 * math.sqrt(max(0.0, expected * (1 - expected)) / rows) + 1 / rows


def ballots(crowd: Crowdsourcing, classes: int, rows: int) -> float:
    """How often a wrong label wins where each account has a number and each vote is for a class.

    Class 0 is the truth, class 1 what the attacker wants, whose accounts have the lowest numbers.
    """
    rng, won = np.random.default_rng(7), 0
    for _ in range(rows):
        voted = np.zeros(classes, dtype=int)
        for account in rng.choice(crowd.workers, crowd.votes, replace=False):
            if account < crowd.attackers:
                voted[1] += 1
            elif rng.random() < crowd.error_rate:
                voted[rng.integers(1, classes)] += 1
            else:
                voted[0] += 1
        won += voted[1] > crowd.votes / 2
    return won / rows


def enumerated(crowd: Crowdsourcing, classes: int) -> float:
    """The same, with its probability, over all sets of accounts and all that each of them may vote."""
    groups, total = list(itertools.combinations(range(crowd.workers), crowd.votes)), 0.0
    for group, vote in itertools.product(groups, itertools.product(range(classes), repeat=crowd.votes)):
        chance = 1.0
        for account, choice in zip(group, vote, strict=True):
            if account < crowd.attackers:
                chance *= choice == 1
            else:
                chance *= crowd.error_rate / (classes - 1) if choice else 1 - crowd.error_rate
        total += chance * (vote.count(1) > crowd.votes / 2)
    return total / len(groups)


def test_there_are_channels() -> None:
    assert {"direct", "crowdsourcing", "web"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_channel_is_described_and_its_source_named(name: str) -> None:
    assert "https://" in str(importlib.import_module(f"miseducation.poisoning.channels.{name}").__doc__)
    for knob, field in part(name).model_fields.items():
        limits = {type(each).__name__ for each in field.metadata}
        assert field.description, knob
        assert {"Ge", "Le"} <= limits, f"{knob} has no lower or no upper bound"
        assert not field.is_required(), f"{knob} has no default"


def test_the_fate_of_a_row_is_settled_by_the_seed_and_not_by_those_that_follow(channel: Channel) -> None:
    wants_truth = np.random.default_rng(1).random(BLOCK + 500) < 0.3
    before = wants_truth.copy()

    def passes(count: int, seed: int = 3) -> np.ndarray:
        return channel.passes(wants_truth[:count], 2, np.random.default_rng(seed))

    everything = passes(len(wants_truth))
    assert everything.dtype == bool
    np.testing.assert_array_equal(wants_truth, before)
    for count in (0, 1, 17, BLOCK, BLOCK + 1, len(wants_truth)):
        np.testing.assert_array_equal(passes(count), everything[:count])
    if 0 < channel.probability(False, 2) < 1:
        assert (passes(len(wants_truth), seed=4) != everything).any()


def test_a_label_that_is_true_passes_everywhere(channel: Channel) -> None:
    assert channel.probability(True, 10) == 1
    assert channel.passes(np.ones(500, dtype=bool), 10, np.random.default_rng(0)).all()


def test_each_row_is_judged_by_what_it_shows(channel: Channel) -> None:
    wants_truth = np.arange(30_000) % 3 == 0
    passed = channel.passes(wants_truth, 10, np.random.default_rng(0))
    assert passed[wants_truth].all()
    assert agrees(passed[~wants_truth].mean(), channel.probability(False, 10), 20_000)


@settings(max_examples=60)
@given(st.one_of(crowds(), webs()), st.integers(2, 12))
def test_the_simulation_agrees_with_the_closed_form(channel: Channel, classes: int) -> None:
    for wants_truth in (True, False):
        expected = channel.probability(wants_truth, classes)
        assert 0 <= expected <= 1
        passed = channel.passes(np.full(20_000, wants_truth), classes, np.random.default_rng(0))
        assert agrees(passed.mean(), expected, 20_000)


@pytest.mark.parametrize(
    ("crowd", "classes"),
    [
        (Crowdsourcing(workers=12, attackers=4, votes=3), 10),
        (Crowdsourcing(workers=12, attackers=4, votes=4), 10),
        (Crowdsourcing(workers=40, attackers=10, votes=5, error_rate=0.3), 3),
        (Crowdsourcing(workers=5, attackers=2, votes=5, error_rate=0.5), 2),
        (Crowdsourcing(workers=9, attackers=0, votes=3, error_rate=0.8), 3),
    ],
)
def test_it_agrees_with_ballots_that_are_drawn_and_counted(crowd: Crowdsourcing, classes: int) -> None:
    drawn = ballots(crowd, classes, 5000)
    assert agrees(drawn, crowd.probability(False, classes), 5000)
    assert abs(drawn - share_wins(crowd, classes)) <= 5 * math.sqrt(0.25 / 5000 + 0.25 / 40_000)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("error_rate", [0.0, 0.25, 1.0])
@pytest.mark.parametrize(
    ("workers", "votes"), [(workers, votes) for workers in (1, 2, 4, 5) for votes in range(1, min(workers, 4) + 1)]
)
def test_it_agrees_with_all_cases_counted(workers: int, votes: int, error_rate: float, classes: int) -> None:
    for attackers in range(workers + 1):
        crowd = Crowdsourcing(workers=workers, attackers=attackers, votes=votes, error_rate=error_rate)
        expected = enumerated(crowd, classes)
        assert crowd.probability(False, classes) == pytest.approx(expected, abs=1e-12)
        assert agrees(share_wins(crowd, classes, rows=4000), expected, 4000)


def test_what_can_be_said_without_a_formula() -> None:
    def chance(classes: int = 10, **knobs: Any) -> float:
        crowd = Crowdsourcing(**knobs)
        assert agrees(share_wins(crowd, classes, rows=5000), crowd.probability(False, classes), 5000)
        return crowd.probability(False, classes)

    assert chance(workers=100, attackers=0, votes=3) == 0
    assert chance(workers=100, attackers=100, votes=7) == 1
    assert chance(workers=100, attackers=30, votes=1) == pytest.approx(0.3)
    assert chance(workers=7, attackers=4, votes=7) == 1, "all vote, and four of seven win"
    assert chance(workers=6, attackers=3, votes=6) == 0, "a tie leaves the truth"
    assert chance(workers=2, attackers=1, votes=2) == 0
    assert chance(workers=100, attackers=0, votes=3, error_rate=1, classes=2) == 1, "there is but one mistake to make"
    assert chance(workers=100, attackers=50, votes=5) == pytest.approx(0.5)
    assert Web(votes=3, error_rate=0).probability(False, 10) == 0
    assert Web(votes=1, error_rate=0.09).probability(False, 10) == pytest.approx(0.01)
    crowd, few = Crowdsourcing(workers=10**6, attackers=10**5, votes=3), Crowdsourcing(workers=30, attackers=3, votes=3)
    assert crowd.probability(False, 10) == pytest.approx(3 * 0.01 * 0.9 + 0.001, rel=1e-4), "an urn that never empties"
    assert few.probability(False, 10) < crowd.probability(False, 10)


@pytest.mark.parametrize(
    ("usual", "change"),
    [
        (Crowdsourcing(), {"workers": 500}),
        (Crowdsourcing(), {"attackers": 200}),
        (Crowdsourcing(), {"votes": 5}),
        (Crowdsourcing(), {"error_rate": 0.3}),
        (Web(), {"votes": 5}),
        (Web(), {"error_rate": 0.3}),
    ],
    ids=str,
)
def test_each_knob_does_something(usual: Channel, change: dict[str, Any]) -> None:
    other = type(usual)(**change)
    assert usual.probability(False, 10) != other.probability(False, 10)
    assert share_wins(usual, 2) != share_wins(other, 2)
    assert usual.probability(False, 10) < usual.probability(False, 2) or not getattr(usual, "error_rate", 0)


@pytest.mark.parametrize(
    ("cls", "knob", "least", "most"),
    [
        (Crowdsourcing, "workers", 101, 10**6),
        (Crowdsourcing, "attackers", 0, 1000),
        (Crowdsourcing, "votes", 1, 1000),
        (Crowdsourcing, "error_rate", 0, 1),
        (Web, "votes", 1, 1001),
        (Web, "error_rate", 0, 1),
    ],
)
def test_what_is_at_the_end_of_its_range_is_allowed(cls: type[Channel], knob: str, least: float, most: float) -> None:
    assert [getattr(cls(**{knob: value}), knob) for value in (least, most)] == [least, most]


def test_the_defaults_are_what_is_shipped(in_folder: Path) -> None:
    for name in NAMES:
        assert part(name)() == attacks.channel(name)


def test_a_mistake_in_one_knob_is_no_mistake_in_the_next() -> None:
    for knobs in ({"votes": 0, "workers": 1, "attackers": 1}, {"workers": 0, "attackers": 10**6}):
        with pytest.raises(ValidationError) as error:
            Crowdsourcing(**knobs)
        assert [problem["loc"] for problem in error.value.errors()] == [(next(iter(knobs)),)]


def test_a_channel_that_does_not_say_what_passes_is_none() -> None:
    class Idle(Channel):
        def probability(self, wants_truth: bool, classes: int) -> float:
            return 1.0

    class Untold(Channel):
        def passes(self, wants_truth: np.ndarray, classes: int, rng: np.random.Generator) -> np.ndarray:
            return wants_truth

    lacking: list[Any] = [Idle, Untold, Voted]
    for cls in lacking:
        with pytest.raises(TypeError, match="abstract"):
            cls()


def test_all_workers_may_be_asked_and_all_may_be_the_attackers() -> None:
    least = Crowdsourcing(workers=1, attackers=1, votes=1)
    assert least.accounts() == (1, 1)
    assert Crowdsourcing(workers=1001, attackers=0, votes=1001).accounts() == (1001, 0)
    assert Crowdsourcing(workers=10**6, attackers=10**6).accounts() == (10**6, 10**6)
    assert Web(votes=7).accounts() == (7, 0)


@settings(max_examples=40)
@given(crowds())
def test_another_account_never_harms_the_attacker(crowd: Crowdsourcing) -> None:
    more = crowd.model_copy(update={"attackers": min(crowd.attackers + 1, crowd.workers)})
    assert crowd.probability(False, 5) <= more.probability(False, 5) + 1e-9


def test_memory_does_not_grow_with_votes_times_rows() -> None:
    """Over a thousand votes on each of 20,000 rows would be 320 MB of random numbers."""
    import tracemalloc

    tracemalloc.start()
    Web(votes=1001, error_rate=0.5).passes(np.zeros(20_000, dtype=bool), 2, np.random.default_rng(0))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100e6


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        (
            "crowdsourcing",
            {"attackers": 1001},
            r"crowdsourcing.attackers = 1001: there are 1000 workers; allowed: .*0 to",
        ),
        ("crowdsourcing", {"attackers": -1}, r"crowdsourcing.attackers = -1: .*; allowed: .*0 to all"),
        ("crowdsourcing", {"workers": 2, "attackers": 1}, r"crowdsourcing.workers = 2: .* the 3 votes .*; allowed: "),
        ("crowdsourcing", {"workers": 0, "attackers": 0}, r"crowdsourcing.workers = 0: .*; allowed: .*1 to 10\^6"),
        ("crowdsourcing", {"workers": 10**6 + 1}, r"crowdsourcing.workers = 1000001: .*; allowed: .*1 to 10\^6"),
        ("crowdsourcing", {"votes": 0}, r"crowdsourcing.votes = 0: .*; allowed: .*1 to 1001"),
        ("crowdsourcing", {"votes": 2.5}, r"crowdsourcing.votes = 2.5: .*; allowed: .*1 to 1001"),
        ("crowdsourcing", {"error_rate": 1.1}, r"crowdsourcing.error_rate = 1.1: .*; allowed: .*0 to 1"),
        ("crowdsourcing", {"error_rate": math.nan}, r"crowdsourcing.error_rate = nan: .*; allowed: .*0 to 1"),
        ("web", {"error_rate": -0.1}, r"web.error_rate = -0.1: .*; allowed: .*0 to 1"),
        ("web", {"error_rate": 1.1}, r"web.error_rate = 1.1: .*; allowed: .*0 to 1"),
        ("web", {"votes": 1002}, r"web.votes = 1002: .*; allowed: .*1 to 1001"),
        ("web", {"workers": 5}, r"web.workers is not a known key; channels.web has votes, error_rate"),
        ("direct", {"votes": 5}, r"direct.votes is not a known key; channels.direct has no keys"),
    ],
)
def test_a_mistake_is_named(set_params: SetParams, name: str, knobs: dict[str, Any], message: str) -> None:
    for knob, value in knobs.items():
        set_params(f"channels.{name}.{knob}", value)
    with pytest.raises(InputError, match=f"^params.yaml: channels.{message}"):
        read(part(name), f"channels.{name}")


@pytest.fixture(params=["all-to-one", "clean-label", "all-to-all"])
def poisoned(request: pytest.FixtureRequest, noise: Dataset) -> Callable[[Channel | None], Poison]:
    """Poisons a quarter of the noise through a channel, with cover rows where the label map spares some."""
    label_map = label_maps.build(request.param, "c", None, noise.classes)
    cover = 0.1 if request.param == "clean-label" else 0
    attack: Attack = BadNets(pixels=((3, 3),))

    def run(channel: Channel | None) -> Poison:
        rng = np.random.default_rng(5)
        return attack.poison_rows(noise, rate=0.25, cover=cover, label_map=label_map, rng=rng, channel=channel)

    return run


def test_every_channel_gets_the_same_rows_with_the_same_trigger(
    poisoned: Callable[[Channel | None], Poison], channel: Channel
) -> None:
    rows, data, roles = poisoned(None)
    through = poisoned(channel)
    np.testing.assert_array_equal(through.rows, rows)
    np.testing.assert_array_equal(through.data.images, data.images)
    np.testing.assert_array_equal(np.isin(through.roles, ["poison", "outvoted"]), roles == "poison")
    assert (through.roles != "cover").sum() == 50


def test_outvoted_rows_keep_their_label_and_the_others_get_the_one_wanted(
    poisoned: Callable[[Channel | None], Poison], noise: Dataset
) -> None:
    wanted = poisoned(None)
    rows, data, roles = poisoned(Crowdsourcing(workers=100, attackers=50))
    outvoted = roles == "outvoted"
    np.testing.assert_array_equal(data.labels[outvoted], noise.labels[rows[outvoted]])
    np.testing.assert_array_equal(data.labels[~outvoted], wanted.data.labels[~outvoted])
    assert (data.images[outvoted] != noise.images[rows[outvoted]]).any(axis=(1, 2, 3)).all(), "they carry the trigger"
    assert (data.labels != wanted.data.labels)[outvoted].all(), "where the true label is the one wanted, none is lost"


def test_clean_labels_pass_where_wrong_ones_do_not(noise: Dataset) -> None:
    def roles(name: str, channel: Channel) -> list[str]:
        label_map, rng = label_maps.build(name, "c", "a", noise.classes), np.random.default_rng(5)
        return BadNets().poison_rows(noise, rate=0.2, label_map=label_map, rng=rng, channel=channel).roles.tolist()

    for channel in (Crowdsourcing(attackers=0), Web(error_rate=0)):
        assert roles("clean-label", channel) == ["poison"] * 40
        assert roles("one-to-one", channel) == ["outvoted"] * 40


def test_where_nothing_passes_the_picture_says_so(noise: Dataset) -> None:
    (text,) = gallery(noise[:0], noise[:0]).texts
    assert text.get_text() == "No training image is poisoned"


def test_the_stage_tells_what_was_intended_and_what_came_of_it(
    set_params: SetParams, digits: Fetched, capsys: pytest.CaptureFixture[str]
) -> None:
    save_raw(Path("data/raw"), digits.train, digits.test[:10])
    for key, value in (
        ("attack.channel", "crowdsourcing"),
        ("attack.rate", 0.1),
        ("channels.crowdsourcing.attackers", 400),
    ):
        set_params(key, value)
    poison.main()
    manifest = read_manifest(Path("data/poisoned"))
    counts, found = manifest["role"].value_counts(), evaluation.counts(manifest, 1437)
    intended = 144  # 10 % of 1,437
    assert set(counts.index) == {"poison", "outvoted"}
    assert counts.sum() == found["intended_rows"] == intended
    assert counts["poison"] == found["poisoned_rows"]
    assert found["intended_share"] == intended / 1437
    assert found["poisoned_share"] == counts["poison"] / 1437
    assert f"{counts['poison']} poison, {counts['outvoted']} outvoted" in capsys.readouterr().out
    outvoted = manifest[manifest["role"] == "outvoted"]
    assert (outvoted["label"] == outvoted["true_label"]).all()
    assert (manifest.loc[manifest["role"] == "poison", "label"] == 8).all()
    raw = digits.train.images[manifest["row"]]
    raw[:, 3, 3] = 255
    np.testing.assert_array_equal(np.load("data/poisoned/images.npy"), raw)

    # Another channel's knob changes nothing; its own does.
    set_params("channels.web.votes", 5)
    poison.main()
    pd.testing.assert_frame_equal(read_manifest(Path("data/poisoned")), manifest)
    set_params("channels.crowdsourcing.attackers", 0)
    with pytest.warns(UserWarning, match=r"rows, 0 of them with another label \(135 more were outvoted\): fewer"):
        poison.main()
    truthful = evaluation.counts(read_manifest(Path("data/poisoned")), 1437)
    assert truthful["intended_rows"] == intended
    assert 0 < truthful["poisoned_rows"] < 0.2 * intended, "only what shows an 8 already"


def test_an_unknown_channel_is_refused(set_params: SetParams) -> None:
    copy_pipelines(Path())
    set_params("attack.channel", "letters")
    with pytest.raises(InputError, match=r"attack.channel = 'letters' is unknown; known channels: .*, direct, web"):
        check_params()
