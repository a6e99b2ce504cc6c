"""download: gets the data set of `data.name`, checks it, and writes it to `data/raw` as plain arrays."""

from pathlib import Path

from miseducation import datasets
from miseducation.check import check_params
from miseducation.datasets import DataSection
from miseducation.project import command
from miseducation.project.params import read

RAW = Path("data/raw")


def main() -> None:
    """Reads `params.yaml`; writes `data/raw`."""
    datasets.get(read(DataSection, "data").name, RAW)


if __name__ == "__main__":
    command.run(main, check=check_params)
