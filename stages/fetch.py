"""fetch: gets a data set that attacks are compared on, as `download` gets the pipeline's."""

import argparse
from pathlib import Path

from stages import command, download

COMPARED = Path("data/compared")


def main() -> None:
    """Reads `params.yaml`; writes `data/compared/<name>`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a file of stages/datasets, without .py")
    name = parser.parse_args().name
    download.get(name, COMPARED / name)


if __name__ == "__main__":
    command.run(main)
