"""Runs a scenario: a named set of parameters, as an ordinary DVC experiment of that name. `make scenario NAME=…`.

The work tree stays as it is; `dvc exp apply <name>` brings an experiment's parameters and results there.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miseducation.commands.summary import FILES, table
from miseducation.errors import InputError
from miseducation.project.command import run as run_command
from miseducation.project.git import baseline, experiments, keep_experiment
from miseducation.project.interruptions import attend
from miseducation.project.params import PARAMS, read_all
from miseducation.project.settings import knobs, setting

SCENARIOS = Path("scenarios")


def names() -> list[str]:
    """The names of all scenarios: the files in `scenarios`."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def settings(scenario: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """What a scenario, nested as `params.yaml` is, changes of the parameters, by key: `{"attack.rate": 0.05, …}`.

    Raises:
        InputError: If the scenario holds a key that is not in the parameters.
    """
    known, wanted = dict(knobs(params)), dict(knobs(scenario))
    if unknown := sorted(wanted.keys() - known.keys()):
        raise InputError(f"the scenario sets {', '.join(unknown)}, which {PARAMS} does not have")
    return {key: value for key, value in wanted.items() if value != known[key]}


def command(name: str, changes: dict[str, Any], own: Sequence[str] = ()) -> list[str]:
    """The DVC command that runs an experiment of this name with these parameters.

    Args:
        name: The experiment's.
        changes: Values by key.
        own: The user's settings, `key=value` as DVC takes them; they have the last word.
    """
    kept = changes.keys() - {each.partition("=")[0] for each in own}
    settings = [*(setting(key, value) for key, value in changes.items() if key in kept), *own]
    return ["dvc", "exp", "run", "--temp", "--name", name, *(part for each in settings for part in ("-S", each))]


def run(
    name: str, changes: dict[str, Any], own: Sequence[str] = (), *, quiet: bool = False
) -> tuple[dict[str, Any], dict[str, list[float]]]:
    """Runs an experiment beside the work tree. If it ends well, it replaces an earlier one of this name and commit.

    What that one computed stays in DVC's cache, and its run in MLflow. If `quiet`, what the stages print is only shown
    if one fails. For the other arguments see `command`.

    Returns:
        Its scores and their intervals, as in `metrics/evaluation.json` and `details.json`, and in `intervals.json`.

    Raises:
        InputError: If there is no git commit to start from, or DVC does not keep the experiment.
    """
    from dvc.repo import Repo

    start = baseline()
    earlier = experiments().get((start, name))
    try:
        if earlier:
            _run(["dvc", "exp", "remove", name], quiet=quiet)
        _run(command(name, changes, own), quiet=quiet)
        commit = experiments().get((start, name))
        if not commit:
            raise InputError(f"DVC ran the experiment {name}, but did not keep it; its output above may say why")
    except BaseException:
        if earlier:
            keep_experiment(start, name, earlier)
        raise
    # By commit, as a branch may have the same name. Not metrics_show, which wants them in the work tree, too; nor
    # dvc.api.read, which finds nothing where the project is a folder of a larger repository.
    with Repo() as repo, repo.switch(commit):
        headline, details, intervals = (json.loads(repo.dvcfs.read_text(f"metrics/{file}.json")) for file in FILES)
    return headline | details, intervals


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Gives a command line DVC's option for parameters of one's own; they are in `settings` afterwards."""
    told = "sets a parameter, as in dvc exp run; takes precedence over the scenario"
    parser.add_argument("-S", dest="settings", action="append", default=[], metavar="key=value", help=told)


def main() -> None:
    """Reads `scenarios/<name>.yaml` and `params.yaml`; prints the commands, runs them, and prints the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="", help="a file in scenarios/, without .yaml")
    add_settings(parser)
    given = parser.parse_args()
    name = given.name
    if name not in names():
        wrong = f"{name!r} is unknown" if name else "NAME=… is missing"
        raise InputError(f"{wrong}; the scenarios are:\n" + "\n".join(map(_describe, names())))
    scores, intervals = run(name, settings(read_all(SCENARIOS / f"{name}.yaml"), read_all()), given.settings)
    print(f"\n{name}: {table(scores, intervals)}\n")
    print("Compare with others: `make ui` (MLflow) or `dvc exp show` (terminal).")
    print(f"To bring its parameters, pictures and models into the work tree: dvc exp apply {name}")


def _describe(name: str) -> str:
    first = (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
    return f"  {name:20} {first.removeprefix('# ')}"


def _run(arguments: list[str], *, quiet: bool) -> None:
    print("$", shlex.join(arguments).replace(" -S ", " \\\n    -S "), end="\n" if quiet else "\n\n", flush=True)
    status, output = attend(arguments, quiet=quiet)
    if status:
        sys.exit(output if quiet else status)


if __name__ == "__main__":
    run_command(main)
