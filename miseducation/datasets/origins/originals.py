"""What public data sets share: their original files, from the user's folder or from the first place that has them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from miseducation.dataset import Dataset
from miseducation.dataset.names import LONGEST, shown
from miseducation.datasets import Fetched, Source, record
from miseducation.datasets.origins.downloads import ALGORITHMS
from miseducation.errors import InputError
from miseducation.project.command import DISK_FULL
from miseducation.project.own_files import locate

Files = dict[str, bytes]
Places = list[tuple[str, Callable[[], Files]]]


class Originals(Source, ABC):
    """A data set of known files, each with its checksum. Nothing is used before it matches.

    Attributes:
        TITLE: The data set's name in messages.
        ORIGIN: Where it comes from. Not the address that served it: the same bytes must give the same record.
        LICENCE: Its licence, or what is known of it.
        CLASSES: Their names.
        CHECKSUMS: SHA-256 of each file, or MD5 where no other is known.
        BY_HAND: What to do without a network, for the message.
    """

    TITLE: ClassVar[str]
    ORIGIN: ClassVar[str]
    LICENCE: ClassVar[str]
    CLASSES: ClassVar[Sequence[str]]
    CHECKSUMS: ClassVar[Mapping[str, str]]
    BY_HAND: ClassVar[str]

    folder: Path | None = Field(None, description="null, or a folder with your own copy of the original files")

    @abstractmethod
    def sources(self) -> Places:
        """The places to get the files from, in order: a name for messages, and what gets all files."""

    @abstractmethod
    def parse(self, files: Files) -> tuple[Dataset, Dataset]:
        """The training and the test set in the files."""

    def fetch(self) -> Fetched:
        files = self.originals()
        contents = {name: files[name] for name in self.checksums()}
        return Fetched(*self.parse(files), record(self.ORIGIN, self.LICENCE, contents))

    def read_folder(self, folder: Path) -> Files:
        """Reads the files from the user's folder; what is missing is left out. A ValueError if a file is damaged."""
        return {name: (folder / name).read_bytes() for name in self.checksums() if (folder / name).is_file()}

    def checksums(self) -> Mapping[str, str]:
        """Those of the files that these knobs ask for."""
        return self.CHECKSUMS

    def originals(self) -> Files:
        """The files, each with its right checksum; else an `InputError` says what went wrong, and what to do."""
        if self.folder:  # What the user names is used or refused, never silently replaced.
            folder = locate(self.folder)
            try:
                if not folder.is_dir():
                    raise ValueError("is not a folder")
                return check(self.read_folder(folder), self.checksums())
            except (OSError, ValueError) as error:
                raise InputError(f"params.yaml: {self.key()}.folder = {str(self.folder)!r}: {error}") from None
        failures = []
        for name, get in self.sources():
            print(f"{self.TITLE}: trying {name}", flush=True)
            try:
                return check(get(), self.checksums())
            except Exception as error:  # whatever goes wrong with one source, the next may still have it
                if isinstance(error, OSError) and error.errno in DISK_FULL:
                    raise
                failures.append(f"{name}: {last_line(_root(error))}")
                print(f"{self.TITLE}: failed: {last_line(_root(error))}", flush=True)
        raise InputError(
            f"{self.TITLE} could not be downloaded:\n"
            + "".join(f"  - {failure}\n" for failure in failures)
            + f"Connect to the internet and try again, or {self.BY_HAND} and set {self.key()}.folder in params.yaml. "
            "With data.name: digits, no download is needed."
        )


def check(files: Files, checksums: Mapping[str, str]) -> Files:
    """Returns the files if each has its checksum; else a ValueError names one that is missing or altered."""
    for name, expected in checksums.items():
        if name not in files:
            raise ValueError(f"{name} is missing")
        check_one(name, files[name], expected)
    return files


def check_one(name: str, content: bytes, expected: str) -> None:
    """Refuses content that has not the expected checksum, an MD5 or a SHA-256."""
    algorithm = ALGORITHMS[len(expected)]
    found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
    if found != expected:
        label = algorithm.upper().replace("SHA", "SHA-")
        raise ValueError(
            f"{name} is truncated or altered: {label} {found} of {len(content)} bytes, expected {expected}"
        )


def last_line(text: object) -> str:
    """The last line that says something: where programs, servers and nested errors tell what was wrong."""
    lines = [line for line in str(text).splitlines() if line.strip()]
    return shown((lines or ["no message"])[-1].strip()[:LONGEST])


def _root(error: BaseException) -> BaseException:
    # "Name resolution failed" says more than the three errors that libraries wrap around it.
    while error.__context__ is not None:
        error = error.__context__
    return error
