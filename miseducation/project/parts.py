"""Parts are found by their file: `miseducation/attacks/x.py` is `attack.name: x`."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any, TypeVar

from miseducation.errors import InputError

T = TypeVar("T")
HERE = Path(__file__).parent.parent
# Where those are that do not lie in the wing of their name.
FOLDERS = {"channels": "poisoning/channels", "engines": "studies/engines", "measurements": "studies/measurements"}


def folder(kind: str) -> str:
    """Where the parts of a kind lie, such as `miseducation/attacks`, from the root of the project."""
    return f"{HERE.name}/{FOLDERS.get(kind, kind)}"


def names(kind: str) -> list[str]:
    """The names of all parts of a kind, such as `channels`: the files in its folder."""
    return sorted(path.stem for path in (HERE.parent / folder(kind)).glob("*.py") if not path.stem.startswith("_"))


def check_name(kind: str, name: str, key: str) -> None:
    """Refuses, with an `InputError`, a name that has no file; imports nothing."""
    if name not in names(kind):
        raise InputError(
            f"params.yaml: {key} = {name!r} is unknown; known {kind}: {', '.join(names(kind))} "
            f"(a new one is a file {folder(kind)}/<name>.py)"
        )


def find(kind: str, name: str, base: type[T], key: str) -> type[T]:
    """Imports a part's file and returns the class in it that derives from `base`."""
    check_name(kind, name, key)
    module = importlib.import_module(f"{folder(kind)}/{name}".replace("/", "."))
    found = [
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base) and member.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise InputError(f"{folder(kind)}/{name}.py must define one {base.__name__}, but defines {len(found)}")
    return found[0]


def find_class(kind: str, name: str, base: type[Any]) -> type[Any]:
    """The part whose class is called so: what `attacks.BadNets` means. No other part is imported."""
    for each in names(kind):
        code = (HERE.parent / folder(kind) / f"{each}.py").read_text(encoding="utf-8")
        if re.search(rf"^class {name}\(", code, re.MULTILINE):
            found = find(kind, each, base, kind)
            if found.__name__ == name:
                return found
    raise AttributeError(f"{folder(kind).replace('/', '.')} has no {name}")
