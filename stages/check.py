"""check: stops before any work is done if `params.yaml` names a part that does not exist or holds a wrong value."""

from pathlib import Path

from miseducation.check import check_params
from miseducation.project import command
from miseducation.project.files import write_text


def main() -> None:
    """Reads `params.yaml`; writes `data/checked`, which the first stage waits for."""
    write_text(Path("data/checked"), "params.yaml was looked through\n")
    print("params.yaml has no mistakes")


if __name__ == "__main__":
    command.run(main, check=check_params)
