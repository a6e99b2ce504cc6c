"""Processes of this machine, one model each at a time."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import resource_tracker
from tempfile import TemporaryDirectory
from typing import final

import joblib
import torch
from joblib.externals.loky import get_reusable_executor

from miseducation.project.command import end_with
from miseducation.project.interruptions import for_us_alone
from miseducation.studies.bench import Bench
from miseducation.studies.engines import Engine, Failure, Model, Result, attempt

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
                for batch in [[model] for model in left] if alone else [list(left)]:
                    try:
                        for model, result in _together(path, batch, processes):
                            left.remove(model)
                            yield model, result
                    except BrokenProcessPool:
                        if alone:
                            left.remove(batch[0])
                            yield batch[0], Failure("its process died, perhaps for want of memory")
                            break
                alone = not alone and len(left) == before


def _together(path: str, models: Sequence[Model], processes: int) -> Iterator[tuple[Model, Result]]:
    # Not joblib.Parallel, which with one process trains in ours: a model that kills its process would kill the study.
    pool = get_reusable_executor(min(len(models), processes), initializer=end_with, initargs=(os.getpid(),))
    resource_tracker.ensure_running()  # when it starts, it lets Ctrl-C through again
    with for_us_alone():  # until `end_with` is called, the processes would print where Ctrl-C met them
        running = {pool.submit(_attempt, path, model): model for model in models}
    try:
        for done in as_completed(running):
            yield running[done], done.result()
    except BrokenProcessPool:  # it has ended already
        raise
    except BaseException:
        earlier = threading.excepthook
        threading.excepthook = lambda _: None  # the pool's own thread may trip over what is taken away from it
        try:
            pool.shutdown(kill_workers=True)
        finally:
            threading.excepthook = earlier
        raise


def _attempt(path: str, model: Model) -> Result:
    return attempt(_load(path), model)


@cache
def _load(path: str) -> Bench:
    return joblib.load(path, mmap_mode="r")  # pickled by the driver, a moment ago, in a folder of its own


def _processes(bench: Bench) -> int:
    cores = max(1, joblib.cpu_count() // bench.compute.threads)
    if bench.compute.device != "cuda":
        return cores
    each = GPU_MEMORY + 2 * bench.train.images[:1].nbytes * len(bench.train)
    return max(1, min(cores, torch.cuda.mem_get_info()[0] // each))
