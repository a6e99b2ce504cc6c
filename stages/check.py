"""check: stops before any work is done if `params.yaml` names a part that does not exist or holds a wrong value."""

from miseducation.check import check_params
from miseducation.project import command

if __name__ == "__main__":
    command.run(check_params)
