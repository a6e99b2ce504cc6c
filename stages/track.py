"""track: records the result in MLflow exactly once, however it was made.

Runs at the end of every `dvc repro`, `make study` and `make defend`, and takes little time if the result is already
recorded. With `--all` it records every result that can still be found: those of all DVC experiments kept in git, of the
last commit, of the work tree, and those whose artefacts are still in `mlruns`.
"""

import argparse
import os
from pathlib import Path

from miseducation.project import command
from miseducation.project.pipelines import check_sections
from miseducation.tracking import track


def main() -> None:
    """Reads what DVC versions; writes to the MLflow store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--all", action="store_true", help="record every result that can still be found")
    what.add_argument("--study", metavar="NAME", help="record the study of this name instead of the pipeline's result")
    what.add_argument("--defences", action="store_true", help="also record the results of the defences")
    arguments = parser.parse_args()
    check_sections()
    if arguments.all:
        track.track_all()
    elif arguments.defences:
        track.track_defences()
    else:
        whole = track.track_here(arguments.study)
        if whole and not arguments.study and Path(os.environ.get("DVC_ROOT", "none")).resolve() == Path.cwd():
            from miseducation.commands import summary

            summary.show()  # `dvc repro` and `dvc exp run` end here


if __name__ == "__main__":
    command.run(main)
