"""Copies with another label are found, also changed ones; what is merely alike is not."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from miseducation.auditing.duplicates import Duplicates, Pair, find
from miseducation.datasets.digits import Digits

COPIES = 20


def looked(images: np.ndarray, labels: np.ndarray) -> Duplicates:
    return find(images, labels, np.random.default_rng(1))


def jpeg(image: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "JPEG", quality=75)
    return np.array(Image.open(file))[..., None]


def noisy(image: np.ndarray) -> np.ndarray:
    return np.clip(image + np.random.default_rng(2).normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def faint(image: np.ndarray) -> np.ndarray:
    return (image // 2 + 60).astype(np.uint8)


@pytest.mark.parametrize("change", [jpeg, noisy, faint])
def test_changed_copies_with_another_label_are_found(change: Callable[[np.ndarray], np.ndarray]) -> None:
    train = Digits().fetch().train
    images = np.concatenate([train.images[:], [change(image) for image in train.images[:COPIES]]])
    labels = np.concatenate([train.labels, (train.labels[:COPIES] + 1) % 10])
    found = looked(images, labels)
    assert {pair[:2] for pair in found.near} == {(row, len(train.images) + row) for row in range(COPIES)}
    assert [pair.alike for pair in found.near] == sorted((pair.alike for pair in found.near), reverse=True)
    assert all(0.99 <= pair.alike < 1 for pair in found.near)
    assert found.exact == []
    labels[-COPIES:] = train.labels[:COPIES]
    assert looked(images, labels) == Duplicates([], []), "copies with the same label do no harm"


def test_ordinary_data_have_none() -> None:
    train = Digits().fetch().train
    assert looked(train.images[:], train.labels) == Duplicates([], [])


def test_the_same_picture_is_told_once() -> None:
    train = Digits().fetch().train
    images, labels = np.concatenate([train.images[:50], *[train.images[:1]] * 30]), np.zeros(80, np.int64)
    labels[60:] = 1
    assert looked(images, labels) == Duplicates([Pair(0, 60, 1.0)], [])


@pytest.mark.parametrize("kind", ["black", "nearly black", "one pixel", "two rows"])
def test_where_there_is_nothing_to_see_nothing_is_alike(kind: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 3 if kind == "nearly black" else 256, (300, 6, 7, 3), dtype=np.uint8)
    images = np.zeros_like(images) if kind == "black" else images[:, :1, :1] if kind == "one pixel" else images
    images = images[:2] if kind == "two rows" else images
    assert looked(images, np.arange(len(images)) % 2).near == []


def test_a_heap_of_like_pictures_gives_a_pair_for_each_at_most() -> None:
    train = Digits().fetch().train
    heap = [noisy(train.images[0] // 2 + shade) for shade in range(0, 60, 2)]
    found = looked(np.array(heap), np.arange(30) % 2).near
    rows = [row for pair in found for row in pair[:2]]
    assert 10 <= len(found) <= 15
    assert len(rows) == len(set(rows))


def test_large_pictures_are_compared_by_some_of_their_pixels() -> None:
    large = np.kron(Digits().fetch().train.images[:40], np.ones((1, 30, 40, 1), np.uint8))
    images = np.concatenate([large, large[:1] // 2 + 9])
    labels = np.arange(41) % 3
    labels[40] = labels[0] + 1
    assert [pair[:2] for pair in looked(images, labels).near] == [(0, 40)]


def test_the_verdict_names_rows_and_files() -> None:
    found = Duplicates([Pair(0, 2, 1.0)], [Pair(1, 2, 0.99876)])
    labels, classes = np.array([0, 0, 1]), ("cat", "dog")
    told = found.told(labels, classes, ["a.png", "b.png", "c.png"])
    assert told["duplicates"] == [{"rows": [0, 2], "files": ["a.png", "c.png"], "labels": ["cat", "dog"], "alike": 1.0}]
    assert told["near_duplicates"][0]["alike"] == 0.9988
    assert found.told(labels, classes, [])["near_duplicates"][0]["files"] == ["", ""]
