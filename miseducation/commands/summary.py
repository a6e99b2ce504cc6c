"""Prints a result as a short table, where to find the rest, and what to do next."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from miseducation.project import command
from miseducation.project.foreign import read_json
from miseducation.tracking.checks import IncompleteError
from miseducation.tracking.locks import changed_params, read_lock, read_params
from miseducation.tracking.pipeline_results import LOCK
from miseducation.tracking.runs import Store

METRICS, FILES = Path("metrics"), ("evaluation", "details", "intervals")
MORE = 0.05  # the rate to try next
MEANING = {
    "attack_success_rate": "triggered images read as the attacker wants",
    "clean_accuracy": "backdoored model, untouched test set",
    "baseline_accuracy": "clean model, untouched test set",
    "false_trigger_rate": "clean model, triggered images",
    "other_trigger_rate": "backdoored model, images with something similar to the trigger",
    "robust_accuracy": "triggered images still read correctly",
    "source_accuracy": "backdoored model, untouched images of attacked classes",
    "baseline_source_accuracy": "clean model, the same",
    "other_accuracy": "backdoored model, untouched images of other classes",
    "baseline_other_accuracy": "clean model, the same",
    "side_effect_rate": "images of other classes that the trigger makes it read differently",
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
        lines.append(
            f"{'psnr':24} {scores['psnr']:5.1f} dB  {'':20}   triggered test images compared with the originals"
        )
    if "ssim" in scores:
        lines.append(f"{'ssim':24} {scores['ssim']:8.3f}  {'':20}   the same: structural similarity, 1 if identical")
    return "\n".join(lines)


def show() -> None:
    """Reads `metrics`; prints the table."""
    headline, details, intervals = (read_json(METRICS / f"{name}.json") for name in FILES)
    print(f"\n{table(headline | details, intervals)}\n", flush=True)


def main() -> None:
    """Reads `metrics`, `params.yaml` and DVC's record; prints the table and what to do next."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--next", action="store_true", help="leave out the table, which `dvc repro` has printed")
    if parser.parse_args().next:
        print()
    else:
        show()
    try:
        stages = read_lock(Path(), LOCK)
        changed, rate = changed_params(stages, Path()), read_params(stages).get("attack.rate")
    except IncompleteError:  # DVC's record is lost, or of a version to come
        changed, rate = [], None
    if changed:
        told = f"{changed[0]} has changed in params.yaml since then; `dvc repro` updates the result"
        print(f"warning: {told}", file=sys.stderr, flush=True)
    store = Store(Path())
    print(f"The run is in {store.hide(store.uri)}")
    print(f"{METRICS / 'report.html'} shows the result in words and pictures.")
    print("Compare runs: `make ui` (MLflow) or `dvc exp show` (terminal).")
    print(f"Next: {_next(rate)}")


def _next(rate: object) -> str:
    """More poison; where that has just been tried, the other side."""
    if rate == MORE:
        return "`make defend QUICK=1` (would anyone have noticed?)"
    activate = Path(os.path.relpath(sys.prefix)) / "bin" / "activate"
    there = os.environ.get("VIRTUAL_ENV") == sys.prefix or not activate.is_file()
    return f"{'' if there else f'. {activate} && '}dvc exp run -S attack.rate={MORE}"


if __name__ == "__main__":
    command.run(main)
