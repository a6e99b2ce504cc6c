"""track_sweep: records the sweep in MLflow exactly once, as `track` does: a run for it, and one under it for each cell.

Runs at the end of every `make sweep`. One that was cut short is completed by the next, or by
`python -m stages.track --all`.
"""

from stages import command
from stages.sweep_results import read_sweep
from stages.track import track_here


def main() -> None:
    """Reads what DVC versions; writes to the MLflow store."""
    track_here(read_sweep)


if __name__ == "__main__":
    command.run(main, check=False)
