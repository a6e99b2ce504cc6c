"""Traffic signs as a car's camera sees them: rendered from a seed, offline.

They imitate the German Traffic Sign Recognition Benchmark, GTSRB: crops of 32×32 pixels with the sign and a rim around
it, signs that were small or far away, classes up to ten times as frequent as others, and light, weather, blur and
damage as they come. All is drawn by this project; nothing is taken from there.

Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer, 2012, https://doi.org/10.1016/j.neunet.2012.02.016
Houben et al.: Detection of traffic signs in real-world images, 2013, https://doi.org/10.1109/IJCNN.2013.6706807
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TypeAlias, final

import numpy as np
from pydantic import Field

from miseducation.dataset import clean
from miseducation.datasets import Fetched, Source, record
from miseducation.datasets.drawing.camera import photograph
from miseducation.datasets.drawing.faces import draw_face

# The faces, uint8 [K, s, s, 4]; the seed; 0 for training or 1 for the test; the first row; and labels, int64 [n].
Task: TypeAlias = tuple[np.ndarray, int, int, int, np.ndarray]
Rendered: TypeAlias = tuple[np.ndarray, np.ndarray]  # images, uint8 [n, 32, 32, 3], and boxes, float32 [n, 4, 2]
VERSION = 1  # of the drawing: it is to change when the same knobs give other pictures
# SHA-256 of the code in `drawing`; a test tells it. DVC depends on this file, and cannot on a folder for one data set.
DRAWING = "fcd87f834ebbaf2249dd9deb2928318643d0ad1862999ad6845e1f062f26a2f7"
# How often each class occurs in GTSRB's training set; stop, which has 780 there, twice as often.
FREQUENCIES = {
    "stop": 1560,
    "yield": 2160,
    "no-entry": 1110,
    "priority-road": 2100,
    "speed-limit-30": 2220,
    "speed-limit-50": 2250,
    "speed-limit-70": 1980,
    "speed-limit-100": 1440,
    "no-overtaking": 1470,
    "ahead-only": 1200,
    "pedestrian-crossing": 240,
    "general-danger": 1200,
    "speed-limit-120": 1410,
    "keep-right": 2070,
    "roundabout": 360,
    "no-vehicles": 630,
}
CHUNK = 500  # rows that a process renders at a time


@final
class Signs(Source):
    """Rendered traffic signs, 32×32 in colour, with the box around each: 16 classes."""

    seed: int = Field(1, ge=0, lt=2**63, description="seed of the pictures, a whole number, 0 or more")
    train_rows: int = Field(20_000, ge=200, le=1_000_000, description="training rows, 200 to 1000000")
    test_rows: int = Field(4_000, ge=200, le=1_000_000, description="test rows, 200 to 1000000")

    def fetch(self) -> Fetched:
        """See `Source.fetch`. A picture depends on the seed, the split, its row and its label, and on nothing else.

        It starts processes, so a script has to call it under `if __name__ == "__main__":`.
        """
        labels = [_labels(self.seed, split, rows) for split, rows in enumerate((self.train_rows, self.test_rows))]
        images, boxes = _render_all(self.seed, labels)
        data = clean(images, np.concatenate(labels), list(FREQUENCIES), boxes)
        train, test = data[: self.train_rows], data[self.train_rows :]
        arrays = {
            f"{split}_{name}": getattr(each, name)
            for split, each in (("train", train), ("test", test))
            for name in ("images", "labels", "boxes")
        }
        origin = f"rendered by Miseducation, version {VERSION} of its traffic signs"
        return Fetched(train, test, record(origin, "MIT", arrays))


def _labels(seed: int, split: int, rows: int) -> np.ndarray:
    """Labels in the proportions of `FREQUENCIES`, in an order of the seed's: int64 `[rows]`."""
    ends = np.cumsum(list(FREQUENCIES.values())) / sum(FREQUENCIES.values())
    labels = np.searchsorted(np.rint(ends * rows), np.arange(rows), side="right")
    return np.random.default_rng([seed, split]).permutation(labels)


def _render_all(seed: int, labels: list[np.ndarray]) -> Rendered:
    """Renders the splits with these labels, one behind the other; takes all cores for more than a few chunks."""
    from tqdm import tqdm

    faces = np.stack([draw_face(name) for name in FREQUENCIES])
    tasks = [
        (faces, seed, split, start, wanted[start : start + CHUNK])
        for split, wanted in enumerate(labels)
        for start in range(0, len(wanted), CHUNK)
    ]
    rendered = []
    with ExitStack() as stack:
        total, what = sum(map(len, labels)), "render traffic signs"
        bar = stack.enter_context(tqdm(total=total, desc=what, unit="image", disable=None))
        results: Iterator[Rendered] = map(render, tasks)
        if len(tasks) > 4:
            # New processes, not forked ones, which would inherit locks that a thread may hold.
            context = multiprocessing.get_context("spawn")
            results = stack.enter_context(ProcessPoolExecutor(min(os.cpu_count() or 1, 16), context)).map(render, tasks)
        for result in results:
            rendered.append(result)
            bar.update(len(result[0]))
    images, boxes = zip(*rendered, strict=True)
    return np.concatenate(images), np.concatenate(boxes)


def render(task: Task) -> Rendered:
    """Renders some consecutive rows of a split, in whichever process."""
    faces, seed, split, start, labels = task
    pictures = [
        photograph(faces[label], np.random.default_rng([seed, split, row]))
        for row, label in enumerate(labels.tolist(), start)
    ]
    return np.stack([picture.image for picture in pictures]), np.stack([picture.box for picture in pictures])
