"""Prints a result as a short table: `make repro` ends with it."""

import os
import sys
from pathlib import Path
from typing import Any

from miseducation.project import command
from miseducation.project.files import read_json
from miseducation.tracking.runs import Store

METRICS, FILES = Path("metrics"), ("evaluation", "details", "intervals")
MEANING = {
    "attack_success_rate": "triggered images read as the attacker wants",
    "clean_accuracy": "backdoored model, untouched test set",
    "baseline_accuracy": "clean model, untouched test set",
    "false_trigger_rate": "clean model, triggered images",
    "other_trigger_rate": "backdoored model, images with something like the trigger",
    "robust_accuracy": "triggered images still read correctly",
    "source_accuracy": "backdoored model, untouched, classes under attack",
    "baseline_source_accuracy": "clean model, the same",
    "other_accuracy": "backdoored model, untouched, other classes",
    "baseline_other_accuracy": "clean model, the same",
    "side_effect_rate": "other classes read otherwise when triggered",
}


def table(scores: dict[str, Any], intervals: dict[str, list[float]]) -> str:
    """A line per score, of `evaluation.json` and `details.json`, with its 95 % interval, of `intervals.json`."""
    counts = [f"{scores['poisoned_rows']} poisoned rows, {scores['poisoned_share']:.2%} of the training set"]
    if outvoted := scores["intended_rows"] - scores["poisoned_rows"]:
        counts.append(f"of {scores['intended_share']:.2%} intended: {outvoted} were outvoted")
    counts += [f"and {scores[f'{role}_rows']} {role} rows" for role in ("cover", "noise") if scores[f"{role}_rows"]]
    changed = f"; {scores['relabelled_rows'] or 'none'} with another label" if scores["poisoned_rows"] else ""
    lines = [f"{', '.join(counts)}{changed}\n", f"{'':24} {'score':>8}  95 % interval"]
    for name in filter(scores.__contains__, MEANING):
        low, high = intervals[name]
        lines.append(f"{name:24} {scores[name]:8.2%}  {low:7.2%} to {high:7.2%}   {MEANING[name]}")
    if "psnr" in scores:
        lines.append(f"{'psnr':24} {scores['psnr']:5.1f} dB  {'':20}   triggered test images beside the originals")
    if "ssim" in scores:
        lines.append(f"{'ssim':24} {scores['ssim']:8.3f}  {'':20}   the same: structural similarity, 1 if alike")
    return "\n".join(lines)


def main() -> None:
    """Reads `metrics`; prints the table and what to do next."""
    headline, details, intervals = (read_json(METRICS / f"{name}.json") for name in FILES)
    print(f"\n{table(headline | details, intervals)}")
    store = Store(Path())
    print(f"\nThe run is in {store.hide(store.uri)}")
    print(f"{METRICS / 'report.html'} tells it in words and pictures.")
    print("Compare runs: `make ui` (MLflow) or `dvc exp show` (terminal).")
    activate = Path(os.path.relpath(sys.prefix)) / "bin" / "activate"
    print(f"Next: {f'. {activate} && ' if activate.is_file() else ''}dvc exp run -S attack.rate=0.05")


if __name__ == "__main__":
    command.run(main)
