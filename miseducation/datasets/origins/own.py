"""What data sets made of the user's own files share."""

from abc import ABC
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from miseducation.datasets import Source
from miseducation.errors import InputError
from miseducation.project import own_files


class Own(Source, ABC):
    """A snapshot of the files at a path: DVC does not watch them, see `miseducation.project.own_files`."""

    path: Path | None = Field(None, description="where your files are, absolute or from the root of the project")

    @field_validator("path", mode="before")
    @classmethod
    def _is_given(cls, path: Any) -> Any:
        if path in (None, ""):  # null is the default, which is not looked at as long as another data set is chosen
            raise ValueError("must be given")
        return path

    def place(self) -> Path:
        """Where the files are; an `InputError` if no path is given, or nothing is there."""
        if self.path is None:
            allowed = type(self).model_fields["path"].description
            raise InputError(f"params.yaml: {self.key()}.path must be given; allowed: {allowed}")
        place = own_files.locate(self.path)
        if not place.exists():
            raise self.refusal("does not exist")
        return place

    def refusal(self, reason: str) -> InputError:
        """The error that says what is wrong with the files."""
        return InputError(f"params.yaml: {self.key()}.path = {str(self.path)!r}: {reason}")

    def record(self, place: Path) -> dict[str, Any]:
        """What `fetch` returns as the source, not the path. To be taken first: so it tells what changes meanwhile.

        Raises:
            InputError: If there is no end of files.
        """
        digest = own_files.digest(place)
        return {
            "origin": "the user's own files",
            "licence": "not known",
            "sha256": {"all files": digest},
            own_files.KEY: digest,
        }
