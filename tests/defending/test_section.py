"""The section `defences`: a mistake in it ends in one line that names the key, what was given, and what is allowed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miseducation.defences import SpectralSignatures, defence
from miseducation.defending.section import DefencesSection
from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.project.params import read
from tests.conftest import PROJECT

SetParams = Callable[[str, Any], None]


def test_the_knobs_are_those_in_the_file(set_params: SetParams) -> None:
    assert defence("strip", "detectors").model_dump() == {"overlays": 100, "row_overlays": 16}
    set_params("defences.detectors.strip.overlays", 7)
    assert defence("strip", "detectors").model_dump() == {"overlays": 7, "row_overlays": 16}
    set_params("defences.detectors.strip", {"row_overlays": 3})
    assert defence("strip", "detectors").model_dump() == {"overlays": 100, "row_overlays": 3}


@pytest.mark.parametrize("knobs", [None, {}])
def test_a_defence_without_knobs_is_there(set_params: SetParams, knobs: Any) -> None:
    set_params("defences.detectors.spectral_signatures", knobs)
    assert defence("spectral_signatures", "detectors") == SpectralSignatures()


def test_a_defence_that_is_not_there_is_refused(in_folder: Path) -> None:
    known = ", ".join(parts.names("defences"))
    with pytest.raises(InputError) as error:
        defence("nobody", "repairs")
    assert str(error.value) == (
        f"params.yaml: defences.repairs = 'nobody' is unknown; known defences: {known} "
        "(a new one is a file miseducation/defences/<name>.py)"
    )
    for name in ("../attacks/badnets", "", "__init__", "Strip"):
        with pytest.raises(InputError, match=r"defences.detectors = '.*' is unknown"):
            defence(name, "detectors")


def test_a_defence_of_another_kind_is_refused(in_folder: Path) -> None:
    with pytest.raises(InputError) as error:
        defence("clp", "detectors")
    assert str(error.value) == ("params.yaml: defences.detectors.clp is of another kind; allowed: defences.repairs.clp")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("detectors.strip.overlay", 5, "defences.detectors.strip.overlay is not a known key; .* has overlays, row_"),
        ("detectors.strip.overlays", 0, "defences.detectors.strip.overlays = 0: .*; allowed: pictures .*, 1 to 10000"),
        ("detectors.strip.overlays", True, "defences.detectors.strip.overlays = True: true and false are not allowed"),
        ("detectors.strip", 5, "defences.detectors.strip = 5"),
        ("detectors", {}, "params.yaml lacks the section defences.detectors.strip, which has overlays, row_overlays"),
    ],
)
def test_a_wrong_knob_is_named(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params(f"defences.{key}", value)
    with pytest.raises(InputError, match=message):
        defence("strip", "detectors")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("trusted_rows", 1, "defences.trusted_rows = 1: .*; allowed: rows .*, 2 or more"),
        ("seed", -1, "defences.seed = -1: .*; allowed: seed of the choice .*, 0 or more"),
        ("rate", 0.01, "defences.rate is not a known key; defences has trusted_rows, seed, detectors, scanners, rep"),
        ("repairs", {"nobody": {}}, "defences.repairs = 'nobody' is unknown; known defences: activation_clustering, "),
        ("scanners", [], r"defences.scanners = \[\]: .*; allowed: {name: knobs} of the scanners"),
        ("scanners", {"neural_cleanse": 3}, r"defences.scanners.neural_cleanse = 3: .*; allowed: {name: knobs}"),
    ],
)
def test_a_wrong_section_is_named(set_params: SetParams, key: str, value: Any, message: str) -> None:
    set_params(f"defences.{key}", value)
    with pytest.raises(InputError, match=f"^params.yaml: {message}"):
        read(DefencesSection, "defences").check()


def test_looking_through_the_section_waits_for_no_heavy_library() -> None:
    """Every stage does it before it works."""
    program = (
        "import sys\n"
        "from miseducation.defending.section import DefencesSection\n"
        "from miseducation.project.params import read\n"
        "read(DefencesSection, 'defences').check()\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'cleanlab', 'pandas'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
