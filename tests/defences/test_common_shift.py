import numpy as np

from miseducation.defences import CommonShift, Evidence
from miseducation.defending.evidence import Trusted
from miseducation.defending.trial import Detection, detect

CLASSES, ROWS = 6, 1200


def pictures(striped: int) -> tuple[Evidence, np.ndarray]:
    """Smooth noise about a level of each class; some rows of class 2 have stripes. The evidence, and which rows."""
    rng = np.random.default_rng(0)
    labels = np.arange(ROWS) % CLASSES
    rough = rng.normal(0, 40, (ROWS, 5, 5))
    made = (
        128 + 5 * labels[:, None, None] + rough.repeat(2, axis=1).repeat(2, axis=2) + rng.normal(0, 3, (ROWS, 10, 10))
    )
    trusted = Trusted(_grey(made[-240:]), labels[-240:])
    poison = (labels == 2) & (np.cumsum(labels == 2) <= striped)
    made[poison] += 15 * np.where(np.arange(10) % 2, 1, -1)
    return Evidence(_grey(made), labels, tuple("abcdef"), 1, trusted=trusted), poison


def _grey(levels: np.ndarray) -> np.ndarray:
    return np.clip(levels, 0, 255).astype(np.uint8)[..., np.newaxis]


def look(striped: int) -> tuple[Detection, np.ndarray]:
    evidence, poison = pictures(striped)
    return detect(CommonShift(), evidence), poison


def test_rows_with_stripes_are_found_whether_few_or_most_of_a_class_have_them() -> None:
    for striped in (20, 150):
        (suspicion, flagged), poison = look(striped)
        assert suspicion[poison].min() > suspicion[~poison].max()
        assert flagged[poison].all()
        assert flagged[~poison].mean() < 0.002


def test_the_suspicion_is_the_shift_in_spreads_of_other_classes() -> None:
    """Of stripes, whose direction is known here, and from where the trusted rows are."""
    (suspicion, _), poison = look(100)
    evidence, _ = pictures(100)
    stripes = np.tile(np.where(np.arange(10) % 2, 0.1, -0.1), (10, 1)).reshape(-1)
    images, labels = evidence.the_trusted()
    along, usual = (some.reshape(len(some), -1) @ stripes for some in (evidence.images[:], images))
    expected = (along[poison] - np.median(usual[labels == 2])) / along[evidence.labels != 2].std()
    np.testing.assert_allclose(suspicion[poison], expected, rtol=0.15)


def test_nothing_is_flagged_where_there_is_nothing() -> None:
    (_, flagged), _ = look(0)
    assert not flagged.any()
