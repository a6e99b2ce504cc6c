"""What MLflow says of a result, in Markdown: the headline, and a picture or two."""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from miseducation.tracking import pipeline_models
from miseducation.tracking.results import Result

RUN, EXPERIMENT = "RUN-ID", "EXPERIMENT-ID"  # stand in a note where ids are to stand, which come with the run
REPORT = "metrics/report.html"
PICTURES = ("metrics/poisoned_samples.png", "metrics/confusion.png")
BEHIND = ".behind."
DOSE = re.compile(r"dose_(\d+)/(.+)")
MOST = 30  # lines
ROWS = {
    "untouched images read correctly": ("clean_accuracy", "baseline_accuracy"),
    "triggered images read as the attacker wants": ("attack_success_rate", "false_trigger_rate"),
    "triggered images still read correctly": ("robust_accuracy", ""),
}


def of_pipeline(result: Result) -> str:
    """The note of a run of the pipeline."""
    scores, params = result.metrics, result.params
    lines = []
    if {"poisoned_rows", "poisoned_share", "attack_success_rate"} <= scores.keys():
        lines.append(
            f"**{scores['poisoned_rows']:,.0f} poisoned rows, {scores['poisoned_share']:.2%} of the training set: "
            f"{scores['attack_success_rate']:.2%} of the triggered test images are read as the attacker wants.**\n"
        )
    lines += ["| | backdoored model | clean model |", "|---|---|---|"]
    lines += [f"| {what} | {' | '.join(_share(scores, name) for name in names)} |" for what, names in ROWS.items()]
    when = "" if result.timing is None else f", trained in {result.timing.seconds:.1f} s"
    lines.append(f"\n{code(pipeline_models.attack(params))}, seed {params['seed']}{when}.")
    if REPORT in result.hashes:
        page = f"#/experiments/{EXPERIMENT}/runs/{RUN}/artifacts/{REPORT}?workflowType=machine_learning"
        lines.append(f"\n[The full report]({page}) is the artefact `{REPORT}`.")
    return "\n".join([*lines, "", *pictures(path for path in PICTURES if path in result.hashes)])


def of_defences(scores: Mapping[str, float], paths: Iterable[str]) -> str:
    """The note of a run that tells what the defences made of a result."""
    left = {name.partition(BEHIND)[0]: name for name in scores if name.endswith(f"{BEHIND}attack_success_rate")}
    lines = ["| model after the defence | attack success | clean accuracy |", "|---|---|---|"]
    for defence, name in left.items():
        accuracy = _share(scores, f"{defence}{BEHIND}clean_accuracy")
        lines.append(f"| {code(defence)} | {_share(scores, name)} | {accuracy} |")
    return "\n".join([*lines, "", *pictures(path for path in paths if path.endswith(("roc.png", "triggers.png")))])


def of_study(scores: Mapping[str, float], paths: Iterable[str]) -> str:
    """The note of a study's run."""
    lines = [f"**{scores['cells']} models, of which {scores['failed_cells'] or 'none'} failed.**", ""]
    for name, rate in scores.items():
        if found := DOSE.fullmatch(name):
            lines.append(f"- {code(found[2])}: {found[1]} % of the attack succeeds at a rate of {rate:.3g}")
    return "\n".join([*lines[:MOST], "", *pictures([path for path in paths if path.endswith(".png")][:2])])


def pictures(paths: Iterable[str]) -> list[str]:
    """Markdown that shows some of the run's pictures."""
    return [f"![{path.rpartition('/')[2].removesuffix('.png')}]({_address(path)})" for path in paths]


def _share(scores: Mapping[str, float], name: str) -> str:
    if name not in scores:
        return ""
    low, high = (scores.get(f"interval_{end}/{name}") for end in ("low", "high"))
    return f"{scores[name]:.2%}" + ("" if low is None or high is None else f" ({low:.2%} to {high:.2%})")


def _address(path: str) -> str:
    return f"get-artifact?path={quote(path, safe='')}&run_uuid={RUN}"


def code(text: str) -> str:
    """Shown as it stands, whatever a user called it."""
    return f"`{' '.join(text.replace('`', ' ').split())}`"
