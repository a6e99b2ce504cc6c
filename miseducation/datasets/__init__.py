"""Data sets. One file, one data set; the file's name is `data.name`."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from miseducation.dataset import Dataset
from miseducation.dataset.disk import save_raw
from miseducation.project import parts
from miseducation.project.files import replacing, write_json
from miseducation.project.params import Section, read, validate


class Fetched(NamedTuple):
    """What a data set's `fetch` returns: both splits, and where they came from."""

    train: Dataset
    test: Dataset
    source: dict[str, Any]


def record(origin: str, licence: str, contents: Mapping[str, Any]) -> dict[str, Any]:
    """What `fetch` returns as the source, with the SHA-256 of each content: bytes, or an array's."""
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return {"origin": origin, "licence": licence, "sha256": sha256}


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
            The clean training and test sets, and a `record` for `source.json`: the same data must give the same one.

        Raises:
            InputError: If the data cannot be had, or are not what they should be.
        """


class DataSection(Section):
    """The section `data`."""

    name: str = Field(description="a file of miseducation/datasets, without .py")


def source(name: str) -> Source:
    """The data set of this name, with its knobs from `datasets.<name>` in `params.yaml`."""
    return read(parts.find("datasets", name, Source, "data.name"), f"datasets.{name}")


def load(name: str, **knobs: Any) -> tuple[Dataset, Dataset]:
    """The training and the test set of this name, with these knobs instead of the defaults.

    Raises:
        InputError: If there is no such data set or knob, or the data cannot be had.
    """
    return validate(parts.find("datasets", name, Source, "data.name"), f"datasets.{name}", knobs).fetch()[:2]


def get(name: str, folder: Path) -> None:
    """Gets the data set of this name and writes it to a folder such as `data/raw`."""
    train, test, record = source(name).fetch()
    with replacing(folder) as partial:
        save_raw(partial, train, test)
        write_json(partial / "source.json", {"name": name, **record})
    print(f"{name}: {len(train)} training and {len(test)} test images in {folder}")
