"""baseline: drops rows by the truth, or by chance, and trains again: what every cleanse is to be compared with."""

import argparse
from pathlib import Path

from miseducation.check import check_params
from miseducation.defending.section import BASELINES
from miseducation.project import command
from miseducation.project.files import write_array, write_json

DATA, MODELS, METRICS = Path("data/defences"), Path("models/cleansed"), Path("metrics/defences/methods")


def main() -> None:
    """Reads data and models; writes scores, suspicions and the model that is left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=BASELINES, help="the truth, or as many rows at random")
    name = parser.parse_args().name

    from miseducation import networks
    from miseducation.defending import trial
    from miseducation.defending.case import read_case

    # Of the clean model there is nothing to tell: nobody touched a row of it, so there is none to drop.
    tried = trial.baseline(name, read_case("backdoored"))
    for file, array in tried.arrays.items():
        write_array(DATA / name / f"{file}.npy", array)
    networks.save(tried.network, MODELS / name)
    write_json(METRICS / f"{name}.json", {"needs": ["truth"], **tried.scores})
    print(f"{name}: dropped {tried.scores['model']['removed_rows']} rows")


if __name__ == "__main__":
    command.run(main, check=check_params)
