"""Attacks, channels, datasets, networks and engines are found by their file: `attacks/x.py` is `attack.name: x`."""

import importlib
import inspect
from pathlib import Path
from typing import TypeVar

from stages.command import InputError

T = TypeVar("T")
HERE = Path(__file__).parent


def names(kind: str) -> list[str]:
    """The names of all parts of a kind: the files in its folder.

    Args:
        kind: "attacks", "channels", "datasets", "networks" or "engines".
    """
    return sorted(path.stem for path in (HERE / kind).glob("*.py") if not path.stem.startswith("_"))


def check_name(kind: str, name: str, key: str) -> None:
    """Refuses a name that has no file, without importing anything.

    Raises:
        InputError: Names the key in `params.yaml`, what was given and what there is.
    """
    if name not in names(kind):
        raise InputError(
            f"params.yaml: {key} = {name!r} is unknown; known {kind}: {', '.join(names(kind))} "
            f"(a new one is a file stages/{kind}/<name>.py)"
        )


def find(kind: str, name: str, base: type[T], key: str) -> type[T]:
    """Imports a part's file and returns the class in it that derives from `base`."""
    check_name(kind, name, key)
    module = importlib.import_module(f"stages.{kind}.{name}")
    found = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"stages/{kind}/{name}.py must define one {base.__name__}, but defines {len(found)}")
    return found[0]
