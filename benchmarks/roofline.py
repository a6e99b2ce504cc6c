"""How far a training step is from what one thread of this machine can do, and where its time goes: `make bench`.

Trains the network of `params.yaml` exactly as the stage `train` does, on one thread, on the first rows of the clean
training set, and looks on: the operations and bytes of a step, its time, and its operators.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from statistics import median

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import counting, peaks
from benchmarks.tables import markdown
from miseducation.dataset import Dataset
from miseducation.project.params import read
from miseducation.training.compute import ComputeSection, precision, set_up
from miseducation.training.learning import TrainSection, learn
from stages.train import VARIANTS

TABLE, PROFILE = Path("benchmarks/roofline.csv"), Path("benchmarks/profile.csv")
REPEATS = {"short": 3, "full": 10}
STEPS = 50  # about so many in an epoch


def step(section: TrainSection, data: Dataset, number_format: torch.dtype, repeats: int) -> dict[str, float]:
    """What a step does on average, and the median of its CPU time, by name."""

    def run() -> None:
        learn(section, data, seed=1, device=torch.device("cpu"), precision=number_format)

    with counting.steps() as ends, FlopCounterMode(display=False) as operations, counting.Bytes() as touched:
        run()
    number, durations = len(ends), []
    for _ in range(repeats):
        with counting.steps() as ends:
            run()
        durations += [end - start for start, end in pairwise(ends)]
    return {
        "rows": len(data) * section.epochs / number,
        "operations": operations.get_total_flops() / number,
        "bytes": touched.total / number,
        "seconds": median(durations),
    }


def table(peak: dict[str, float], step: dict[str, float]) -> pd.DataFrame:
    """The quantities that make a roofline (Williams et al. 2009, doi:10.1145/1498765.1498785), in the order to read."""
    flops, rate = step["operations"] / step["seconds"], step["bytes"] / step["seconds"]
    by_arithmetic = {name: step["operations"] / peak[name] for name in ("fp32", "bf16")}
    by_bytes = {name: step["bytes"] / peak[name] for name in ("memory", "cache")}
    rows = [
        ("peak, matrix product, fp32", peak["fp32"] / 1e9, "GFLOP/s"),
        ("peak, matrix product, bf16", peak["bf16"] / 1e9, "GFLOP/s"),
        ("peak, memory", peak["memory"] / 1e9, "GB/s"),
        ("peak, cache", peak["cache"] / 1e9, "GB/s"),
        ("a step: rows", step["rows"], "rows"),
        ("a step: operations of convolutions and linear layers", step["operations"] / 1e9, "GFLOP"),
        ("a step: bytes that operators read and write", step["bytes"] / 1e6, "MB"),
        ("a step: operations per byte", step["operations"] / step["bytes"], "FLOP/B"),
        ("a step: CPU time, median", step["seconds"] * 1e3, "ms"),
        ("achieved operations", flops / 1e9, "GFLOP/s"),
        ("share of the fp32 peak", flops / peak["fp32"] * 100, "%"),
        ("share of the bf16 peak", flops / peak["bf16"] * 100, "%"),
        ("achieved bytes", rate / 1e9, "GB/s"),
        ("share of the memory's peak", rate / peak["memory"] * 100, "%"),
        ("share of the cache's peak", rate / peak["cache"] * 100, "%"),
        ("floor: the operations at the fp32 peak", by_arithmetic["fp32"] * 1e3, "ms"),
        ("floor: the operations at the bf16 peak", by_arithmetic["bf16"] * 1e3, "ms"),
        ("floor: the bytes at the memory's peak", by_bytes["memory"] * 1e3, "ms"),
        ("floor: the bytes at the cache's peak", by_bytes["cache"] * 1e3, "ms"),
    ]
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def by_operator(section: TrainSection, data: Dataset, number_format: torch.dtype) -> pd.DataFrame:
    """Time by group of operators, the dearest first."""
    device = torch.device("cpu")
    seconds = counting.operators(lambda: learn(section, data, seed=1, device=device, precision=number_format))
    frame = pd.DataFrame(seconds.items(), columns=["operators", "seconds"]).sort_values("seconds", ascending=False)
    return frame.assign(share_percent=frame["seconds"] / frame["seconds"].sum() * 100).reset_index(drop=True)


def main() -> None:
    """Measures, writes `benchmarks/roofline.csv` and `benchmarks/profile.csv`, prints them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=REPEATS, default="short", help="full repeats more often")
    repeats = REPEATS[parser.parse_args().mode]
    compute = ComputeSection(device="cpu", precision="auto", threads=1)
    number_format = precision(compute, set_up(compute))
    section = read(TrainSection, "train")
    data = VARIANTS["clean"]()[: STEPS * section.batch_size]
    frames = {
        TABLE: table(peaks.measure(repeats), step(section, data, number_format, repeats)),
        PROFILE: by_operator(section, data, number_format),
    }
    for path, frame in frames.items():
        frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
        print(f"{markdown(frame)}\n\nAlso in {path}\n")


if __name__ == "__main__":
    main()
