"""Checks a study before DVC runs it, as DVC's own messages would be about other things: `make study NAME=…`."""

import sys

from miseducation.check import check_params
from miseducation.project import command
from miseducation.studies.section import read_study


def main() -> None:
    """Raises an `InputError` if there is no such study, or something in `params.yaml` is wrong."""
    read_study(sys.argv[1] if len(sys.argv) > 1 else "")
    check_params()


if __name__ == "__main__":
    command.run(main)
