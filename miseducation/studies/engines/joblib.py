"""Processes of this machine, one model each at a time."""

from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from tempfile import TemporaryDirectory
from typing import final

import joblib
import torch

from miseducation.project.processes import side_by_side
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
                        for number, result in side_by_side(_attempt, [(path, model) for model in batch], processes):
                            left.remove(batch[number])
                            yield batch[number], result
                    except BrokenProcessPool:
                        if alone:
                            left.remove(batch[0])
                            yield batch[0], Failure("its process died; perhaps there was too little memory")
                            break
                alone = not alone and len(left) == before


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
