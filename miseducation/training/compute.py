"""Where, how exactly and with how many threads torch computes: the section `compute` of `params.yaml`."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from miseducation.errors import InputError
from miseducation.project.params import Section

if TYPE_CHECKING:
    import torch


class ComputeSection(Section):
    """The section `compute`, shared by the stages that train and evaluate."""

    device: Literal["auto", "cuda", "mps", "cpu"] = Field(
        description="auto, cuda, mps or cpu; auto takes the first of cuda, mps, cpu that there is"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        description="auto, float32 or bfloat16; auto trains in bfloat16 on a CPU with instructions for it"
    )
    threads: int = Field(ge=1, le=1024, description="CPU threads, 1 to 1024; another number changes the last digits")


def set_up(compute: ComputeSection) -> "torch.device":
    """Makes torch deterministic, sets its threads, and returns the device; an `InputError` if it is not there."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by CUDA at its start, for determinism
    import torch

    torch.set_num_threads(compute.threads)
    # The same as use_deterministic_algorithms(True, warn_only=True), which also imports torch's compiler: a second.
    torch.set_deterministic_debug_mode("warn")
    # It would also fill all new memory, in case somebody reads what nobody wrote: 7 % of the training time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    there = [name for name in available if available[name]]
    device = there[0] if compute.device == "auto" else compute.device
    if device not in there:
        raise InputError(
            f"params.yaml: compute.device = {device!r} is not available; allowed: auto, {', '.join(there)}"
        )
    return torch.device(device)


def precision(compute: ComputeSection, device: "torch.device") -> "torch.dtype":
    """The number format for the products of the training.

    "auto" takes bfloat16 on CPUs that multiply in it, where it saves time: `make bench` shows `ours_float32` beside
    `ours`. On other devices it takes float32, until somebody has measured.
    """
    import torch

    if compute.precision != "auto":
        return getattr(torch, compute.precision)
    has: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch lack it
    fast = device.type == "cpu" and (has.get("amx_bf16") or has.get("avx512_bf16"))
    return torch.bfloat16 if fast else torch.float32


def machine(device: "torch.device") -> dict[str, str]:
    """What the last digits of a result depend on beside its parameters: the kind of processor, and the versions."""
    import torch

    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return {
        "processor": torch.cuda.get_device_name(device) if device.type == "cuda" else kind,
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "numpy")},
    }
