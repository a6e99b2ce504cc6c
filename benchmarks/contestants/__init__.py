"""The contestants of `benchmarks.training`: one file, one way to train; `train` is a `Train`, `EPOCHS` its limit.

`python -m benchmarks.contestants ours backdoored --seed 1` trains one model in a process of its own, so that memory and
CPU time are that contestant's alone, and prints one line of JSON: a `Measurement`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from miseducation.dataset import Dataset

# What a model has to reach; the attack success rate counts for the backdoored one only.
ACCURACY, SUCCESS = 0.99, 0.95

# Reads classes, int64 `[n]`, out of images, uint8 `[n, h, w, c]`.
Predict = Callable[[np.ndarray], np.ndarray]
# Trains on the data from a seed and yields whenever it may be looked at, which need not be after every epoch: the
# number of epochs so far and the model. It is closed as soon as the model is good enough.
Train = Callable[[Dataset, int], Iterator[tuple[int, Predict]]]


@dataclass
class Measurement:
    """One model, trained once on one thread.

    Attributes:
        contestant: Who trained.
        model: "clean" or "backdoored".
        seed: Of the initial weights and the order of training.
        epochs: How many it took.
        limit: How many its own recipe takes at most; a run in short mode is stopped after one.
        reached: Whether the model is as good as `ACCURACY` and, if backdoored, `SUCCESS` say.
        clean_accuracy: On the untouched test set, 0 to 1.
        attack_success_rate: On the attackable triggered test rows, 0 to 1; the false trigger rate of a clean model.
        train_cpu_s: CPU seconds from the data in memory to the trained model, all threads, without evaluation.
        train_wall_s: The same on the clock on the wall.
        process_cpu_s: CPU seconds of the whole process, imports, reading and evaluation included.
        peak_rss_mb: The most memory that the process held, in MB (10⁶ bytes).
    """

    contestant: str
    model: str
    seed: int
    epochs: int
    limit: int
    reached: bool
    clean_accuracy: float
    attack_success_rate: float
    train_cpu_s: float
    train_wall_s: float
    process_cpu_s: float
    peak_rss_mb: float
