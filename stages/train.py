"""train: fits one network to the clean or the poisoned training set; everything but the data is the same."""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from miseducation.check import check_params
from miseducation.dataset import Dataset, Images
from miseducation.dataset.disk import load_poisoned, load_raw, load_triggered_test
from miseducation.project import command
from miseducation.project.files import write_csv, write_json
from miseducation.project.params import read, read_seed
from miseducation.training import ranks, together
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection
from miseducation.training.watching import Watch

RAW, POISONED, MODELS, METRICS = Path("data/raw"), Path("data/poisoned"), Path("models"), Path("metrics")
# Which training set each variant of the model learns from.
VARIANTS = {"clean": lambda: load_raw(RAW, "train"), "backdoored": lambda: load_poisoned(RAW, POISONED)}


def unseen(variant: str) -> tuple[Dataset[Images], np.ndarray]:
    """What the training set teaches to read, in test images, and the rows that tell: the clean one knows no trigger."""
    if variant == "backdoored":
        triggered, attackable = load_triggered_test(RAW, POISONED)
        return triggered, np.flatnonzero(attackable)
    test = load_raw(RAW, "test")
    return test, np.arange(len(test))


def main() -> None:
    """Reads `params.yaml` and the data; writes `models/<variant>`, and what came of each epoch to `metrics/<variant>`.

    With several processes all of them come through here: the one that starts the others, and each of those.
    """
    ranks.end_with_starter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    variant = parser.parse_args().variant
    section, seed, compute = read(TrainSection, "train"), read_seed(), read(ComputeSection, "compute")
    data, again = VARIANTS[variant](), ("-m", "stages.train", variant)
    watch = Watch(*unseen(variant), rows=len(data), epochs=section.epochs, seed=seed)
    trained = together.train(section, compute, data, seed=seed, title=variant, command=again, watch=watch)
    if trained is None:  # another process has it
        return
    ended = datetime.now(UTC)

    import pandas as pd

    from miseducation import networks

    networks.save(trained.network, MODELS / variant)
    write_json(MODELS / variant / "training.json", trained.computed)
    began = ended - timedelta(seconds=trained.seconds)
    write_json(METRICS / variant / "timing.json", {"began": began.isoformat(), "seconds": trained.seconds})
    write_csv(METRICS / variant / "history.csv", pd.DataFrame(trained.history))
    write_csv(METRICS / variant / "learnt.csv", pd.DataFrame(watch.moments))
    computed = "({device}, {precision})".format(**trained.computed)
    print(f"{variant}: {section.epochs} epochs in {trained.seconds:.2f} s {computed}")


if __name__ == "__main__":
    command.run(main, check=check_params)
