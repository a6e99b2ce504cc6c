"""Processes of this machine, one model each at a time."""

import os
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from tempfile import TemporaryDirectory
from typing import final

import joblib
import torch
from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from stages.cells import Bench
from stages.command import end_with
from stages.engines import Engine, Failure, Model, Result, attempt

GPU_MEMORY = 2**31  # bytes for one process on a GPU, beside its data: CUDA itself takes a quarter of it


@final
class Joblib(Engine):
    """As many processes as this one may use cores, or as fit into the memory of the GPU.

    Small networks keep neither a GPU nor its driver busy; several processes fill the gaps between each other's kernels,
    and compute what one alone would.
    """

    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        """See `Engine.run`. A process that dies takes no finished result with it; its model is tried again."""
        left, alone, processes = list(models), False, _processes(bench)
        with TemporaryDirectory(prefix="miseducation-") as folder:
            # Each process maps it once, instead of getting it with every model.
            joblib.dump(bench, path := f"{folder}/bench")
            while left:
                before = len(left)
                # When an attempt got nowhere, one model at a time shows which of them kills its process.
                for batch in [[model] for model in left] if alone else [left]:
                    try:
                        for model, result in _together(path, batch, processes):
                            left.remove(model)
                            yield model, result
                    except TerminatedWorkerError:
                        if alone:
                            left.remove(batch[0])
                            yield batch[0], Failure("its process died, perhaps for want of memory")
                            break
                alone = not alone and len(left) == before


def _together(path: str, models: Sequence[Model], processes: int) -> Iterator[tuple[Model, Result]]:
    workers = Parallel(
        # One model, when it is suspected, is not trained in our own process, as joblib would with one job.
        n_jobs=max(2, processes) if len(models) == 1 else processes,
        backend="loky",
        return_as="generator_unordered",
        batch_size=1,
        pre_dispatch="all",
        initializer=end_with,
        initargs=(os.getpid(),),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "A worker stopped", UserWarning)  # we try again
        yield from workers(delayed(_attempt)(path, model) for model in models)


def _attempt(path: str, model: Model) -> tuple[Model, Result]:
    return model, attempt(_load(path), model)


@cache
def _load(path: str) -> Bench:
    return joblib.load(path, mmap_mode="r")  # pickled by the driver, a moment ago, in a folder of its own


def _processes(bench: Bench) -> int:
    cores = max(1, cpu_count() // bench.compute.threads)
    if bench.compute.device != "cuda":
        return cores
    each = GPU_MEMORY + 2 * bench.train.images[:1].nbytes * len(bench.train)
    return max(1, min(cores, torch.cuda.mem_get_info()[0] // each))
