"""Defences. One file, one defence; the file's name is its name in `params.yaml` and in the tables."""

from typing import Any

from miseducation.defending.defence import Defence, Finding, InputDetector, ModelScanner, Repair, RowDetector
from miseducation.defending.evidence import Evidence
from miseducation.defending.section import Kind
from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.project.params import read

__all__ = ["Defence", "Evidence", "Finding", "InputDetector", "ModelScanner", "Repair", "RowDetector", "defence"]


def defence(name: str, kind: Kind) -> Defence:
    """The defence of this name, with its knobs from `defences.<kind>.<name>` in `params.yaml`.

    Raises:
        InputError: If it is of another kind, or a knob is wrong.
    """
    found = parts.find("defences", name, Defence, f"defences.{kind}")
    if found.kind != kind:
        raise InputError(
            f"params.yaml: defences.{kind}.{name} is of another kind; allowed: defences.{found.kind}.{name}"
        )
    return read(found, f"defences.{kind}.{name}")


def __getattr__(name: str) -> Any:
    """The defence whose class is called so, such as `SpectralSignatures`: it is imported when it is asked for."""
    if name.startswith("_"):
        raise AttributeError(name)
    return parts.find_class("defences", name, Defence)
