"""Counts what a training run does, from outside: its steps, the bytes that its operators touch, its operators' time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from miseducation.training import fitting

# They pick rows out of a tensor: what they read is what they return, not the whole of it.
PICKING = ("index", "index_select", "gather", "embedding")
# Operators by what they are for: the first group with a word that is in the name, in lower case without underscores.
GROUPS = {
    "optimiser": ("adam", "muon", "sgd", "adadelta", "lerp", "optimizer", "foreach"),
    "convolution": ("conv",),
    "normalisation": ("batchnorm", "layernorm"),
    "pooling": ("pool",),
    "activation": ("relu", "gelu", "silu", "threshold", "clamp"),
    "loss": ("softmax", "nllloss", "crossentropy"),
    "linear layer": ("addmm", "::mm", "mmbackward", "linear", "matmul"),
    "picking rows, converting types": ("index", "randperm", "tocopy", "::to", "div", "split"),
    "copies and layout": ("copy", "clone", "contiguous", "permute", "reshape", "view", "strided", "transpose", "::t"),
    "allocation and filling": ("empty", "zero", "ones", "fill", "resize", "new", "full"),
    "sums and comparisons": ("sum", "add", "mul", "argmax", "eq", "mean"),
}


class Bytes(TorchDispatchMode):
    """Sums the sizes of the tensors that operators read and write, views left out.

    What an operator writes for itself or in place, or reads twice, is not seen; what stays in a cache counts in full.

    Attributes:
        total: Bytes so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operator and adds what it touches."""
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if not func.is_view and not name.startswith(("empty", "detach", "_unsafe_view")):
            written = _size(result)
            self.total += written + (written if name in PICKING else _size((args, kwargs)))
        return result


def _size(tree: Any) -> int:
    return sum(leaf.numel() * leaf.element_size() for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


@contextmanager
def steps() -> Iterator[list[float]]:
    """Yields a list that gets the process's CPU time, in seconds, at the end of each step of the training loop."""
    ends: list[float] = []
    step = fitting.Adam.step

    def noting(*arguments: Any) -> None:
        step(*arguments)
        ends.append(time.process_time())

    with patch.object(fitting.Adam, "step", noting):
        yield ends


def group_of(operator: str) -> str:
    """The group of `GROUPS` that an operator of the profiler belongs to, "other" if none.

    >>> group_of("aten::mkldnn_convolution"), group_of("aten::threshold_backward"), group_of("aten::mystery")
    ('convolution', 'activation', 'other')
    """
    name = operator.lower().replace("_", "")
    return next((group for group, words in GROUPS.items() if any(word in name for word in words)), "other")


def operators(run: Callable[[], object]) -> dict[str, float]:
    """Seconds on the wall by group of operators, each without the operators that it calls, and those of the rest."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        start = time.perf_counter()
        run()
        total = time.perf_counter() - start
    seconds: dict[str, float] = {}
    for event in profiler.key_averages():
        group = group_of(event.key)
        seconds[group] = seconds.get(group, 0.0) + event.self_cpu_time_total / 1e6
    seconds["outside operators (Python, profiler)"] = max(0.0, total - sum(seconds.values()))
    return seconds
