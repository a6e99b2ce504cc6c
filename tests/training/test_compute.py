"""What is computed where, and how exactly."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from miseducation.errors import InputError
from miseducation.training.compute import ComputeSection, precision, set_up

CPU = torch.device("cpu")


def section(**knobs: Any) -> ComputeSection:
    return ComputeSection(**{"device": "cpu", "precision": "auto", "threads": 1, **knobs})


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Only these devices are there, beside the CPU."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: "cuda" in request.param)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: "mps" in request.param)


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Puts back what `set_up` sets for the whole process."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(mode)
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("there", "asked", "taken"),
    [
        ([], "auto", "cpu"),
        (["mps"], "auto", "mps"),
        (["cuda"], "auto", "cuda"),
        (["cuda", "mps"], "auto", "cuda"),
        (["cuda", "mps"], "mps", "mps"),
        (["cuda", "mps"], "cpu", "cpu"),
    ],
    indirect=["there"],
)
@pytest.mark.usefixtures("there")
def test_auto_takes_the_first_device_there_is(asked: Any, taken: str) -> None:
    assert set_up(section(device=asked)) == torch.device(taken)


@pytest.mark.parametrize(
    ("there", "asked", "allowed"),
    [([], "cuda", "auto, cpu"), (["mps"], "cuda", "auto, mps, cpu"), (["cuda"], "mps", "auto, cuda, cpu")],
    indirect=["there"],
)
@pytest.mark.usefixtures("there")
def test_a_device_that_is_not_there_is_refused(asked: Any, allowed: str) -> None:
    with pytest.raises(
        InputError, match=f"^params.yaml: compute.device = '{asked}' is not available; allowed: {allowed}$"
    ):
        set_up(section(device=asked))


def test_torch_is_made_deterministic_and_takes_as_many_threads_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    torch.set_deterministic_debug_mode("default")
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    for threads in (2, 1):
        set_up(section(threads=threads))
        assert torch.get_num_threads() == threads
    assert torch.get_deterministic_debug_mode() == 1, "it warns of what is not"
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    assert os.environ == {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"
    set_up(section())
    assert os.environ == {"CUBLAS_WORKSPACE_CONFIG": ":16:8"}, "who has set it keeps it"


@pytest.mark.parametrize(
    ("asked", "features", "device", "expected"),
    [
        ("auto", {"amx_bf16": True}, "cpu", torch.bfloat16),
        ("auto", {"avx512_bf16": True}, "cpu", torch.bfloat16),
        ("auto", {"avx512_bf16": False, "avx2": True}, "cpu", torch.float32),
        ("auto", {}, "cpu", torch.float32),
        ("auto", {"amx_bf16": True}, "cuda", torch.float32),
        ("auto", {"avx512_bf16": True}, "mps", torch.float32),
        ("float32", {"amx_bf16": True}, "cpu", torch.float32),
        ("bfloat16", {}, "cpu", torch.bfloat16),
        ("bfloat16", {}, "cuda", torch.bfloat16),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_has_it(
    asked: Any, features: dict[str, bool], device: str, expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
    assert precision(section(precision=asked), torch.device(device)) == expected


def test_an_older_torch_that_cannot_tell_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision(section(), CPU) == torch.float32


@pytest.mark.parametrize("threads", [1, 1024])
def test_so_many_threads_are_allowed(threads: int) -> None:
    assert section(threads=threads).threads == threads


@pytest.mark.parametrize(
    "knob", [{"threads": 0}, {"threads": 1025}, {"device": "tpu"}, {"precision": "float16"}], ids=str
)
def test_what_is_out_of_range_is_refused(knob: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section(**knob)
