from dataclasses import replace

import numpy as np
import pytest

from miseducation.defences import Evidence, LabelSpreading
from miseducation.defending.evidence import Trusted
from miseducation.defending.trial import detect
from miseducation.scores.detection import Truth, scores
from tests.defences.poisoned import digits
from tests.defences.textures import textures

WRONG = np.array([7, 20, 33, 55])


def coloured() -> Evidence:
    """Three kinds of textures, four rows of which have a wrong label; the second half is trusted."""
    images, kinds = textures(120)
    labels = kinds.copy()
    labels[WRONG] = (kinds[WRONG] + 1) % 3
    trusted = Trusted(images[60:], kinds[60:])
    return Evidence(images, labels, tuple("abc"), 1, trusted=trusted)


def test_wrong_labels_are_the_worst_in_colour() -> None:
    found = LabelSpreading(words=20, components=8, neighbours=5).suspect(coloured())
    assert set(np.argsort(-found)[: len(WRONG)]) == set(WRONG)


def test_given_labels_have_no_part_in_what_gets_to_a_row() -> None:
    """The suspicion of the others is the same whatever the label of one."""
    given = coloured()
    right = replace(given, labels=np.where(np.isin(np.arange(120), WRONG), np.arange(120) % 3, given.labels))
    defence, others = LabelSpreading(words=20, components=8, neighbours=5), np.setdiff1d(np.arange(120), WRONG)
    np.testing.assert_array_equal(defence.suspect(given)[others], defence.suspect(right)[others])


def test_nothing_is_known_of_a_class_without_trusted_rows() -> None:
    given = coloured()
    images, labels = given.the_trusted()
    given = replace(given, trusted=Trusted(images[labels < 2], labels[labels < 2]))
    found = LabelSpreading(words=20, components=8).suspect(given)
    assert not found[given.labels == 2].any()


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_the_threshold_is_what_a_share_of_clean_rows_exceeds(share: float) -> None:
    case = digits()
    flagged = detect(LabelSpreading(share=share), case.evidence).flagged
    assert abs(flagged[~case.poison].mean() - share) < share / 2


def test_on_digits() -> None:
    case = digits()
    detection = detect(LabelSpreading(), case.evidence)
    figures = scores(*detection, Truth(case.poison, ~case.poison))
    assert figures["auroc"] > 0.99, figures
    assert figures["true_positive_rate"] > 0.9, figures
    assert figures["false_positive_rate"] < 0.04, figures
