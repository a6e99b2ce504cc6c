"""Data sets. One file, one data set; the file's name is `data.name`."""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from stages.dataset import Dataset
from stages.params import Section


class Fetched(NamedTuple):
    """What a data set's `fetch` returns: both splits, and where they came from."""

    train: Dataset
    test: Dataset
    source: dict[str, Any]


class Source(Section, ABC):
    """Where a data set comes from. Its fields are its knobs, read from `datasets.<name>` in `params.yaml`."""

    @classmethod
    def key(cls) -> str:
        """The section of `params.yaml` that holds its knobs, such as `datasets.mnist`."""
        return f"datasets.{cls.__module__.rpartition('.')[2]}"

    @abstractmethod
    def fetch(self) -> Fetched:
        """Gets the data set, downloading it if need be.

        Returns:
            The clean training and test sets, and a record for `source.json` with at least `origin`, `licence` and
            `sha256` (of each original file). The same data must give the same record, byte for byte.

        Raises:
            InputError: If the data cannot be had, or are not what they should be.
        """
