import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miseducation import networks
from miseducation.attacks import BadNets
from miseducation.dataset import Dataset, Images, clean
from miseducation.dataset.images import OverlaidImages
from miseducation.defending.evidence import Evidence, Model, Recipe, draw_trusted, order
from miseducation.poisoning.label_maps import AllToOne
from miseducation.training.learning import TrainSection, learn

CPU = torch.device("cpu")
SHAPE = (16, 16, 1)


def data(counts: list[int]) -> Dataset:
    """Each image shows the number of its row."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.broadcast_to(
        np.arange(len(labels), dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis], (len(labels), *SHAPE)
    )
    return clean(images.copy(), labels, [*"abcdefghij"[: len(counts)]])


@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=6), rows=st.integers(0, 200), seed=st.integers(0, 99))
def test_trusted_rows_are_spread_over_the_classes_as_evenly_as_these_allow(
    counts: list[int], rows: int, seed: int
) -> None:
    raw = data(counts)
    images, labels = draw_trusted(raw, rows, seed=seed)
    assert len(images) == len(labels) == min(rows, sum(counts))
    assert images.shape[1:] == SHAPE
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    drawn = images[:, 0, 0, 0]
    assert len(set(drawn.tolist())) == len(drawn), "no row twice"
    np.testing.assert_array_equal(labels, raw.labels[drawn])
    of_class = np.bincount(labels, minlength=len(counts))
    most = of_class.max()
    assert all(found == count or found >= most - 1 for found, count in zip(of_class, counts, strict=True))


def test_a_seed_draws_the_same_rows_and_more_are_some_beside_them() -> None:
    raw = data([40, 40, 40])
    few, again, more, other = (
        draw_trusted(raw, *knobs[:1], seed=knobs[1]) for knobs in ((9, 1), (9, 1), (30, 1), (9, 2))
    )
    np.testing.assert_array_equal(few.images, again.images)
    assert {each.tobytes() for each in few.images} < {each.tobytes() for each in more.images}
    assert few.images.tobytes() != other.images.tobytes()


def test_rows_are_drawn_from_the_disk_as_from_memory() -> None:
    raw = data([20, 20])
    images: Images = OverlaidImages(raw.images, np.arange(1), raw.images[:1])
    stored = clean(images, raw.labels, raw.classes)
    for one, other in zip(draw_trusted(raw, 7, seed=3), draw_trusted(stored, 7, seed=3), strict=True):
        np.testing.assert_array_equal(one, other)
        assert isinstance(other, np.ndarray)


def test_a_model_s_features_and_probabilities_are_the_network_s_and_computed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, images = networks.build("cnn", SHAPE, 3, seed=1).train(), data([5, 5]).images
    model = Model(network, images)
    assert not network.training
    np.testing.assert_array_equal(model.features, network.features(images))
    np.testing.assert_array_equal(model.probabilities, network.probabilities(images))
    assert model.features is model.features
    assert model.probabilities is model.probabilities
    for array in (model.features, model.probabilities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_what_is_not_needed_is_not_there() -> None:
    images, labels = data([2, 2]).images, data([2, 2]).labels
    bare = Evidence(images, labels, ("a", "b"), 1)
    for ask, need in ((bare.the_model, "model"), (bare.the_trusted, "trusted"), (bare.the_recipe, "recipe")):
        with pytest.raises(AssertionError, match=f"needs lacks {need}"):
            ask()
    assert len(bare) == 4
    assert bare.rng().random() == bare.rng().random() != np.random.default_rng(1).random()


def recipe(**knobs: int) -> Recipe:
    section = TrainSection(network="cnn", epochs=2, batch_size=4, learning_rate=0.01, label_smoothing=0.1)
    return Recipe(section.model_copy(update=knobs), ("a", "b"), SHAPE, CPU, torch.float32)


def weights(network: networks.Network) -> list[bytes]:
    return [weight.numpy().tobytes() for weight in network.state_dict().values()]


def test_a_recipe_trains_as_the_model_was_but_for_what_is_given() -> None:
    raw = data([6, 6])
    taught = recipe().train(raw.images, raw.labels, seed=3, epochs=1)
    reference, _ = learn(recipe(epochs=1).section, raw, seed=3, device=CPU, precision=torch.float32)
    assert weights(taught) == weights(reference)
    fresh = networks.build("cnn", SHAPE, 2, seed=3)
    assert weights(recipe().fresh(3)) == weights(fresh) != weights(taught)


def test_a_single_row_can_be_learnt() -> None:
    raw = data([1, 0])
    taught = recipe().train(raw.images, raw.labels, seed=3, epochs=20)
    assert all(weight.isfinite().all() for weight in taught.state_dict().values())
    assert taught.predict(raw.images).tolist() == [0]


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_no_draw_of_a_defender_meets_the_attackers_of_the_same_seed(seed: int) -> None:
    """The attacker's rows are the first of a permutation; a sample by the same generator would hold them all."""
    count, rate = 60_000, 0.01
    images = np.zeros((count, 4, 4, 1), np.uint8)
    images.reshape(count, 16)[:, :4] = np.arange(count, dtype=np.uint32).view(np.uint8).reshape(count, 4)
    train = clean(images, np.arange(count) % 10, [*"0123456789"])
    poisoned = BadNets().poison(train, rate=rate, label_map=AllToOne(target=8, classes=10), seed=seed).poisoned
    evidence = Evidence(images, train.labels, train.classes, seed)
    trusted = draw_trusted(train, 3000, seed=seed).images.reshape(-1, 16)[:, :4].copy().view(np.uint32)[:, 0]
    for drawn in (evidence.rng().permutation(count)[:5000], trusted, order(count, seed)[:5000]):
        met = poisoned[drawn].sum()
        assert abs(met - rate * len(drawn)) < 5 * np.sqrt(rate * len(drawn))


def test_a_defender_gets_the_rows_in_no_telling_order() -> None:
    assert sorted(order(100, 1)) == list(range(100))
    assert (order(100, 1) != np.arange(100)).mean() > 0.9
