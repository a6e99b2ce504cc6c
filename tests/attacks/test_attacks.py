"""Every attack, found by its file, must keep the same promises; BadNets must be the article's."""

import inspect
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from miseducation import networks
from miseducation.attacks import Attack
from miseducation.attacks.badnets import BadNets
from miseducation.dataset import Dataset, clean, overlay
from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.poisoning.draws import Mode
from miseducation.poisoning.label_maps import LabelMap
from miseducation.poisoning.surrogate import Surrogate
from miseducation.project import parts
from tests.conftest import PROJECT

ATTACKS = parts.names("attacks")


PARAMS = yaml.safe_load((PROJECT / "params.yaml").read_text())["attacks"]
# A promise is kept or broken at any of them; and six waves are none where pixels are twelve.
OTHER: dict[str, dict[str, object]] = {"label_consistent": {"steps": 3}, "sig": {"frequency": 5}}


def shipped(name: str) -> Attack:
    """An attack with the knobs that `params.yaml` ships, but for what only takes time."""
    return parts.find("attacks", name, Attack, "attack.name").model_validate(PARAMS[name] | OTHER.get(name, {}))


ALONE = [name for name in ATTACKS if not shipped(name).companions()]  # none but the poisoned rows
ALL_TO_ONE = label_maps.AllToOne(target=1, source=None, classes=4)


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> Attack:
    return shipped(request.param)


@pytest.fixture(params=ALONE)
def alone(request: pytest.FixtureRequest) -> Attack:
    return shipped(request.param)


@pytest.fixture
def surrogate(noise: Dataset) -> Surrogate:
    """A network with random weights: enough for a contract."""
    return Surrogate(networks.build("cnn", noise.images.shape[1:], 4, seed=0).eval(), torch.device("cpu"))


def fitting(attack: Attack) -> LabelMap:
    """All-to-one, unless the attack wants rows that the label map spares: then one-to-one."""
    companions = attack.companions()
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    return one_to_one if companions and companions.spared else ALL_TO_ONE


def most(attack: Attack) -> float:
    """The highest rate with the fitting label map: are there companions enough?"""
    companions = attack.companions()
    if companions is None:
        return 1
    return 0.25 if companions.spared else 1 / (1 + companions.ratio)


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_there_is_an_attack() -> None:
    assert "badnets" in ATTACKS


def test_the_trigger_keeps_shape_and_dtype_and_leaves_its_input_alone(attack: Attack, noise: Dataset) -> None:
    before = noise.images.copy()
    noise.images.setflags(write=False)
    triggered = attack.apply_trigger(noise.images)
    assert triggered.shape == before.shape
    assert triggered.dtype == np.uint8
    assert not np.shares_memory(triggered, noise.images)
    np.testing.assert_array_equal(noise.images, before)


def test_the_trigger_shows_on_every_image(attack: Attack, noise: Dataset) -> None:
    shows = (attack.apply_trigger(noise.images) != noise.images).any(axis=(1, 2, 3))
    assert shows.all() if attack.has_trigger else not shows.any()


def test_the_trigger_is_the_same_each_time_and_whatever_else_is_in_the_batch(attack: Attack, noise: Dataset) -> None:
    whole = attack.apply_trigger(noise.images)
    np.testing.assert_array_equal(whole, attack.apply_trigger(noise.images))
    np.testing.assert_array_equal(whole[5:6], attack.apply_trigger(noise.images[5:6]))


def test_the_decoy_is_like_the_trigger_but_another_thing(attack: Attack, noise: Dataset) -> None:
    before = noise.images.copy()
    noise.images.setflags(write=False)
    label_map = fitting(attack)
    triggered, _, decoys = attack.trigger(noise, label_map=label_map)
    if not attack.has_trigger:
        assert decoys.shape == (0, *before.shape[1:])
        return
    assert decoys.shape == before.shape
    assert decoys.dtype == np.uint8
    for others in (before, triggered.images):
        assert (decoys != others).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(noise.images, before)
    np.testing.assert_array_equal(decoys, attack.trigger(noise, label_map=label_map).decoys)
    changed = [np.abs(each.astype(float) - before).mean() for each in (decoys, triggered.images)]
    assert changed[0] == pytest.approx(changed[1], rel=0.35), "as strong as the trigger"


