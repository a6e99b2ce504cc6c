"""Files that are either whole or not there: written under a temporary name, then renamed."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name for a file or folder and moves it to `path` if the block succeeds.

    The temporary name is always the same, so that what a killed process left behind is cleaned up by the next.
    """
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove(partial)
    try:
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        _remove(partial)


def write_array(path: Path, array: np.ndarray) -> None:
    """Writes an uncompressed .npy file without pickled objects."""
    array = np.ascontiguousarray(array)
    with replacing(path) as partial, partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        if array.size:  # np.save would hide from its error that the disk is full
            file.write(array.data.cast("B"))


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Writes a table without its index."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False, lineterminator="\n")


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Writes indented UTF-8 JSON that ends with a newline."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
