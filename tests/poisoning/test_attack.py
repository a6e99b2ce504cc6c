"""What every attack has from its base class, shown with one that notes all that it is given."""

from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import pytest

from miseducation.dataset import Dataset, clean
from miseducation.dataset.images import Images, StoredImages
from miseducation.errors import InputError
from miseducation.poisoning.attack import Attack
from miseducation.poisoning.channels.crowdsourcing import Crowdsourcing
from miseducation.poisoning.draws import Companions, Purpose
from miseducation.poisoning.label_maps import AllToOne, CleanLabel, OneToOne, Random
from miseducation.project.files import write_array

ALL_TO_ONE, ONE_TO_ONE = AllToOne(target=1, classes=4), OneToOne(target=1, source=2, classes=4)


class Plain(Attack):
    """One more on each grey level."""

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images + np.uint8(1)


@final
class Noting(Plain):
    """Draws a level for each row, and one more for companions; notes its purposes."""

    needs_surrogate: ClassVar[bool] = True
    purposes: ClassVar[list[tuple[Purpose, int]]] = []
    ratio: float = 0

    def companions(self) -> Companions | None:
        return Companions("noise", self.ratio) if self.ratio else None

    def poison_images(self, data: Dataset, purpose: Purpose) -> np.ndarray:
        self.purposes.append((purpose, len(data)))
        drawn = purpose.rng.integers(1, 250, len(data))
        return np.broadcast_to(drawn[:, None, None, None], data.images.shape).astype(np.uint8)


@final
class Nothing(Attack):
    """The control: no trigger."""

    has_trigger: ClassVar[bool] = False

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        return images.copy()


@final
class Boxed(Plain):
    """As bright as the box of each image is wide."""

    def apply_trigger_to(self, data: Dataset) -> np.ndarray:
        assert data.boxes is not None
        wide = data.boxes[:, 1, 0] - data.boxes[:, 0, 0]
        return np.broadcast_to(wide[:, None, None, None], data.images.shape).astype(np.uint8)


@pytest.fixture
def data() -> Dataset:
    """200 rows that show their number."""
    images = np.repeat(np.arange(200, dtype=np.uint8), 4).reshape(200, 2, 2, 1)
    return clean(images, np.random.default_rng(0).permutation(200) % 4, list("abcd"))


def poisoned(attack: Attack, data: Any, seed: int = 7, **knobs: Any) -> Any:
    usual: dict[str, Any] = {"rate": 0.1, "label_map": ONE_TO_ONE}
    return attack.poison_rows(data, rng=np.random.default_rng(seed), **{**usual, **knobs})


def test_an_attack_is_called_as_its_file_and_knows_its_knobs() -> None:
    assert Plain.name() == "test_attack"
    assert Plain.knob("alpha") == "attacks.test_attack.alpha"
    assert (Plain.label_map, Plain.has_trigger, Plain.needs_surrogate) == ("all-to-one", True, False)
    assert Plain().companions() is None


def test_rows_come_in_order_with_what_belongs_to_each(data: Dataset) -> None:
    rows, found, roles = poisoned(Plain(), data, cover=0.2)
    assert len(rows) == 60
    assert (np.diff(rows) > 0).all()
    assert found.images[:, 0, 0, 0].tolist() == (rows + 1).tolist()
    assert found.true_labels.tolist() == data.labels[rows].tolist()
    assert roles.tolist() == np.where(data.labels[rows] == 2, "poison", "cover").tolist()
    assert found.labels.tolist() == np.where(roles == "poison", 1, data.labels[rows]).tolist()
    assert found.poisoned.all()
    assert found.classes == data.classes
    assert found.boxes is None


def test_boxes_go_with_their_rows(data: Dataset) -> None:
    boxes = np.zeros((200, 4, 2), np.float32)
    boxes[:, 1, 0] = np.arange(200) + 2
    boxed = Dataset(data.images, data.labels, data.labels, data.poisoned, data.classes, boxes)
    rows, found, _ = poisoned(Boxed(), boxed)
    assert found.images[:, 0, 0, 0].tolist() == (rows + 2).tolist()
    np.testing.assert_array_equal(found.boxes, boxes[rows])
    triggered, *_ = Boxed().trigger(boxed, label_map=ALL_TO_ONE)
    assert triggered.images[:, 0, 0, 0].tolist() == list(range(2, 202))
    np.testing.assert_array_equal(triggered.boxes, boxes)


