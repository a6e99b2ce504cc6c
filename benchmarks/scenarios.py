"""Scenarios with several seeds each: `make scenarios`, or `make scenarios NAME=gtsrb` for one of them.

Runs each as DVC experiments, as `make scenario` does, and prints the mean and the standard deviation of their scores.
The seed draws the poisoned rows, the initial weights and the order of training; the data stay the same.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks import tables
from miseducation.commands import scenario
from miseducation.project.params import read_all

# All but the article's, which `make article` runs, and gtsrb, which takes longer than all others together.
NAMES = ("street-signs", "mnist-all-to-all", "fashion-mnist", "fashion-mnist-5pct")
SEEDS = (1, 2, 3, 4, 5)
TABLE = Path("benchmarks/scenarios.csv")
SCORES = {
    "attack_success_rate": "attack success rate",
    "clean_accuracy": "clean accuracy",
    "clean_accuracy_drop": "below the clean model",
    "source_accuracy": "attacked classes, untouched",
    "baseline_source_accuracy": "the same, clean model",
    "side_effect_rate": "side effects",
}


def run(name: str, seed: int, own: Sequence[str]) -> dict[str, float | str]:
    """Runs a scenario with a seed, and settings of one's own, and returns its scores."""
    changes = scenario.settings(read_all(scenario.SCENARIOS / f"{name}.yaml"), read_all())
    scores, _ = scenario.run(f"{name}-seed{seed}", changes | {"seed": seed}, own, quiet=True)
    return {"scenario": name, "seed": seed, **scores}


def table(results: pd.DataFrame) -> str:
    """A Markdown table: a line per scenario, with mean ± standard deviation in percent."""
    lines = []
    for name, group in results.groupby("scenario", sort=False):
        cells = {
            meaning: f"{100 * group[score].mean():.2f} ± {100 * group[score].std():.2f} %"
            for score, meaning in SCORES.items()
            if group[score].notna().all()  # all-to-all leaves no class that could suffer side effects
        }
        lines.append({"scenario": f"`{name}`", **cells})
    return tables.markdown(pd.DataFrame(lines))


def main() -> None:
    """Runs what is asked for, renews its rows in `benchmarks/scenarios.csv`, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="scenario", help=f"default: {', '.join(NAMES)}")
    scenario.add_settings(parser)
    given = parser.parse_args()
    results = pd.DataFrame([run(name, seed, given.settings) for name in given.names for seed in SEEDS])
    tables.renew(TABLE, results, "scenario")
    print(f"\n{table(results)}\n\nEach run: {TABLE}, `dvc exp show`, `make ui`.")


if __name__ == "__main__":
    main()
