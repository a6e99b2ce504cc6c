import numpy as np
import pytest

from miseducation.dataset import Images
from miseducation.defences import Evidence, InputDetector
from miseducation.defending.evidence import Trusted


class Nearest(InputDetector):
    """Suspicion is how far off the nearest trusted image of one pixel is; it notes whom it was asked about."""

    needs = ("trusted",)

    def suspect_inputs(self, images: np.ndarray | Images, evidence: Evidence) -> np.ndarray:
        known, asked = (np.asarray(part)[:, 0, 0, 0].astype(float) for part in (evidence.the_trusted().images, images))
        ASKED.append((asked, known, evidence.the_trusted().labels))
        return np.abs(asked[:, np.newaxis] - known).min(axis=1)


ASKED: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []


def evidence(levels: np.ndarray, labels: np.ndarray) -> Evidence:
    images = levels.astype(np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    return Evidence(images[:0], labels[:0], ("a", "b"), 1, trusted=Trusted(images, labels))


def test_a_threshold_comes_from_trusted_rows_that_others_of_them_judge() -> None:
    ASKED.clear()
    levels, labels = np.arange(0, 250, 2), np.arange(125) // 100  # 100 of one class, 25 of the other

    threshold = Nearest().threshold(evidence(levels, labels))

    assert 2 <= threshold < 12, "a row that judges itself would be at distance 0"
    assert len(ASKED) == 5
    assert sorted(np.concatenate([asked for asked, *_ in ASKED])) == levels.tolist()
    for asked, known, kinds in ASKED:
        assert sorted([*asked, *known]) == levels.tolist()
        assert np.bincount(kinds).tolist() == [80, 20]


def test_a_hundredth_of_trusted_rows_is_above_it() -> None:
    ASKED.clear()
    levels = np.concatenate([np.repeat(np.arange(50), 10)[:497], [100, 150, 240]])  # three that are far from all

    threshold = Nearest().threshold(evidence(levels, np.zeros(500, np.int64)))

    found = np.concatenate([np.abs(asked[:, np.newaxis] - known).min(axis=1) for asked, known, _ in ASKED])
    assert (found > threshold).sum() <= 5
    assert threshold == sorted(found)[494]


@pytest.mark.parametrize("rows", [2, 3, 7])
def test_few_trusted_rows_have_a_threshold(rows: int) -> None:
    assert Nearest().threshold(evidence(np.arange(rows), np.zeros(rows, np.int64))) >= 1