def test_each_purpose_is_told_with_a_generator_of_its_own(data: Dataset) -> None:
    Noting.purposes.clear()
    surrogate: Any = object()
    poisoned(Noting(ratio=0.5), data, cover=0.2, surrogate=surrogate)
    assert [(purpose.role, count) for purpose, count in Noting.purposes] == [
        ("poison", 20),
        ("cover", 40),
        ("noise", 10),
    ]
    assert all(purpose.surrogate is surrogate for purpose, _ in Noting.purposes)
    assert len({purpose.rng.random() for purpose, _ in Noting.purposes}) == 3


def test_what_one_purpose_draws_does_not_move_the_others(data: Dataset) -> None:
    def shown(**knobs: Any) -> dict[int, int]:
        attack = Noting(ratio=knobs.pop("ratio", 0))
        rows, found, roles = poisoned(attack, data, **{"surrogate": object(), **knobs})
        poison = np.isin(roles, ["poison", "outvoted"])
        return dict(zip(rows[poison].tolist(), found.images[poison, 0, 0, 0].tolist(), strict=True))

    usual = shown()
    assert len(set(usual.values())) > 15
    for other in (
        {"cover": 0.2},
        {"ratio": 0.5},
        {"channel": Crowdsourcing(attackers=0)},
        {"label_map": OneToOne(target=3, source=2, classes=4)},
    ):
        assert shown(**other) == usual
    assert usual.items() < shown(rate=0.2).items(), "less poison is part of more"
    assert shown(seed=8) != usual


