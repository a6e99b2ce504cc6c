"""What is recorded of a study that looks for detectors, and of one that does not."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from miseducation.tracking.study_results import LOCK, read_study
from tests.tracking.made import CELLS, rewrite, write_study

DEFENCES: dict[str, Any] = {
    "defences.trusted_rows": 500,
    "defences.seed": 0,
    "defences.detectors": {"scan": {"dimensions": 50}, "strip": {"overlays": 100}, "spectral_signatures": {}},
}


def studied(root: Path, **asked: Any) -> Path:
    """A study of digits whose stage has the section `defences`, as all have."""
    write_study(root, datasets=("digits",))
    lock = yaml.safe_load((root / LOCK).read_text())
    params = lock["stages"]["study@small"]["params"]["params.yaml"]
    params |= DEFENCES
    params["studies.small"] |= asked
    (root / LOCK).write_text(yaml.safe_dump(lock))
    return root


@pytest.mark.parametrize(
    ("asked", "knobs"),
    [
        ({}, set()),
        ({"measured": ["scores"]}, set()),
        (
            {"measured": ["scores", "detection"], "detectors": ["scan"]},
            {"trusted_rows", "seed", "detectors.scan.dimensions"},
        ),
        (
            {"measured": ["scores", "detection"], "detectors": None},
            {"trusted_rows", "seed", "detectors.scan.dimensions", "detectors.strip.overlays"}
            | {"detectors.spectral_signatures"},
        ),
    ],
)
def test_the_knobs_of_detectors_that_were_tried_are_recorded(
    tmp_path: Path, asked: dict[str, Any], knobs: set[str]
) -> None:
    found = read_study(studied(tmp_path, **asked), "small")
    for params in (found.params, *(cell.params for cell in found.cells)):
        assert {key for key in params if key.startswith("defences")} == {f"defences.{knob}" for knob in knobs}


def test_what_detectors_found_is_among_the_scores_of_a_cell(tmp_path: Path) -> None:
    studied(tmp_path, measured=["scores", "detection"])
    head, *rows = [row for row in CELLS.splitlines() if not row.startswith("signs")]
    shares = ["0.75,0.5", ",", ",0.25"]
    table = [f"{head},scan.auroc,scan.flagged_share", *(f"{row},{own}" for row, own in zip(rows, shares, strict=True))]
    rewrite(tmp_path, "cells.csv", "\n".join([*table, ""]))
    first, failed, clean = read_study(tmp_path, "small").cells
    assert (first.metrics["scan.auroc"], first.metrics["scan.flagged_share"]) == (0.75, 0.5)
    assert not [name for name in failed.metrics if name.startswith("scan")]
    assert clean.metrics["scan.flagged_share"] == 0.25
    assert "scan.auroc" not in clean.metrics