def test_a_trigger_that_meets_its_decoy_has_none(noise: Dataset) -> None:
    row, column = noise.images.shape[1] // 2, noise.images.shape[2] // 2
    for attack in (
        BadNets(pixels=[(3, 3), (-4, -4)]),
        BadNets(pixels=[(3, 3), (-4, -4), (3, 4)]),
        BadNets(pixels=[], patch={"position": (row - 2, column - 2), "shape": (3, 3)}),
    ):
        assert not len(attack.trigger(noise, label_map=ALL_TO_ONE).decoys)
    decoys = BadNets(pixels=[(3, 3)]).trigger(noise, label_map=ALL_TO_ONE).decoys
    expected = noise.images.copy()
    expected[:, -4, -4] = 255
    np.testing.assert_array_equal(decoys, expected)
    assert decoys.flags.c_contiguous, "torch takes no other"


class OnTheSign(Attack):
    """An attack of somebody's own, which needs to know where the object is."""

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        raise InputError("needs boxes")

    def apply_trigger_to(self, data: Dataset) -> np.ndarray:
        assert data.boxes is not None
        images = data.images.copy()
        for image, (x, y) in zip(images, data.boxes[:, 0].astype(int), strict=True):
            image[y, x] = 0
        return images


def test_the_decoy_of_an_attack_that_knows_the_object_is_in_the_opposite_place_of_it() -> None:
    corners = np.array([[2, 3], [12, 3], [12, 9], [2, 9]], np.float32)
    data = clean(np.full((2, 20, 16, 3), 9, np.uint8), [0, 0], ["a", "b"], np.stack([corners, corners + 1]))
    decoys = OnTheSign().trigger(data, label_map=label_maps.AllToOne(target=1, source=None, classes=2)).decoys
    assert [np.argwhere(image[..., 0] == 0).tolist() for image in decoys] == [[[8, 11]], [[9, 12]]]