def test_the_labels_left_to_chance_are_settled_by_the_seed(data: Dataset) -> None:
    chance = Random(classes=4)
    found = [poisoned(Plain(), data, label_map=chance, seed=seed).data.labels.tolist() for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    few, more = (poisoned(Plain(), data, label_map=chance, rate=rate) for rate in (0.1, 0.3))
    there = np.isin(more.rows, few.rows)
    np.testing.assert_array_equal(more.data.labels[there], few.data.labels)


def test_a_channel_may_give_labels_back(data: Dataset) -> None:
    _, found, roles = poisoned(Plain(), data, channel=Crowdsourcing(attackers=0), cover=0.1)
    assert sorted(set(roles)) == ["cover", "outvoted"]
    assert found.labels.tolist() == found.true_labels.tolist()


def test_a_share_of_companions_is_called_by_the_attacks_knob(data: Dataset) -> None:
    with pytest.raises(InputError, match=r"attack.rate × attacks.test_attack.noise = 1 asks for 200 of 200"):
        poisoned(Noting(ratio=10), data)


def test_without_poison_no_model_is_needed_and_nothing_is_made(data: Dataset) -> None:
    Noting.purposes.clear()
    rows, found, roles = poisoned(Noting(), data, rate=0)
    assert len(rows) == len(found) == len(roles) == 0
    assert found.images.shape == (0, 2, 2, 1)
    assert not Noting.purposes
    with pytest.raises(
        InputError,
        match=r"^params.yaml: attack.surrogate = 'none', but test_attack needs a clean model; allowed: 'clean'$",
    ):
        poisoned(Noting(), data)
    Noting.check_surrogate(there=True)
    Plain.check_surrogate(there=False)


def test_a_trigger_that_does_not_show_is_told_for_each_purpose(data: Dataset) -> None:
    @final
    class Invisible(Attack):
        def apply_trigger(self, images: np.ndarray) -> np.ndarray:
            return images.copy()

    with pytest.raises(InputError, match="no pixel of any of the 20 poison training images"):
        poisoned(Invisible(), data)
    with pytest.raises(InputError, match="no pixel of any of the 20 cover training images"):
        poisoned(Invisible(), data, rate=0, cover=0.1)
    with pytest.raises(InputError, match="no pixel of any of the 150 attackable test images"):
        Invisible().trigger(data, label_map=ALL_TO_ONE)


def test_an_attack_on_labels_alone_changes_some_or_is_refused(data: Dataset) -> None:
    rows, found, _ = poisoned(Nothing(), data, cover=0.1)
    np.testing.assert_array_equal(found.images, data.images[rows])
    Nothing().trigger(data, label_map=ALL_TO_ONE)
    with pytest.raises(InputError, match=r"attack.name = 'test_attack' only changes labels, .* none of the 20 chosen"):
        poisoned(Nothing(), data, label_map=CleanLabel(target=1, classes=4))


def test_without_a_word_rows_are_replaced_and_none_is_cover(data: Dataset) -> None:
    knobs: dict[str, Any] = {"rate": 0.1, "label_map": ONE_TO_ONE}
    assert len(poisoned(Plain(), data).rows) == 20
    assert len(poisoned(Plain(), data, mode="add").rows) == 22
    assert len(Plain().poison(data, seed=3, **knobs)) == 200
    assert len(Plain().poison(data, seed=3, mode="add", **knobs)) == 222


def test_an_attack_without_a_trigger_of_its_own_is_none() -> None:
    class Idle(Attack):
        """Says nothing of its trigger."""

    with pytest.raises(TypeError, match="abstract"):
        Idle()  # type: ignore[abstract]


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_the_whole_training_set_is_that_of_the_rows(data: Dataset, mode: Any, tmp_path: Path) -> None:
    knobs: dict[str, Any] = {"rate": 0.1, "label_map": ONE_TO_ONE, "mode": mode, "cover": 0.1}
    rows, found, _ = poisoned(Plain(), data, seed=3, **knobs)
    learnt = Plain().poison(data, seed=3, **knobs)
    assert len(learnt) == 200 + (len(rows) if mode == "add" else 0)
    places = np.flatnonzero(learnt.poisoned)
    assert places.tolist() == (rows.tolist() if mode == "replace" else list(range(200, len(learnt))))
    assert isinstance(learnt.images, np.ndarray)
    np.testing.assert_array_equal(learnt.images[places], found.images)
    np.testing.assert_array_equal(learnt.labels[places], found.labels)
    np.testing.assert_array_equal(learnt.true_labels[places], found.true_labels)

    # Of images on the disk only the chosen ones are read, and the others stay there.
    write_array(tmp_path / "images.npy", data.images)
    stored: Dataset[Images] = clean(StoredImages(tmp_path / "images.npy"), data.labels, data.classes)
    also = Plain().poison(stored, seed=3, **knobs)
    assert isinstance(also.images, Images)
    np.testing.assert_array_equal(np.asarray(also.images), learnt.images)
    np.testing.assert_array_equal(also.labels, learnt.labels)


def test_the_whole_training_set_comes_through_the_channel_and_by_the_surrogate(data: Dataset) -> None:
    Noting.purposes.clear()
    surrogate: Any = object()
    knobs: dict[str, Any] = {"rate": 0.1, "label_map": ONE_TO_ONE, "seed": 3, "surrogate": surrogate}
    learnt = Noting().poison(data, channel=Crowdsourcing(attackers=0), **knobs)
    assert Noting.purposes[0][0].surrogate is surrogate
    assert learnt.poisoned.sum() == 20
    np.testing.assert_array_equal(learnt.labels, data.labels)


def test_the_whole_test_set_carries_the_trigger(data: Dataset) -> None:
    told = Dataset(data.images, (data.labels + 1) % 4, data.labels, data.poisoned, data.classes)
    triggered, attackable, _ = Plain().trigger(told, label_map=ALL_TO_ONE)
    assert triggered.images[:, 0, 0, 0].tolist() == list(range(1, 201))
    assert set(triggered.labels) == {1}
    np.testing.assert_array_equal(triggered.true_labels, data.labels)
    np.testing.assert_array_equal(attackable, data.labels != 1)
    assert triggered.poisoned.all()
    chance = Random(classes=4)
    first, second = (Plain().trigger(told, label_map=chance)[0].labels for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != told.true_labels).all(), "by what it shows, not by what it is told to be"
    with pytest.raises(InputError, match=r"^no test row is attackable: the attacked class does not occur"):
        Plain().trigger(data[data.labels == 1], label_map=ALL_TO_ONE)
