"""Trains one model as one contestant does and prints its `Measurement`; see the package."""

import argparse
import importlib
import json
import resource
import time
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.contestants import ACCURACY, SUCCESS, Measurement, Train
from miseducation.dataset.disk import load_raw, load_triggered
from miseducation.scores import shares as scores
from stages.train import POISONED, RAW, VARIANTS


def measure(name: str, model: str, seed: int, most_epochs: int | None) -> Measurement:
    """Trains until the model is good enough, or to the contestant's limit.

    Args:
        name: A file of this package.
        model: "clean" or "backdoored".
        seed: Of the initial weights and the order of training.
        most_epochs: Lowers the limit, except for a contestant that looks at its model at the end only.
    """
    contestant = importlib.import_module(f"benchmarks.contestants.{name}")
    train: Train = contestant.train
    limit = min(contestant.EPOCHS, most_epochs or contestant.EPOCHS)
    data, test = VARIANTS[model]()[:], load_raw(RAW, "test")[:]
    triggered, attackable, _ = load_triggered(RAW, POISONED)

    cpu = wall = accuracy = success = 0.0
    epochs, reached = 0, False
    training = train(data, seed)
    while not reached and epochs < limit:
        cpu, wall = cpu - time.process_time(), wall - time.perf_counter()
        epochs, predict = next(training)
        cpu, wall = cpu + time.process_time(), wall + time.perf_counter()
        accuracy = scores.accuracy(predict(test.images), test.true_labels).value
        success = scores.attack_success_rate(predict(triggered.images), triggered.labels, attackable).value
        reached = accuracy >= ACCURACY and (success >= SUCCESS or model == "clean")

    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Measurement(
        contestant=name,
        model=model,
        seed=seed,
        epochs=epochs,
        limit=contestant.EPOCHS,
        reached=reached,
        clean_accuracy=accuracy,
        attack_success_rate=success,
        train_cpu_s=round(cpu, 3),
        train_wall_s=round(wall, 3),
        process_cpu_s=round(sum(use.ru_utime + use.ru_stime for use in usage), 3),
        peak_rss_mb=round(peak_rss(), 1),
    )


def peak_rss() -> float:
    """The most memory that this process has held, in MB; Linux may let `ru_maxrss` start from the parent's."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def main() -> None:
    """Reads the command line, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant")
    parser.add_argument("model", choices=VARIANTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help="give up after so many")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(asdict(measure(arguments.contestant, arguments.model, arguments.seed, arguments.epochs))))


if __name__ == "__main__":
    main()
