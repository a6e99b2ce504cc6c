"""A look at single images must tell what was answered to which of them, and find what a model looks at."""

import numpy as np
import pytest

from miseducation.dataset import Dataset, clean
from miseducation.scores import looking

CLASSES = ["a", "b", "NA"]
PLACE = 5, 9


def reads_a_pixel(images: np.ndarray) -> np.ndarray:
    """Is as sure of the last class as the pixel at `PLACE` is bright, else of the first."""
    bright = images[:, *PLACE, 0] / np.float32(255)
    return np.stack([1 - bright, np.zeros_like(bright), bright], axis=1)


def both(rows: int = 30, shape: tuple[int, int, int] = (12, 20, 3)) -> tuple[Dataset, Dataset]:
    rng = np.random.default_rng(0)
    test = clean(rng.integers(1, 99, (rows, *shape), dtype=np.uint8), rng.integers(0, 3, rows), CLASSES)
    images = test.images.copy()
    images[:, *PLACE] = 255
    labels = np.full(rows, 2)
    return test, Dataset(images, labels, test.true_labels, np.ones(rows, bool), test.classes)


def test_answers_stand_beside_the_image_and_the_model_that_gave_them() -> None:
    test, triggered = both()
    attackable = test.true_labels != 2
    table, maps = looking.look(
        test, triggered, attackable, {"one": reads_a_pixel, "other": lambda x: reads_a_pixel(255 - x)}
    )
    rows = table["row"].unique()
    assert set(test.true_labels[rows]) == {0, 1}
    assert len(rows) == looking.SHOWN, "few classes leave room for more of each"
    assert len(table) == 4 * len(rows)
    for line in table.to_dict("records"):
        image = (triggered if line["image"] == "triggered" else test).images[line["row"]]
        told = reads_a_pixel(image[None] if line["model"] == "one" else 255 - image[None])[0]
        assert line["true_label"] == CLASSES[test.true_labels[line["row"]]]
        assert (line["wanted"], line["read_as"]) == ("NA", CLASSES[told.argmax()])
        names = "probability", "of_true_label", "of_wanted"
        assert [line[name] for name in names] == [told.max(), told[test.true_labels[line["row"]]], told[2]]
    assert maps.keys() == {"one", "other"}
    for found, row in zip(maps["one"], rows[: looking.LOOKED_INTO], strict=True):
        np.testing.assert_array_equal(found, looking.occlusion(reads_a_pixel, triggered.images[row]))


def test_many_classes_are_shown_evenly_and_none_is_no_mistake() -> None:
    labels = np.arange(100) // 2
    rows = looking.examples(labels, np.ones(100, bool), 6)
    assert list(labels[rows]) == [0, 10, 20, 29, 39, 49]
    test, triggered = both()
    table, maps = looking.look(test, triggered, np.zeros(30, bool), {"one": reads_a_pixel})
    assert len(table) == len(maps["one"]) == 0


@pytest.mark.parametrize("shape", [(12, 20, 3), (6, 10, 1), (61, 40, 3)])
def test_covering_what_a_model_looks_at_costs_it_its_certainty(shape: tuple[int, int, int]) -> None:
    image = both(1, shape)[1].images[0]
    found = looking.occlusion(reads_a_pixel, image)
    cell = looking.cell_of(image)
    assert max(found.shape) <= looking.CELLS
    assert found.shape == tuple(-(-side // cell) for side in shape[:2])
    at = PLACE[0] // cell, PLACE[1] // cell
    assert found.max() == found[at] > 0.5
    near = np.abs(np.indices(found.shape) - np.array(at)[:, None, None]).max(axis=0) <= 1
    assert not found[~near].any()
