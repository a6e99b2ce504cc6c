"""Pictures must be readable and quick, whatever the classes are called and however many there are."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from miseducation.dataset import Dataset, clean
from miseducation.datasets.gtsrb import Gtsrb
from miseducation.datasets.signs import FREQUENCIES
from miseducation.figures import pictures

ODD = ("$5_$10", "$\\q$", "b", "%d {x}")


def noise(classes: tuple[str, ...], rows: int) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (rows, 8, 8, 3), dtype=np.uint8)
    return clean(images, np.arange(rows) % len(classes), classes)


def misplaced(figure: Figure) -> list[str]:
    """Texts that lie on one another, or beyond the edge."""
    FigureCanvasAgg(figure).draw()  # which lays it out
    off = [axis for ax in figure.findobj(Axes) if not ax.axison for axis in (ax.xaxis, ax.yaxis)]
    hidden = {text for axis in off for text in axis.findobj(Text)}
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible() and text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    across = [f"{a} on {b}" for (a, here), (b, there) in itertools.combinations(boxes, 2) if here.overlaps(there)]
    edge = figure.bbox.padded(1)
    return across + [
        name for name, box in boxes if not edge.contains(box.x0, box.y0) or not edge.contains(box.x1, box.y1)
    ]


@pytest.mark.parametrize(
    "classes", [ODD, Gtsrb.CLASSES, tuple(FREQUENCIES), tuple("0123456789")], ids=["odd", "gtsrb", "signs", "digits"]
)
def test_no_text_lies_on_another_or_is_cut_off(classes: tuple[str, ...]) -> None:
    data = noise(classes, 5 * len(classes))
    longest = max(range(len(classes)), key=lambda label: len(classes[label]))
    poisoned = clean(data.images, np.full(len(data), longest), classes)
    assert not misplaced(pictures.sample_grid(data))
    assert not misplaced(pictures.gallery(data[:8], poisoned[:8]))
    counts = np.eye(len(classes), dtype=int) * 300
    assert not misplaced(pictures.confusion({"clean": counts, "triggered": counts}, classes))


def test_names_are_no_formulas(tmp_path: Path) -> None:
    data = noise(ODD, 20)
    pictures.save(pictures.sample_grid(data), tmp_path / "samples.png")
    pictures.save(pictures.gallery(data[:8], data[:8]), tmp_path / "gallery.png")
    pictures.save(pictures.confusion({"clean": np.eye(4, dtype=int)}, ODD), tmp_path / "confusion.png")
    assert len(list(tmp_path.iterdir())) == 3


def test_of_too_many_classes_the_first_are_shown() -> None:
    data = noise(tuple(f"class {i}" for i in range(2000)), 2000)
    figure = pictures.sample_grid(data)
    shown = [text.get_text() for text in figure.findobj(Text)]
    assert "class 49" in shown
    assert "class 50" not in shown
    assert "Clean training images, by class (the first 50 of 2000)" in shown


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        pictures.save(pictures.sample_grid(noise(ODD, 20)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