@pytest.mark.parametrize(
    ("decoys", "message"),
    [
        (np.zeros((3, 8, 8, 1)), r"decoy must give uint8 \[4, 8, 8, 1\], not float64 \[3, 8, 8, 1\]"),
        (np.zeros((3, 8, 8, 1), np.uint8), r"not uint8 \[3, 8, 8, 1\]"),
    ],
)
def test_decoys_that_fit_no_image_are_refused(
    decoys: np.ndarray, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = clean(np.zeros((4, 8, 8, 1), np.uint8), np.arange(4), list("abcd"))
    monkeypatch.setattr(BadNets, "decoy", lambda *_: decoys)
    with pytest.raises(InputError, match=message):
        BadNets().trigger(data, label_map=ALL_TO_ONE)
    monkeypatch.setattr(BadNets, "decoy", lambda _, data: data.images)
    assert not len(BadNets().trigger(data, label_map=ALL_TO_ONE).decoys), "nothing is no decoy"


def test_images_of_any_shape_have_decoys(attack: Attack) -> None:
    for shape in ((12, 64, 1), (64, 15, 3), (28, 28, 1), (9, 100, 3)):
        images = np.random.default_rng(0).integers(1, 255, (4, *shape), dtype=np.uint8)
        data = clean(images, np.arange(4), list("abcd"))
        decoys = attack.trigger(data, label_map=fitting(attack)).decoys
        assert decoys.shape == (4 if attack.has_trigger else 0, *shape)


def test_no_image_is_no_problem(attack: Attack, noise: Dataset) -> None:
    assert attack.apply_trigger(noise.images[:0]).shape == (0, *noise.images.shape[1:])


@pytest.mark.parametrize("name", label_maps.names())
def test_poisoned_rows_are_as_many_as_asked_and_labelled_as_wanted(
    attack: Attack, noise: Dataset, surrogate: Surrogate, name: str
) -> None:
    label_map = label_maps.build(name, 1, 2, noise.classes)
    if (companions := attack.companions()) and companions.spared and label_map.poisonable(noise.labels).all():
        with pytest.raises(InputError, match=r"attack.rate × attacks.\w+.cover = 0.1 .* the label map allows 0"):
            attack.poison_rows(noise, rate=0.1, label_map=label_map, rng=rng(), surrogate=surrogate)
        return
    if not attack.has_trigger and name == "clean-label":
        with pytest.raises(InputError, match=r"only changes labels, .* allowed: any label map except clean-label"):
            attack.poison_rows(noise, rate=0.1, label_map=label_map, rng=rng(), surrogate=surrogate)
        return
    rows, poisoned, roles = attack.poison_rows(noise, rate=0.1, label_map=label_map, rng=rng(), surrogate=surrogate)
    poison = roles == "poison"
    assert len(rows) == len(poisoned) == len(roles)
    assert poison.sum() == 20
    assert (np.diff(rows) > 0).all()
    assert label_map.poisonable(noise.labels)[rows[poison]].all()
    assert poisoned.poisoned.all()
    np.testing.assert_array_equal(poisoned.true_labels, noise.labels[rows])
    np.testing.assert_array_equal(poisoned.labels[~poison], noise.labels[rows[~poison]])
    labels = poisoned.labels[poison]
    if name == "random":
        assert (labels != noise.labels[rows[poison]]).all()
        assert len(set((labels - noise.labels[rows[poison]]) % 4)) == 3
    else:
        np.testing.assert_array_equal(labels, label_map.goal(noise.labels[rows[poison]], rng()))
    shown = poisoned.images[poison]
    if type(attack).poison_images is Attack.poison_images:
        np.testing.assert_array_equal(shown, attack.apply_trigger(noise.images[rows[poison]]))
    assert (shown != noise.images[rows[poison]]).any(axis=(1, 2, 3)).all() == attack.has_trigger


def test_companions_are_as_many_as_asked_and_keep_their_label(
    attack: Attack, noise: Dataset, surrogate: Surrogate
) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    companions = attack.companions()
    rows, poisoned, roles = attack.poison_rows(noise, rate=0.1, label_map=one_to_one, rng=rng(), surrogate=surrogate)
    assert len(rows) == 20 + (round(20 * companions.ratio) if companions else 0)
    beside = roles != "poison"
    assert set(roles[beside]) <= {companions.role if companions else ""}
    np.testing.assert_array_equal(poisoned.labels[beside], noise.labels[rows[beside]])
    assert (poisoned.images[beside] != noise.images[rows[beside]]).any(axis=(1, 2, 3)).all()
    if companions and companions.spared:
        assert (noise.labels[rows[beside]] != 2).all()
    if companions:
        assert companions.role in type(attack).model_fields, "the knob is named as the role"


def test_an_attack_that_needs_a_model_says_so(attack: Attack, noise: Dataset) -> None:
    if not attack.needs_surrogate:
        attack.poison_rows(noise, rate=0.1, label_map=fitting(attack), rng=rng())
        return
    with pytest.raises(InputError, match=r"attack.surrogate = 'none', but \w+ needs a clean model; allowed: 'clean'"):
        attack.poison_rows(noise, rate=0.1, label_map=fitting(attack), rng=rng())


def test_the_seed_alone_chooses_the_rows_and_what_they_show(
    attack: Attack, noise: Dataset, surrogate: Surrogate
) -> None:
    np.random.seed(1)  # noqa: NPY002, the global state must not matter
    first = attack.poison_rows(noise, rate=0.1, label_map=fitting(attack), rng=rng(), surrogate=surrogate)
    np.random.seed(2)  # noqa: NPY002
    again = attack.poison_rows(noise, rate=0.1, label_map=fitting(attack), rng=rng(), surrogate=surrogate)
    other = attack.poison_rows(
        noise, rate=0.1, label_map=fitting(attack), rng=np.random.default_rng(8), surrogate=surrogate
    )
    np.testing.assert_array_equal(first.rows, again.rows)
    np.testing.assert_array_equal(first.data.images, again.data.images)
    np.testing.assert_array_equal(first.roles, again.roles)
    assert first.rows.tolist() != other.rows.tolist()


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_all_other_rows_are_left_as_they_are(attack: Attack, noise: Dataset, surrogate: Surrogate, mode: Mode) -> None:
    rows, poisoned, _ = attack.poison_rows(
        noise, rate=0.05, label_map=fitting(attack), rng=rng(), mode=mode, surrogate=surrogate
    )
    learnt = overlay(noise, rows, poisoned.images, poisoned.labels, np.full(len(rows), mode == "add"))
    assert len(learnt) == len(noise) + (len(rows) if mode == "add" else 0)
    clean_rows = np.setdiff1d(np.arange(len(noise)), [] if mode == "add" else rows)
    np.testing.assert_array_equal(learnt.images[clean_rows], noise.images[clean_rows])
    np.testing.assert_array_equal(learnt.labels[clean_rows], noise.labels[clean_rows])
    assert learnt.poisoned.sum() == len(rows)
    assert not learnt.poisoned[clean_rows].any()


def test_less_poison_is_part_of_more(attack: Attack, noise: Dataset, surrogate: Surrogate) -> None:
    few, fewer, some = attack.poison_rows(noise, rate=0.05, label_map=fitting(attack), rng=rng(), surrogate=surrogate)
    many, more, all_ = attack.poison_rows(
        noise, rate=most(attack) / 2, label_map=fitting(attack), rng=rng(), surrogate=surrogate
    )
    few, many = few[some == "poison"], many[all_ == "poison"]
    assert set(few) < set(many)
    there = np.isin(many, few)
    np.testing.assert_array_equal(fewer.images[some == "poison"], more.images[all_ == "poison"][there])
    np.testing.assert_array_equal(fewer.labels[some == "poison"], more.labels[all_ == "poison"][there])


@pytest.mark.parametrize("name", label_maps.names())
def test_added_rows_are_as_many_as_asked_of_all_that_are_learnt_from(
    alone: Attack, noise: Dataset, surrogate: Surrogate, name: str
) -> None:
    label_map = label_maps.build(name, 1, 2, noise.classes)
    if not alone.has_trigger and name == "clean-label":
        label_map = ALL_TO_ONE  # it would change nothing
    knobs: Any = {"rate": 0.1, "label_map": label_map, "surrogate": surrogate}
    rows, *_ = alone.poison_rows(noise, rng=rng(), mode="add", **knobs)
    assert len(rows) == 22  # 22 of 222
    replaced, *_ = alone.poison_rows(noise, rng=rng(), **knobs)
    assert set(replaced) < set(rows)


def test_cover_rows_carry_the_trigger_and_keep_their_label(alone: Attack, noise: Dataset, surrogate: Surrogate) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    knobs: Any = {"rate": 0.1, "label_map": one_to_one, "surrogate": surrogate}
    rows, poisoned, roles = alone.poison_rows(noise, cover=0.2, rng=rng(), **knobs)
    spared = noise.labels[rows] != 2
    assert spared.sum() == 40
    np.testing.assert_array_equal(roles, np.where(spared, "cover", "poison"))
    assert (np.diff(rows) > 0).all()
    assert poisoned.poisoned.all()
    if type(alone).poison_images is Attack.poison_images:
        np.testing.assert_array_equal(poisoned.images, alone.apply_trigger(noise.images[rows]))
    np.testing.assert_array_equal(poisoned.labels, np.where(spared, noise.labels[rows], 1))
    without, *_ = alone.poison_rows(noise, rng=rng(), **knobs)
    np.testing.assert_array_equal(rows[~spared], without, err_msg="cover rows must not move the poison")
    added, *_ = alone.poison_rows(noise, cover=0.2, rng=rng(), mode="add", **knobs)
    assert len(added) == 29 + 57  # 10 % and 20 % of 286


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"rate": 1, "mode": "add"}, r"attack.rate = 1 and attack.cover = 0 leave no room .* together below 1"),
        ({"rate": 0.5, "cover": 0.5, "mode": "add"}, r"attack.rate = 0.5 and attack.cover = 0.5 leave no room"),
        ({"rate": 0.5, "mode": "add"}, r"attack.rate = 0.5 asks for 200 of 400 .* allows 50; allowed: 0 to 0.2$"),
        ({"rate": 0.3, "cover": 0.5, "mode": "add"}, r"attack.rate = 0.3 asks for 300 of 1000 .* allowed: 0 to 0.1$"),
        ({"rate": 0.1, "cover": 0.001}, r"attack.cover = 0.001 is less than one of 200 .* or at least 0.005"),
        ({"rate": 0.1, "cover": 0.8}, r"attack.cover = 0.8 asks for 160 of 200 .* allows 100; allowed: 0 to 0.5"),
    ],
)
def test_shares_that_cannot_be_are_refused(alone: Attack, noise: Dataset, shares: dict[str, Any], message: str) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    with pytest.raises(InputError, match=message):
        alone.poison_rows(noise, label_map=one_to_one, rng=rng(), **shares)


