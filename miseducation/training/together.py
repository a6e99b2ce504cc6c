"""Trains one model in as many processes as `train.processes`, or torchrun, says; with a progress bar."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from miseducation.dataset import Dataset, Images
from miseducation.errors import InputError
from miseducation.training import ranks
from miseducation.training.compute import ComputeSection, machine, precision, set_up
from miseducation.training.learning import TrainSection, learn, unwatched

if TYPE_CHECKING:
    from miseducation.networks import Network
    from miseducation.training.fitting import Epoch


class Trained(NamedTuple):
    """A model, and how it came about.

    Attributes:
        network: On its device, in evaluation mode.
        history: A row per epoch.
        computed: What "auto" came to on this machine, how many processes there really were, and what it all ran on.
        seconds: Of the training, by the clock on the wall.
    """

    network: "Network"
    history: "list[Epoch]"
    computed: dict[str, Any]
    seconds: float


def train(
    section: TrainSection,
    compute: ComputeSection,
    data: Dataset[Images],
    *,
    seed: int,
    title: str,
    command: Sequence[str],
    watch: "Callable[[Network, int, int], None]" = unwatched,
) -> Trained | None:
    """Trains a model, which the progress bar calls by its title, alone or as one of several processes.

    Another process comes to this very call by `python` with the command as its arguments. The first one has the bar,
    and watches, see `fitting.fit`.

    Returns:
        The model; None where another process has it: in all but the first, and in one that started others.

    Raises:
        InputError: If there are too few rows or devices for the processes.
    """
    device = set_up(compute)

    from tqdm import tqdm

    from miseducation.training import distributed

    processes = ranks.count() or section.processes
    for name, rows in (("train.batch_size", section.batch_size), ("the training set", len(data))):
        if rows < 2 * processes:
            raise InputError(f"{name} has {rows} rows; {processes} processes need {2 * processes}, two for each")
    distributed.check_device(device, ranks.local_count() or processes)
    if processes > 1 and not ranks.count():
        ranks.start(*command, processes=processes)
        return None
    first = ranks.number() == 0
    with distributed.joined(device) as own:
        knobs = section.model_dump_json(exclude={"processes"})
        distributed.check_same(f"{title} {seed} {knobs}".encode() + data.labels.tobytes(), own)
        chosen, start = precision(compute, own), time.perf_counter()
        hidden = None if first else True  # where there is no terminal, or always
        with tqdm(total=section.epochs, desc=f"train {title} on {own}", unit="epoch", disable=hidden) as bar:

            def show(epoch: "Epoch") -> None:
                bar.set_postfix(loss=f"{epoch.loss:.4f}", accuracy=f"{epoch.accuracy:.4f}", refresh=False)
                bar.update()

            watch = watch if first else unwatched
            network, history = learn(section, data, seed=seed, device=own, precision=chosen, progress=show, watch=watch)
        seconds = time.perf_counter() - start
    if not first:
        return None
    computed = {
        "device": own.type,
        "precision": str(chosen).removeprefix("torch."),
        "threads": compute.threads,
        "processes": ranks.count() or 1,
        **machine(own),
    }
    return Trained(network, history, computed, seconds)
