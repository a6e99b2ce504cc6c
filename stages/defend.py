"""defend: tries one defence on the backdoored model, and on the clean one, where it has nothing to find."""

import argparse
import time
import warnings
from pathlib import Path
from typing import Any, get_args

from miseducation.check import check_params
from miseducation.defending.section import Kind
from miseducation.errors import InputError
from miseducation.project import command
from miseducation.project.files import write_array, write_json
from miseducation.project.params import read
from miseducation.training.compute import ComputeSection

DATA, MODELS, METRICS = Path("data/defences"), Path("models"), Path("metrics/defences/methods")
AFTER = {"repairs": "repaired", "detectors": "cleansed"}


def attempt(kind: Any, name: str, variant: str) -> tuple[dict[str, dict[str, float]], list[str], list[str]]:
    """Tries the defence on one model, and writes what comes of the backdoored; scores, needs, and what to warn of."""
    from threadpoolctl import threadpool_limits

    from miseducation import networks
    from miseducation.defences import defence
    from miseducation.defending import case, trial

    with warnings.catch_warnings(record=True) as caught, threadpool_limits(read(ComputeSection, "compute").threads):
        warnings.simplefilter("always", UserWarning)
        method = defence(name, kind)
        tried = trial.attempt(method, case.read_case(variant))
    if variant == "backdoored":
        for file, array in tried.arrays.items():
            write_array(DATA / name / f"{file}.npy", array)
        if kind in AFTER:
            networks.save(tried.network, MODELS / AFTER[kind] / name)
    return tried.scores, list(method.needs), [str(each.message) for each in caught]


def main() -> None:
    """Reads data and models, in a process for each model; writes scores, suspicions and the model that is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=get_args(Kind))
    parser.add_argument("name", help="a section of this kind in defences in params.yaml")
    kind, name = vars(parser.parse_args()).values()

    from concurrent.futures.process import BrokenProcessPool

    import joblib

    from miseducation.defending import tables
    from miseducation.project.processes import side_by_side

    begun = time.perf_counter()
    calls = [(kind, name, variant) for variant in ("backdoored", "clean")]
    try:
        both = dict(side_by_side(attempt, calls, processes=min(2, joblib.cpu_count())))
    except BrokenProcessPool:
        raise InputError(f"a process of {name} died; perhaps there was too little memory") from None
    (tried, needs, warned), (control, _, also) = both[0], both[1]
    for text in dict.fromkeys(warned + also):
        warnings.warn(text, stacklevel=1)
    write_json(METRICS / f"{name}.json", {"needs": needs, **tables.compared(tried, control)})
    print(f"{name}: {time.perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    command.run(main, check=check_params)