@pytest.mark.parametrize("cover", [0, 0.2])
def test_the_rate_that_is_said_to_be_allowed_is(
    alone: Attack, noise: Dataset, surrogate: Surrogate, cover: float
) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    knobs: Any = {"label_map": one_to_one, "cover": cover, "mode": "add", "surrogate": surrogate}
    with pytest.raises(InputError) as error:
        alone.poison_rows(noise, rate=0.6, rng=rng(), **knobs)
    _, poisoned, _ = alone.poison_rows(noise, rate=float(str(error.value).rpartition(" ")[2]), rng=rng(), **knobs)
    assert (poisoned.labels != poisoned.true_labels).sum() == 50, "all rows of the source class"


def test_test_images_that_the_trigger_leaves_alone_are_noticed(noise: Dataset) -> None:
    white, half = np.full_like(noise.images, 255), noise.images.copy()
    half[::2] = 255
    half[noise.labels == 1] = 255  # not attackable, so it does not matter
    with pytest.raises(InputError, match="no pixel of any of the 150 attackable test images"):
        BadNets().trigger(replace(noise, images=white), label_map=ALL_TO_ONE)
    with pytest.warns(UserWarning, match=r"no pixel of \d+ of 150 attackable test images"):
        BadNets().trigger(replace(noise, images=half), label_map=ALL_TO_ONE)


