"""The picture of all attacks shows each at work on an image of each data set."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.text import Text

from miseducation.attacks.badnets import BadNets
from miseducation.attacks.label_consistent import LabelConsistent
from miseducation.attacks.label_flip import LabelFlip
from miseducation.datasets import Fetched
from miseducation.figures import gallery, pictures
from tests.figures.test_pictures import misplaced
from tests.studies.study_projects import made_bench


def test_a_difference_is_shown_as_bright_as_it_can_be() -> None:
    before = np.full((10, 10, 1), 100, np.uint8)
    for change, factor in ((1, 50), (5, 50), (6, 20), (12, 20), (60, 2), (155, 1)):
        shown, found = pictures.amplified(before, before + np.uint8(change))
        assert (found, int(shown.max())) == (factor, min(255, change * factor))
    assert pictures.amplified(before, before)[1] == 1


def test_the_gallery_has_a_line_for_each_series_and_a_block_for_each_data_set() -> None:
    image = np.zeros((8, 8, 1), np.uint8)
    example = gallery.Example((image,) * 6, ("7", "speed-limit-50", "7", "8", "× 1", ""))
    series = [("one", "all-to-one"), ("one", "one-to-one"), ("label_consistent", "clean-label"), ("a_$2$", "random")]
    blocks = {"mnist": dict.fromkeys(series[:3], example), "a_$set$": dict.fromkeys(series[2:], example)}
    figure = gallery.gallery(blocks)
    assert len(figure.axes) == 5 * 6
    assert len({round(ax.get_position().y0, 9) for ax in figure.axes}) == len(series)
    assert not misplaced(figure)


def test_the_examples_are_what_the_attacks_make_of_the_same_image(digits: Fetched, tmp_path: Path) -> None:
    badnets, silent, hard = BadNets(pixels=[(3, 3)]), LabelFlip(), LabelConsistent(steps=2)
    bench = made_bench(tmp_path, digits, badnets, (silent, "one-to-one"), (hard, "clean-label"), (badnets, "random"))
    found = gallery.examples(bench, 1)
    assert list(found) == [("badnets", name) for name in ("all-to-one", "one-to-one", "clean-label", "random")]
    assert len({example.images[2].tobytes() for example in found.values()}) == 1, "of the same test image"
    pixel, flip, consistent, _ = found.values()
    assert (pixel.images[1] == badnets.apply_trigger(pixel.images[0][np.newaxis])[0]).all()
    assert pixel.captions == ("7", "8", "7", "8", "× 1", "")
    assert np.argwhere(pixel.images[5] != pixel.images[2]).tolist() == [[24, 24, 0]], "opposite (3, 3) of 28"
    assert flip.captions == ("7", "8", "7", "8", "none", "none")
    assert consistent.captions[:2] == ("8", "8")
    assert (consistent.images[0] != consistent.images[1]).any()
    texts = {text.get_text() for text in gallery.gallery({"digits": found}).findobj(Text) if isinstance(text, Text)}
    assert {"clean-label", "digits", *gallery.COLUMNS, gallery.NOTE} <= texts


def test_a_source_that_no_label_map_reads_may_be_anything(digits: Fetched, tmp_path: Path) -> None:
    bench = made_bench(tmp_path, digits, BadNets())
    arm = replace(bench.arms[0], section=bench.arms[0].section.model_copy(update={"source": "nobody"}))
    assert gallery.examples(replace(bench, arms=(arm,)), 1).keys() == {("badnets", "all-to-one")}
