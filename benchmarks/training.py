"""How dear is a clean and a backdoored model? Ours beside the ways of a tutorial and of a toolbox: `make bench`.

Each model is trained on one thread in a process of its own (`benchmarks.contestants`), to ≥ 99 % clean accuracy and, if
backdoored, ≥ 95 % attack success rate, or to the contestant's own limit. The order turns round from one repeat to the
next, so that a machine that slows down or speeds up favours no one. Each row stands in `training.<mode>.csv.partial` as
soon as it is measured; after an interruption the same command goes on from there. When all is done it is renamed.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.tables import markdown, spread
from miseducation.project.params import read_all

TABLE = Path("benchmarks/training.csv")
OURS = ("ours", "ours_fast", "ours_float32")  # cheap enough to be repeated more often
CONTESTANTS = (*OURS, "tutorial", "art", "art_small")
MODELS = ("clean", "backdoored")
REPEATS = {"short": 1, "full": 3}
REPEATS_OF_OURS = {"short": 1, "full": 5}
KEY = ["contestant", "model", "seed"]
# What the README says that all of them do.
TASK: dict[str, dict[str, Any]] = {
    "data": {"name": "mnist"},
    "attack": {"name": "badnets", "rate": 0.01, "label_map": "all-to-one", "target": 8},
    "attacks": {"badnets": {"pixels": [[3, 3]], "patch": None, "colour": 255}},
}
POISONED_ROWS = 600


class Task(NamedTuple):
    """One model to train; the number of the repeat is its seed."""

    contestant: str
    model: str
    seed: int


def plan(repeats: dict[str, int]) -> list[Task]:
    """All tasks, given how often each contestant is repeated; every other repeat in the opposite order.

    >>> [task.contestant for task in plan({"a": 2, "b": 1})]
    ['a', 'b', 'a', 'b', 'a', 'a']
    """
    order = [(contestant, model) for model in MODELS for contestant in repeats]
    return [
        Task(contestant, model, seed)
        for seed in range(1, max(repeats.values()) + 1)
        for contestant, model in (order if seed % 2 else reversed(order))
        if seed <= repeats[contestant]
    ]


def run(task: Task, mode: str, jobs: int, folder: Path | None = None) -> dict[str, Any]:
    """Trains one model in a process of its own; in short mode the others are stopped after one epoch.

    The data are those of this project, or of the copy in a folder.
    """
    command = [sys.executable, "-m", "benchmarks.contestants", task.contestant, task.model, "--seed", str(task.seed)]
    if mode == "short" and task.contestant not in OURS:
        command += ["--epochs", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(task[:2])}, seed {task.seed}:\n{done.stderr}")
    return {"mode": mode, "jobs": jobs, **json.loads(done.stdout.splitlines()[-1])}


def measure(tasks: list[Task], mode: str, jobs: int, unfinished: Path) -> pd.DataFrame:
    """Runs what `unfinished` does not have yet, and writes each row there as soon as it is measured."""
    lock, failed = Lock(), Event()
    rows: list[Any] = pd.read_csv(unfinished).to_dict("records") if unfinished.is_file() else []
    rows = [row for row in rows if tuple(row[name] for name in KEY) in tasks]  # the others were asked for another time
    there = {tuple(row[name] for name in KEY) for row in rows}

    def one(task: Task) -> None:
        if failed.is_set():
            return
        try:
            row = run(task, mode, jobs)
        except BaseException:
            failed.set()  # or the next would start before the pool hears of it
            raise
        with lock:
            rows.append(row)
            new = not unfinished.is_file()
            pd.DataFrame([row]).to_csv(unfinished, mode="a", header=new, index=False, lineterminator="\n")
            cost = f"{row['epochs']} epochs, {row['train_cpu_s']:.1f} CPU s"
            scores = f"{row['clean_accuracy']:.2%} / {row['attack_success_rate']:.2%}"
            print(f"{len(rows)}/{len(tasks)} {' '.join(map(str, task))}: {cost}, {scores}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, [task for task in tasks if task not in there]))
    return pd.DataFrame(rows)


def check_task() -> None:
    """Stops if `params.yaml` and the data are not those of the task."""
    given = read_all()
    for section, knobs in TASK.items():
        for name, value in knobs.items():
            if given[section][name] != value:
                sys.exit(f"the task has {section}.{name} = {value}, params.yaml has {given[section][name]}")
    if len(pd.read_csv("data/poisoned/manifest.csv")) != POISONED_ROWS:
        sys.exit("data/poisoned is not what params.yaml asks for; `dvc repro poison` brings it up to date")


def table(results: pd.DataFrame) -> str:
    """A Markdown table: for each contestant and model, and for both models, medians (lowest - highest)."""
    most, total = ["mode", "limit", "peak_rss_mb"], ["epochs", "train_cpu_s", "train_wall_s", "process_cpu_s"]
    how = {**dict.fromkeys(most, "max"), **dict.fromkeys(total, "sum"), "reached": "all"}
    both = results.groupby(["contestant", "seed"], as_index=False).agg(how).assign(model="both")
    groups = dict(list(pd.concat([results, both]).groupby(["model", "contestant"])))
    rows = []
    for model in (*MODELS, "both"):
        for contestant in (name for name in CONTESTANTS if (model, name) in groups):
            group = groups[model, contestant]
            ratios = {f"× {ours}": _ratio(group, groups.get((model, ours))) for ours in OURS[:2]}
            rows.append({"model": model, "contestant": contestant, **ratios, **_row(group)})
    jobs = ", ".join(str(number) for number in sorted(results["jobs"].unique()))
    return f"{markdown(pd.DataFrame(rows))}\n\nMode: {results['mode'].iloc[0]}; measurements side by side: {jobs}."


def _ratio(group: pd.DataFrame, ours: pd.DataFrame | None) -> str:
    if ours is None:
        return "-"
    more = "" if group["reached"].all() else "> "  # it would have cost more to get there
    return f"{more}{group['train_cpu_s'].median() / ours['train_cpu_s'].median():.1f}"


def _row(group: pd.DataFrame) -> dict[str, str]:
    stopped = ~group["reached"] & (group["epochs"] < group["limit"])  # in short mode
    return {
        "training, CPU s": spread(group["train_cpu_s"]),
        "training, wall s": spread(group["train_wall_s"]),
        "process, CPU s": spread(group["process_cpu_s"]),
        "peak memory, MB": spread(group["peak_rss_mb"]),
        "epochs": spread(group["epochs"]),
        "at the target": "1 epoch, not to target" if stopped.any() else f"{group['reached'].sum()} of {len(group)}",
        "clean accuracy, %": spread(group["clean_accuracy"] * 100, digits=2),
        "attack success rate, %": spread(group["attack_success_rate"] * 100, digits=2),
    }


def main() -> None:
    """Measures what is missing, writes `benchmarks/training.csv`, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=REPEATS, default="short", help="short: the others train one epoch each")
    parser.add_argument(
        "--repeats", type=int, help="models of each kind; 1 in short mode, 3 in full mode, and 5 of ours"
    )
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=CONTESTANTS, help="keeps others' rows")
    parser.add_argument("--jobs", type=int, default=1, help="measurements side by side")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run measured")
    arguments = parser.parse_args()
    check_task()
    unfinished = TABLE.with_name(f"training.{arguments.mode}.csv.partial")
    if arguments.fresh:
        unfinished.unlink(missing_ok=True)
    others = arguments.repeats or REPEATS[arguments.mode]
    ours = max(others, REPEATS_OF_OURS[arguments.mode])
    tasks = plan({name: ours if name in OURS else others for name in arguments.contestants})
    results = measure(tasks, arguments.mode, arguments.jobs, unfinished)
    if TABLE.is_file():  # the rows of those that were not to be measured now
        kept = pd.read_csv(TABLE)
        stay = (kept["mode"] == arguments.mode) & ~kept["contestant"].isin(arguments.contestants)
        results = pd.concat([kept[stay], results])
    results.sort_values(KEY).to_csv(TABLE, index=False, lineterminator="\n")
    unfinished.unlink()
    print(f"\n{table(results)}\n\nEach run: {TABLE}")


if __name__ == "__main__":
    main()