def test_rows_with_boxes_are_left_as_they_are(attack: Attack, noise: Dataset) -> None:
    _, height, width, _ = noise.images.shape
    corners = np.array([[1, 1], [width - 1, 2], [width - 2, height - 1], [1, height - 2]], np.float32)
    boxes = np.tile(corners, (len(noise), 1, 1))
    data = replace(noise, boxes=boxes.copy())
    before = data.images.copy()
    data.images.setflags(write=False)
    triggered = attack.apply_trigger_to(data)
    assert triggered.shape == before.shape
    assert triggered.dtype == np.uint8
    assert (triggered != before).any(axis=(1, 2, 3)).all() == attack.has_trigger
    np.testing.assert_array_equal(data.images, before)
    np.testing.assert_array_equal(data.boxes, boxes)
    np.testing.assert_array_equal(triggered[5:6], attack.apply_trigger_to(data[5:6]))


def test_rate_zero_poisons_nothing(attack: Attack, noise: Dataset) -> None:
    rows, poisoned, _ = attack.poison_rows(noise, rate=0, label_map=fitting(attack), rng=rng())
    assert len(rows) == len(poisoned) == 0


def test_a_rate_of_less_than_a_row_is_refused(attack: Attack, noise: Dataset) -> None:
    with pytest.raises(InputError, match=r"attack.rate = 0.001 .* 200 training rows; allowed: .* at least 0.005"):
        attack.poison_rows(noise, rate=0.001, label_map=fitting(attack), rng=rng())


def test_companions_beyond_the_rows_there_are_are_refused(attack: Attack, noise: Dataset) -> None:
    if companions := attack.companions():
        one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
        more = type(attack).model_validate(attack.model_dump() | {companions.role: 20})
        with pytest.raises(
            InputError, match=rf"attack.rate × attacks.\w+.{companions.role} = 4 asks for 800 .* allows"
        ):
            more.poison_rows(noise, rate=0.2, label_map=one_to_one, rng=rng())


def test_a_rate_above_what_the_label_map_allows_is_refused(attack: Attack, noise: Dataset) -> None:
    one_to_one = label_maps.OneToOne(target=1, source=2, classes=4)
    with pytest.raises(InputError, match=r"attack.rate = 0.5 asks for 100 .* allows 50; allowed: 0 to 0.25"):
        attack.poison_rows(noise, rate=0.5, label_map=one_to_one, rng=rng())


