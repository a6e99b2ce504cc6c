"""fetch: gets the data sets of a study, as `download` gets the pipeline's."""

import argparse
import shutil
from pathlib import Path

from miseducation import datasets
from miseducation.check import check_params
from miseducation.project import command
from miseducation.studies.section import read_study

STUDIED = Path("data/studies")


def main() -> None:
    """Reads `params.yaml`; writes `data/studies/<study>/<data set>`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="a section studies.<name> of params.yaml")
    study = parser.parse_args().study
    wanted = [STUDIED / study / name for name in read_study(study).datasets]
    for folder in wanted:
        datasets.get(folder.name, folder)
    for old in {*(STUDIED / study).iterdir()} - {*wanted}:  # of a data set that is no longer in the study
        shutil.rmtree(old)


if __name__ == "__main__":
    command.run(main, check=check_params)
