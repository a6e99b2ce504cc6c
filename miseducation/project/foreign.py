"""Files that a stranger may have written: read within bounds, and refused in one line that names the file."""

import csv
import io
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from miseducation.errors import InputError
from miseducation.project.messages import cut

SMALL, LARGE = 2**20, 2**24  # bytes of a file that says what something is, and of a table
ROWS = 50_000  # of a table
T = TypeVar("T")


def check(path: Path, largest: int) -> None:
    """An `InputError` if there is no file, or one of more bytes; a pipe is none, as to open it would be to wait."""
    if not path.is_file():
        raise InputError(f"{path} is missing, or is not a file")
    if path.stat().st_size > largest:
        raise InputError(f"{path} has more than {largest:,} bytes")


def reason(error: Exception) -> str:
    """What an error says, in one line of readable length."""
    return cut(" ".join(str(error).split()) or type(error).__name__)


def read(path: Path, parse: Callable[[str], T], *, largest: int = SMALL) -> T:
    """What a parser makes of a text file.

    Raises:
        InputError: If it is no file, has more bytes, is not UTF-8, or the parser refuses it.
    """
    try:
        check(path, largest)
        return parse(path.read_text(encoding="utf-8"))
    except InputError:
        raise
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {reason(error)}") from None


def read_json(path: Path) -> Any:
    """What a JSON file holds; see `read`."""
    return read(path, json.loads)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, by column, none of them with more or fewer values than there are columns; see `read`."""
    return read(path, _rows, largest=LARGE)


def _rows(text: str) -> list[dict[str, str]]:
    rows = list(islice(csv.DictReader(io.StringIO(text, newline="")), ROWS + 1))
    if len(rows) > ROWS:
        raise ValueError(f"it has more than {ROWS} rows")
    if any(None in row or None in row.values() for row in rows):
        raise ValueError("it has rows that are longer or shorter than the first")
    return rows
