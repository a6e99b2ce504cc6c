"""Which of the parameters that DVC recorded of a study it has a part in: DVC records the knobs of all parts."""

from collections.abc import Iterable, Mapping
from typing import Any

from miseducation.tracking.checks import listing, mapping

MEASURED = "detection"  # the measurement that detectors are for


def only(params: Mapping[str, Any], section: str, names: Iterable[str]) -> dict[str, Any]:
    """The parameters without what others than these have in a section."""
    kept = set(names)
    return {
        key: value
        for key, value in params.items()
        if not key.startswith(f"{section}.") or key.removeprefix(f"{section}.").split(".")[0] in kept
    }


def of_detectors(given: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the section `defences` only as far as the study measures what they would have noticed."""
    measured = listing(asked.get("measured"), "what it measures")
    others = {key: value for key, value in given.items() if not key.startswith("defences.")}
    if MEASURED not in measured:
        return others
    knobs = mapping(given.get("defences.detectors"), "defences.detectors")
    tried = listing(asked.get("detectors"), "its detectors") or [*knobs]
    return {**given, "defences.detectors": {name: knobs[name] for name in knobs if name in tried}}
