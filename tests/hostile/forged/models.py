"""Model folders as a stranger may have made them: a whole one, with something in it forged."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import torch as safetensors

Edit = Callable[[Path], object]
DESCRIPTION = {"network": "cnn", "shape": [12, 12, 1], "classes": 3}


def with_text(content: str | bytes, name: str = "network.json") -> Edit:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def described(**changes: object) -> Edit:
    return with_text(json.dumps(DESCRIPTION | changes))


def missing(key: str) -> Edit:
    return with_text(json.dumps({name: value for name, value in DESCRIPTION.items() if name != key}))


def weighed(edit: Callable[[dict[str, torch.Tensor]], object]) -> Edit:
    """Other weights; what `edit` returns counts for nothing."""

    def forge(folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = safetensors.load(path.read_bytes())
        edit(weights)
        path.write_bytes(safetensors.save(weights))

    return forge


def headed(header: object, length: int | None = None) -> Edit:
    """A file of weights with this header, and hardly more."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    content = struct.pack("<Q", len(text) if length is None else length) + text + b"\0" * 64
    return with_text(content, "model.safetensors")


def with_pipe(name: str) -> Edit:
    def forge(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return forge


def with_folder(name: str) -> Edit:
    def forge(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return forge


def with_link(name: str, target: str) -> Edit:
    def forge(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return forge


def first(weights: dict[str, torch.Tensor]) -> str:
    return min(name for name in weights if name.endswith("weight"))


# What is wrong with it, by the file that is to be named.
DESCRIPTIONS: dict[str, Edit] = {
    "missing": lambda folder: (folder / "network.json").unlink(),
    "empty": with_text(""),
    "no JSON": with_text("{"),
    "no text": with_text(b"\xff\xfe"),
    "a list": with_text("[1]"),
    "a number": with_text("7"),
    "in each other": with_text("[" * 100_000),
    "large": with_text("{" + " " * 2_000_000 + "}"),
    "a pipe": with_pipe("network.json"),
    "a link to nowhere": with_link("network.json", "/nowhere"),
    "a link to itself": with_link("network.json", "network.json"),
    **{f"without {key}": missing(key) for key in DESCRIPTION},
    "one key more": described(code="import os"),
    **{
        f"network: {name!r:.30}": described(network=name)
        for name in ("rnn", "", "../cnn", "os", "__init__", "cnn.py", "/tmp/x", "a\0", "cnn\n", 5, None, ["cnn"])
    },
    **{
        f"shape: {shape!r:.30}": described(shape=shape)
        for shape in (
            *([12, 12], [12, 12, 1, 1], [], 12, "12, 12, 1", None, {"h": 12}, [0, 12, 1], [-1, 12, 1], [12, 12, 0]),
            *([1.5, 12, 1], ["12", 12, 1], [True, True, True], [10**9, 10**9, 3], [2**70, 1, 1], [12, 12, 10**12]),
        )
    },
    **{
        f"classes: {classes!r:.30}": described(classes=classes)
        for classes in (0, -1, 1.5, "3", None, [3], True, 10**12, 2**70)
    },
    "not a number": with_text('{"network": "cnn", "shape": [12, 12, NaN], "classes": 3}'),
}
WEIGHTS: dict[str, Edit] = {
    "missing": lambda folder: (folder / "model.safetensors").unlink(),
    "empty": with_text("", "model.safetensors"),
    "no weights": with_text(b"PK\x03\x04" + b"\0" * 100, "model.safetensors"),
    "a pickle": lambda folder: torch.save({"x": torch.zeros(1)}, folder / "model.safetensors"),
    "cut off": lambda folder: os.truncate(folder / "model.safetensors", 1000),
    "cut off by a byte": lambda folder: os.truncate(
        folder / "model.safetensors", (folder / "model.safetensors").stat().st_size - 1
    ),
    "a pipe": with_pipe("model.safetensors"),
    "a link to nowhere": with_link("model.safetensors", "/nowhere"),
    "a folder": with_folder("model.safetensors"),
    "a header without end": headed({}, 2**63),
    "a header that is a list": headed([1]),
    "a header that is no JSON": headed(b"{"),
    "a tensor without end": headed({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}),
    "a tensor below nothing": headed({"x": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}),
    "an unknown type": headed({"x": {"dtype": "object", "shape": [1], "data_offsets": [0, 4]}}),
    "one weight fewer": weighed(lambda weights: weights.pop(first(weights))),
    "one weight more": weighed(lambda weights: weights.update(more=torch.zeros(3))),
    "another name": weighed(lambda weights: weights.update({"\x1b[2J": weights.pop(first(weights))})),
    "another shape": weighed(lambda weights: weights.update({first(weights): torch.zeros(1)})),
    "turned round": weighed(lambda weights: weights.update({first(weights): weights[first(weights)].T.contiguous()})),
    "another type": weighed(lambda weights: weights.update({first(weights): weights[first(weights)].half()})),
    "of whole numbers": weighed(lambda weights: weights.update({first(weights): weights[first(weights)].long()})),
    "none at all": weighed(lambda weights: weights.clear()),
    # All allowed by itself, but weights of 100 TB would fit it.
    "of a large network": described(shape=[2**16, 2**16, 3], classes=2**16),
    "of a large other network": described(network="resnet18", shape=[2**16, 2**16, 2**16], classes=2**16),
    "of another network": described(network="resnet18"),
    "of other images": described(shape=[28, 28, 1]),
    "of other classes": described(classes=10),
}
TRAINING: dict[str, Edit] = {
    "missing": lambda folder: (folder / "training.json").unlink(),
    **{
        name: with_text(text, "training.json")
        for name, text in {
            "no JSON": "{",
            "a list": "[]",
            "empty": "{}",
            "without threads": '{"device": "cpu", "precision": "float32"}',
            "an unknown device": '{"device": "tpu:0", "precision": "float32", "threads": 1}',
            "no threads": '{"device": "cpu", "precision": "float32", "threads": 0}',
            "many threads": '{"device": "cpu", "precision": "float32", "threads": 1000000}',
            "threads in words": '{"device": "cpu", "precision": "float32", "threads": "one"}',
            "a device that is not here": '{"device": "mps", "precision": "float32", "threads": 1}',
        }.items()
    },
}
