"""What may stand in a result: it may be a stranger's, so each value is looked at before anybody uses it.

Each function takes a value and what to call it, and gives the value back.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from miseducation.errors import InputError
from miseducation.project.messages import cut, shown

# What MLflow gets of a result at most: files, their bytes, values, and those of single cells.
FILES, BYTES, VALUES, CELLS = 1000, 2 * 10**9, 100_000, 2_000_000

NAME = re.compile(r"[^\W_][\w-]{0,99}")  # of a part's file, and of a study
KEY = re.compile(r"[\w. :-]+(/[\w. :-]+)*")  # of a parameter, metric or tag, as MLflow takes them
LONGEST = 200  # characters of a tag
BYTES_OF_NAME = 200  # systems take 255, MLflow 250 of a key, and `interval_high/` may come before it
NOT_IN_FILES, NOT_IN_EXPERIMENTS = r'\:*?"<>|%#', r'\/:*?"<>|'  # on some system, and in an address, too
FILE = re.compile(rf"(?!~)[^/{re.escape(NOT_IN_FILES)}]{{1,100}}")
EXPERIMENT = re.compile(f"[^{re.escape(NOT_IN_EXPERIMENTS)}]{{1,100}}")  # DVC's
MLFLOWS = "Default"  # MLflow's own experiment
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


class IncompleteError(Exception):
    """The folder holds no finished result, or the pieces of several."""


class MalformedError(IncompleteError):
    """What is there is none of our results, or was changed since."""


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Makes an error in reading from a folder a MalformedError, and leaves out where that folder is."""
    try:
        yield
    except InputError as error:
        raise MalformedError(str(error).removeprefix(f"{folder}{os.sep}")) from None
    except OSError as error:  # not ours to see
        raise MalformedError(f"it cannot be read: {error.strerror}") from None


def is_name(value: str) -> bool:
    """Whether it is a name, see `name`."""
    return _fits(NAME, value)


def name(value: object, what: str) -> str:
    """What may become the name of a folder: a part's, such as a data set's, or a study's."""
    return _matching(NAME, value, what, "a name of up to 100 letters, digits, - and _")


def experiment(value: str, what: str) -> str:
    """What an experiment of ours in MLflow can be called, of what has a name."""
    if value == MLFLOWS:
        raise MalformedError(f"{what} is {value}, the name of MLflow's own experiment; ours need another")
    return value


def md5(value: object, what: str) -> str:
    """An MD5 as DVC writes it."""
    return _matching(MD5, value, what, "an MD5 of DVC's")


def path(value: object, what: str) -> str:
    """A relative path with slashes, to what lies below the folder that it starts from; never to git's own files."""
    parts = value.split("/") if isinstance(value, str) and value.isprintable() and len(value) <= 500 else [""]
    if not all(_fits(FILE, part) and part.strip(". ") and part.lower() != ".git" for part in parts):
        raise _refusal(
            value, what, f"a path below the project, in names of up to 100 characters without {NOT_IN_FILES}"
        )
    return "/".join(parts)


def called(value: str) -> str:
    """The name of an experiment of DVC's."""
    wanted = f"a name of up to 100 characters without {NOT_IN_EXPERIMENTS}"
    return _matching(EXPERIMENT, value, "its name", wanted)


def output(value: object, name: str, what: str) -> tuple[str, str]:
    """Path and MD5 of an entry in a list of DVC's; `name` is what the path is called there."""
    entry = mapping(value, f"{what}: an output")
    place = path(entry.get(name), f"{what}: the path of an output")
    return place, md5(entry.get("md5"), f"{what}: the md5 of {cut(place)}")


def key(value: object, what: str) -> str:
    """What MLflow takes for a key."""
    wanted = f"a key of up to {BYTES_OF_NAME} bytes for MLflow"
    found = _matching(KEY, value, f"a key of {what}", wanted)
    if ".." in found or not all(part.strip(". ") for part in found.split("/")):
        raise _refusal(value, f"a key of {what}", wanted)
    return found


def number(value: object, what: str) -> float:
    """A finite number."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(float(value)):
            return value
    except OverflowError:  # an integer of hundreds of digits
        pass
    raise _refusal(value, what, "a finite number")


def parsed(value: object, what: str) -> float:
    """A finite number, or what a table has of it: its digits."""
    try:
        return number(float(value) if isinstance(value, str) else value, what)
    except ValueError:
        raise _refusal(value, what, "a finite number") from None


def whole(value: object, what: str) -> int:
    """A whole number from 0 on, such as a seed."""
    found = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value) else number(value, what)
    if not 0 <= found < 2**63 or found != int(found):
        raise _refusal(value, what, "a whole number from 0 on")
    return int(found)


def text(value: str, what: str) -> str:
    """A text that can be shown; its beginning, if it is long."""
    if not value.isprintable():
        raise _refusal(value, what, "a text that can be shown")
    return value[:LONGEST]


def mapping(value: object, what: str) -> dict[str, Any]:
    """A mapping with texts as its keys; None is an empty one."""
    if not isinstance(value, dict | None) or not all(isinstance(each, str) for each in value or ()):
        raise _refusal(value, what, "a mapping")
    return value or {}


def listing(value: object, what: str) -> list[Any]:
    """A list; None is an empty one."""
    if not isinstance(value, list | None):
        raise _refusal(value, what, "a list")
    return value or []


def plain(value: object, what: str) -> Any:
    """What JSON and UTF-8 can say."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, TypeError, RecursionError):
        raise MalformedError(
            f"{what} contains a value that is not a string, a finite number, true, false or null"
        ) from None
    return value


def _matching(pattern: re.Pattern[str], value: object, what: str, wanted: str) -> str:
    if not isinstance(value, str) or not _fits(pattern, value):
        raise _refusal(value, what, wanted)
    return value


def _fits(pattern: re.Pattern[str], value: str) -> bool:
    return bool(pattern.fullmatch(value)) and value.isprintable() and len(value.encode()) <= BYTES_OF_NAME


def _refusal(value: object, what: str, wanted: str) -> MalformedError:
    return MalformedError(f"{what} is {shown(value)}, not {wanted}")
