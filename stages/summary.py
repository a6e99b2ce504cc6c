"""Prints the result of the last run as a short table: `make repro` ends with it."""

from pathlib import Path

from stages.files import read_json
from stages.runs import Store

METRICS = Path("metrics")
MEANING = {
    "attack_success_rate": "triggered images read as the attacker wants",
    "clean_accuracy": "backdoored model, untouched test set",
    "baseline_accuracy": "clean model, untouched test set",
    "false_trigger_rate": "clean model, triggered images",
    "robust_accuracy": "triggered images still read correctly",
}


def main() -> None:
    """Reads `metrics`; prints a line per score with its 95 % confidence interval."""
    scores, intervals = read_json(METRICS / "evaluation.json"), read_json(METRICS / "intervals.json")
    print(f"\n{scores['poisoned_rows']} poisoned rows, {scores['poisoned_share']:.2%} of the training set\n")
    print(f"{'':20} {'score':>8}  95 % interval")
    for name, meaning in MEANING.items():
        low, high = intervals[name]
        print(f"{name:20} {scores[name]:8.2%}  {low:.2%} to {high:.2%}   {meaning}")
    store = Store(Path())
    print(f"\nThe run is in {store.hide(store.uri)}")
    print("Compare runs: `make ui` (MLflow) or `dvc exp show` (terminal).")
    print("Next: dvc exp run -S attack.rate=0.05")


if __name__ == "__main__":
    main()
