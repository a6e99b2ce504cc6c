"""Traffic signs as a car's camera sees them: rendered from a seed, offline.

They imitate the German Traffic Sign Recognition Benchmark, GTSRB: crops of 32×32 pixels with the sign and a rim around
it, signs that were small or far away, classes up to ten times as frequent as others, and light, weather, blur and
damage as they come. All is drawn by this project; nothing is taken from there.

Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer, 2012, https://doi.org/10.1016/j.neunet.2012.02.016
Houben et al.: Detection of traffic signs in real-world images, 2013, https://doi.org/10.1109/IJCNN.2013.6706807
"""

import hashlib
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import TypeAlias, final

import numpy as np
from pydantic import Field

from stages.dataset import clean
from stages.datasets import Fetched, Source
from stages.datasets._sign_camera import photograph
from stages.datasets._sign_faces import draw_face

Task: TypeAlias = tuple[np.ndarray, int, int, int, np.ndarray]
Rendered: TypeAlias = tuple[np.ndarray, np.ndarray]
VERSION = 1  # of the drawing: it is to change when the same knobs give other pictures
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
SPLITS = ("train", "test")
CHUNK = 500  # rows that a process renders at a time


@final
class Signs(Source):
    """Rendered traffic signs, 32×32 in colour, with the box around each: 16 classes."""

    seed: int = Field(1, ge=0, lt=2**63, description="draws the pictures, a whole number, 0 or more")
    train_rows: int = Field(20_000, ge=200, le=1_000_000, description="training rows, 200 to 1000000")
    test_rows: int = Field(4_000, ge=200, le=1_000_000, description="test rows, 200 to 1000000")

    def fetch(self) -> Fetched:
        """See `Source.fetch`. A picture depends on the seed, the split, its row and its label, and on nothing else.

        It starts processes, so a script has to call it under `if __name__ == "__main__":`.
        """
        labels = [_labels(self.seed, split, rows) for split, rows in enumerate((self.train_rows, self.test_rows))]
        rendered = _render_all(self.seed, labels)
        train, test = (
            clean(images, wanted, list(FREQUENCIES), boxes)
            for wanted, (images, boxes) in zip(labels, rendered, strict=True)
        )
        arrays = {
            f"{split}_{name}": array
            for split, wanted, (images, boxes) in zip(SPLITS, labels, rendered, strict=True)
            for name, array in (("images", images), ("labels", wanted), ("boxes", boxes))
        }
        source = {
            "origin": f"rendered by Miseducation, version {VERSION} of its traffic signs",
            "licence": "MIT",
            "sha256": {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in arrays.items()},
        }
        return Fetched(train, test, source)


def _labels(seed: int, split: int, rows: int) -> np.ndarray:
    """Labels in the proportions of `FREQUENCIES`, in an order of the seed's: int64 `[rows]`."""
    ends = np.cumsum(list(FREQUENCIES.values())) / sum(FREQUENCIES.values())
    labels = np.searchsorted(np.rint(ends * rows), np.arange(rows), side="right")
    return np.random.default_rng([seed, split]).permutation(labels)


def _render_all(seed: int, labels: list[np.ndarray]) -> list[Rendered]:
    """Renders the splits with these labels; takes all cores for more than a few chunks."""
    from tqdm import tqdm

    faces = np.stack([draw_face(name) for name in FREQUENCIES])
    tasks = [
        (faces, seed, split, start, wanted[start : start + CHUNK])
        for split, wanted in enumerate(labels)
        for start in range(0, len(wanted), CHUNK)
    ]
    rendered: list[list[Rendered]] = [[] for _ in labels]
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=sum(map(len, labels)), desc="render traffic signs", unit="image"))
        results: Iterator[Rendered] = map(render, tasks)
        if len(tasks) > 4:
            # New processes, not forked ones, which would inherit locks that a thread may hold.
            context = multiprocessing.get_context("spawn")
            results = stack.enter_context(ProcessPoolExecutor(min(os.cpu_count() or 1, 16), context)).map(render, tasks)
        for task, result in zip(tasks, results, strict=True):
            rendered[task[2]].append(result)
            bar.update(len(result[0]))
    return [
        (np.concatenate(images), np.concatenate(boxes))
        for images, boxes in (zip(*each, strict=True) for each in rendered)
    ]


def render(task: Task) -> Rendered:
    """Renders some consecutive rows of a split, in whichever process.

    Args:
        task: The faces, uint8 `[K, s, s, 4]`; the seed; the split's number, 0 is for training and 1 for the test; the
            first row's number; and the rows' labels, int64 `[n]`.

    Returns:
        Images, uint8 `[n, 32, 32, 3]`, and boxes, float32 `[n, 4, 2]`.
    """
    faces, seed, split, start, labels = task
    pictures = [
        photograph(faces[label], np.random.default_rng([seed, split, row]))
        for row, label in enumerate(labels.tolist(), start)
    ]
    return np.stack([picture.image for picture in pictures]), np.stack([picture.box for picture in pictures])
