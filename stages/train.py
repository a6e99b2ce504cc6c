"""train: fits one network to the clean or the poisoned training set; everything but the data is the same."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, ValidationInfo, field_validator

from stages import command, parts, ranks
from stages.command import InputError
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import Dataset, load_poisoned, load_raw
from stages.images import Images
from stages.params import Section, read, read_seed

if TYPE_CHECKING:
    import torch

    from stages.fitting import Epoch
    from stages.networks import Network

RAW, POISONED = Path("data/raw"), Path("data/poisoned")
# Which training set each variant of the model learns from.
VARIANTS = {"clean": lambda: load_raw(RAW, "train"), "backdoored": lambda: load_poisoned(RAW, POISONED)}


class TrainSection(Section):
    """The section `train`."""

    network: str = Field(description="a file of stages/networks, without .py")
    epochs: int = Field(ge=1, le=10_000, description="passes over the training rows, 1 to 10000")
    batch_size: int = Field(ge=2, le=1_000_000, description="rows per step, 2 to 1000000")
    learning_rate: float = Field(gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")
    label_smoothing: float = Field(ge=0, lt=1, description="share of a label spread over all classes, 0 to below 1")
    processes: int = Field(1, ge=1, le=1024, description="processes that share each batch, 1 to 1024")

    @field_validator("processes")
    @classmethod
    def _share_a_batch(cls, processes: int, others: ValidationInfo) -> int:
        if others.data.get("batch_size", 2 * processes) < 2 * processes:
            raise ValueError(f"batch_size must be {2 * processes} or more, two rows for each process")
        return processes


def learn(
    section: TrainSection,
    data: Dataset | Dataset[Images],
    *,
    seed: int,
    device: "torch.device",
    precision: "torch.dtype",
    progress: "Callable[[Epoch], None]" = lambda _: None,
) -> "tuple[Network, list[Epoch]]":
    """Builds the network and fits it to `data`; returns it with its history."""
    import torch

    from stages import fitting, networks

    network = networks.build(section.network, data.images.shape[1:], len(data.classes), seed=seed)
    knobs = section.model_dump(exclude={"network", "processes"})  # named as `fit`'s arguments are
    rng = torch.Generator().manual_seed(seed)
    return network, fitting.fit(network, data, **knobs, device=device, precision=precision, rng=rng, progress=progress)


def main() -> None:
    """Reads `params.yaml` and the data; writes `models/<variant>` and `metrics/<variant>/history.csv`.

    With several processes all of them come through here: the one that starts the others, and each of those.
    """
    ranks.end_with_starter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=VARIANTS)
    variant = parser.parse_args().variant
    section, seed = read(TrainSection, "train"), read_seed()
    parts.check_name("networks", section.network, "train.network")
    compute = read(ComputeSection, "compute")
    device, data = set_up(compute), VARIANTS[variant]()

    from stages import distributed

    processes = ranks.count() or section.processes
    for name, rows in (("train.batch_size", section.batch_size), ("the training set", len(data))):
        if rows < 2 * processes:
            raise InputError(f"{name} has {rows} rows; {processes} processes need {2 * processes}, two for each")
    distributed.check_device(device, ranks.local_count() or processes)
    if processes > 1 and not ranks.count():
        ranks.start("-m", "stages.train", variant, processes=processes)
        return
    with distributed.joined(device) as own:
        knobs = section.model_dump_json(exclude={"processes"})
        distributed.check_same(f"{variant} {seed} {knobs}".encode() + data.labels.tobytes(), own)
        _train(variant, section, data, seed=seed, device=own, compute=compute)


def _train(
    variant: str,
    section: TrainSection,
    data: Dataset[Images],
    *,
    seed: int,
    device: "torch.device",
    compute: ComputeSection,
) -> None:
    import pandas as pd
    from tqdm import tqdm

    from stages import networks
    from stages.files import replacing, write_json

    first = ranks.number() == 0
    with tqdm(total=section.epochs, desc=f"train {variant} on {device}", unit="epoch", disable=not first) as bar:

        def show(epoch: "Epoch") -> None:
            bar.set_postfix(loss=f"{epoch.loss:.4f}", accuracy=f"{epoch.accuracy:.4f}", refresh=False)
            bar.update()

        chosen, start = precision(compute, device), time.perf_counter()
        network, history = learn(section, data, seed=seed, device=device, precision=chosen, progress=show)
        seconds = time.perf_counter() - start
    if not first:
        return

    networks.save(network, Path("models") / variant)
    # What "auto" came to on this machine, and how many processes there really were.
    computed = {
        "device": device.type,
        "precision": str(chosen).removeprefix("torch."),
        "threads": compute.threads,
        "processes": ranks.count() or 1,
    }
    write_json(Path("models") / variant / "training.json", computed)
    with replacing(Path("metrics") / variant / "history.csv") as partial:
        pd.DataFrame(history).to_csv(partial, index=False, lineterminator="\n")
    print(f"{variant}: {section.epochs} epochs in {seconds:.2f} s ({device.type}, {computed['precision']})")


if __name__ == "__main__":
    command.run(main)
