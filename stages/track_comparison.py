"""track_comparison: records the comparison in MLflow exactly once: a run for it, and one under it for each cell.

Runs at the end of every `make attacks`. One that was cut short is completed by the next, or by
`python -m stages.track --all`.
"""

from stages import command
from stages.comparison_results import read_comparison
from stages.track import track_here


def main() -> None:
    """Reads what DVC versions; writes to the MLflow store."""
    track_here(read_comparison)


if __name__ == "__main__":
    command.run(main, check=False)
