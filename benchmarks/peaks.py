"""What one thread of this machine can do at best: matrix products and copies, in CPU seconds."""

import os
import time
from collections.abc import Callable

import torch

# Edges of the square matrices; which is best depends on the caches.
EDGES = (256, 512, 1024, 2048)
MEBI = 2**20


def best_rate(work: float, run: Callable[[], object], repeats: int, shortest: float = 0.02) -> float:
    """`work` per second of the fastest of some measurements, each repeated until it lasts long enough to be measured.

    Args:
        work: What one call does, in operations or bytes.
        run: The call.
        repeats: Measurements.
        shortest: CPU seconds that a measurement lasts at least.
    """
    run()  # touches the memory, fills the caches
    best = 0.0
    for _ in range(repeats):
        calls, start = 0, time.process_time()
        while (lasted := time.process_time() - start) < shortest:
            run()
            calls += 1
        best = max(best, calls * work / lasted)
    return best


def product(dtype: torch.dtype, repeats: int) -> float:
    """FLOP/s of the best square matrix product: 2n³ operations each."""

    def rate(edge: int) -> float:
        left, right = (torch.randn(edge, edge).to(dtype) for _ in range(2))
        out = torch.empty(edge, edge, dtype=dtype)
        return best_rate(2 * edge**3, lambda: torch.mm(left, right, out=out), repeats)

    return max(rate(edge) for edge in EDGES)


def copying(size: int, repeats: int) -> float:
    """Bytes/s, read and written, of copying `size` bytes."""
    source, target = torch.ones(size // 4), torch.empty(size // 4)
    return best_rate(2 * size, lambda: target.copy_(source), repeats)


def triad(size: int, repeats: int) -> float:
    """Bytes/s of a = b + 3c with three arrays of `size` bytes (McCalpin's STREAM)."""
    a, b, c = torch.empty(size // 4), torch.ones(size // 4), torch.ones(size // 4)
    return best_rate(3 * size, lambda: torch.add(b, c, alpha=3, out=a), repeats)


def large() -> int:
    """Bytes of an array that no cache holds: 1 GiB, less where memory is short."""
    return min(1024 * MEBI, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 16)


def measure(repeats: int) -> dict[str, float]:
    """The peaks by name, in FLOP/s and bytes/s; the cache is measured with arrays as large as a layer's output."""
    return {
        "fp32": product(torch.float32, repeats),
        "bf16": product(torch.bfloat16, repeats),
        "memory": max(copying(large(), repeats), triad(large(), repeats)),
        "cache": max(copying(size, repeats) for size in (MEBI // 4, MEBI // 2, MEBI, 4 * MEBI)),
    }
