"""Looks at a study before DVC does, whose messages speak of other things: `make study NAME=…`."""

import sys

from miseducation.check import check_params
from miseducation.errors import InputError
from miseducation.studies.section import read_study


def main() -> None:
    """Ends with one line if there is no such study, or something in `params.yaml` is wrong."""
    try:
        read_study(sys.argv[1] if len(sys.argv) > 1 else "")
        check_params()
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