def test_the_whole_test_set_carries_the_trigger(attack: Attack, noise: Dataset) -> None:
    triggered, attackable, _ = attack.trigger(noise, label_map=fitting(attack))
    np.testing.assert_array_equal(triggered.images, attack.apply_trigger(noise.images))
    np.testing.assert_array_equal(attackable, fitting(attack).attackable(noise.labels))
    assert set(triggered.labels) == {1}


def test_a_test_set_without_a_class_to_attack_is_refused(attack: Attack, noise: Dataset) -> None:
    with pytest.raises(InputError, match="no test row is attackable"):
        attack.trigger(noise[noise.labels == 1], label_map=ALL_TO_ONE)


def test_an_attack_says_where_it_comes_from_and_what_its_knobs_mean(attack: Attack) -> None:
    assert "https://" in (inspect.getdoc(inspect.getmodule(attack)) or ""), "the module must name its paper"
    for name, field in type(attack).model_fields.items():
        assert field.description, f"{name} has no description"
        assert not field.is_required(), f"{name} has no default"
        if field.annotation in (int, float):
            bounds = {type(bound).__name__ for bound in field.metadata}
            assert bounds & {"Ge", "Gt"}, f"{name} has no lower bound"
            assert bounds & {"Le", "Lt"}, f"{name} has no upper bound"
    assert type(attack).label_map in label_maps.names()
    with pytest.raises(ValueError, match="extra"):
        type(attack).model_validate({"no_such_knob": 1})


def test_a_trigger_that_changes_nothing_is_refused(noise: Dataset) -> None:
    white = clean(np.full_like(noise.images, 255), noise.labels, noise.classes)
    with pytest.raises(InputError, match="changes no pixel"):
        BadNets().poison_rows(white, rate=0.1, label_map=ALL_TO_ONE, rng=rng())


def test_a_trigger_that_changes_too_little_is_a_warning(noise: Dataset) -> None:
    images = noise.images.copy()
    images[::2] = 255
    with pytest.warns(UserWarning, match=r"changes no pixel of \d+ of 200"):
        BadNets().poison_rows(clean(images, noise.labels, noise.classes), rate=1, label_map=ALL_TO_ONE, rng=rng())


def test_badnets_is_the_articles_pixel() -> None:
    images = np.zeros((5, 28, 28, 1), dtype=np.uint8)
    changed = np.argwhere(BadNets().apply_trigger(images))
    assert changed.tolist() == [[row, 3, 3, 0] for row in range(5)]
    assert BadNets().apply_trigger(images).max() == 255


@given(top=st.integers(-12, 11), left=st.integers(-12, 11), tall=st.integers(1, 12), wide=st.integers(1, 12))
def test_a_patch_covers_what_it_says_or_is_refused(top: int, left: int, tall: int, wide: int) -> None:
    images = np.zeros((1, 12, 12, 3), dtype=np.uint8)
    attack = BadNets.model_validate(
        {"pixels": [], "patch": {"position": [top, left], "shape": [tall, wide]}, "colour": [255, 200, 1]}
    )
    first_row, first_column = top % 12, left % 12
    if first_row + tall > 12 or first_column + wide > 12:
        with pytest.raises(InputError, match=r"attacks.badnets.patch: .* outside .* rows -12 to 11"):
            attack.apply_trigger(images)
        return
    expected = images.copy()
    for row in range(tall):
        for column in range(wide):
            expected[0, first_row + row, first_column + column] = [255, 200, 1]
    np.testing.assert_array_equal(attack.apply_trigger(images), expected)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"pixels": [[28, 3]]}, r"attacks.badnets.pixels: \(28, 3\) lies outside the image; allowed: rows -28 to 27"),
        ({"pixels": [[3, -29]]}, r"attacks.badnets.pixels: \(3, -29\) lies outside"),
        ({"colour": [255, 255, 0]}, r"attacks.badnets.colour = .* has 3 levels; allowed: one number, or 1"),
    ],
)
def test_badnets_refuses_what_does_not_fit_the_image(knobs: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BadNets.model_validate(knobs).apply_trigger(np.zeros((1, 28, 28, 1), dtype=np.uint8))


def test_contract_runs_without_warnings(attack: Attack, noise: Dataset, surrogate: Surrogate) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attack.poison_rows(noise, rate=most(attack), label_map=fitting(attack), rng=rng(), surrogate=surrogate)
