"""What the defences made of a result, as it lies in a folder: DVC's record of it, and their tables."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from miseducation.project.foreign import read_table
from miseducation.tracking import checks, notes, pipeline_models, results
from miseducation.tracking.checks import MalformedError
from miseducation.tracking.identity import LATER
from miseducation.tracking.locks import Stage, changed_params, read_lock, read_outputs, read_params
from miseducation.tracking.pipeline_results import read_result
from miseducation.tracking.results import IncompleteError, Result

LOCK = "pipelines/defences/dvc.lock"
TABLES = "metrics/defences/"
METHODS = f"{TABLES}methods"
DETECTION, MODELS = f"{TABLES}detection.csv", f"{TABLES}models.csv"
KINDS = "detectors", "scanners", "repairs"
ROWS = "rows"  # the kind of detector whose scores need no more than its name
AGAIN = "`make defend` updates them"
OF = "miseducation.attack"  # the tag that holds the key of the attack's result


def read_defences(folder: Path) -> Result:
    """Reads what the defences made of the result in a folder.

    Raises:
        IncompleteError: If they have not run, or not on this result.
        MalformedError: If what is read is none of our results.
    """
    attack, stages = read_result(folder), read_lock(folder, LOCK)
    if "compare" not in stages:
        raise IncompleteError("the defences have not run yet")
    # DVC forgets no stage: those of defences that params.yaml no longer names stay in its record.
    named = checks.mapping(stages["compare"].params.get("defences"), f"{LOCK}: defences")
    names = {name for kind in KINDS for name in checks.mapping(named.get(kind), f"{LOCK}: {kind}")}
    stages = {
        name: stage
        for name, stage in stages.items()
        if name == "compare" or name.startswith("baseline@") or name.partition("@")[2] in names
    }
    hashes = read_outputs(stages)
    _check_current(stages, attack.hashes | hashes)
    if missing := [path for path in (DETECTION, MODELS) if path not in hashes]:
        raise MalformedError(f"{LOCK} has no output {missing[0]}")
    tables = {path: md5 for path, md5 in hashes.items() if path.startswith(TABLES)}
    with checks.reading(folder):
        results.check_files(folder, LOCK, {path: tables[path] for path in (DETECTION, MODELS)})
        compared = stages["compare"].deps.get(METHODS)
        if compared != results.digest(folder / METHODS):
            raise IncompleteError(f"{METHODS} has changed since they were compared; `make defend` compares them again")
        metrics = _scores(folder)
        return replace(
            attack,
            paths=results.copied(LOCK, tables),
            name=f"{attack.name}-defences",
            params=attack.params | read_params(stages),
            hashes=attack.hashes | tables,
            counted=attack.counted | {path: md5 for path, md5 in tables.items() if not LATER.fullmatch(path)},
            metrics=metrics,
            history={},
            models=(left := pipeline_models.left_by_defences(attack.params, attack.metrics, hashes)),
            ties=pipeline_models.ties_of_defences(str(attack.params["data.name"]), metrics, left),
            note=notes.of_defences(metrics, tables),
            timing=None,
            tags={OF: attack.key},
            parent=attack.key,
        )


def check_current(folder: Path, names: Collection[str]) -> None:
    """Looks whether what some defences came to is of the result and of the parameters that are there now.

    Raises:
        IncompleteError: If it is not.
        MalformedError: If what is read is none of our results.
    """
    stages = {name: stage for name, stage in read_lock(folder, LOCK).items() if name.partition("@")[2] in names}
    _check_current(stages, read_result(folder).hashes)
    if changed := changed_params(stages, folder):
        raise IncompleteError(f"{changed[0]} has changed since the defences ran; {AGAIN}")


def _check_current(stages: Mapping[str, Stage], known: Mapping[str, str]) -> None:
    """Raises an IncompleteError if a stage depended on other files than those known, MD5s by path."""
    for path, md5 in (dep for stage in stages.values() for dep in stage.deps.items()):
        if known.get(path, md5) != md5:
            raise IncompleteError(f"{path} has changed since the defences ran; {AGAIN}")


def _scores(folder: Path) -> dict[str, float]:
    """`<detector>.<score>`, of inputs `<detector>.inputs.<score>`, of the model left `<defence>.behind.<score>`."""
    found: dict[str, float] = {}
    for row in read_table(folder / DETECTION):
        name, kind = checks.key(row.pop("detector", None), DETECTION), checks.key(row.pop("kind", None), DETECTION)
        row.pop("needs", None)
        found |= _numbers(name if kind == ROWS else f"{name}.{kind}", row, DETECTION)
    for row in read_table(folder / MODELS):
        found |= _numbers(f"{checks.key(row.pop('defence', None), MODELS)}.behind", row, MODELS)
    return found


def _numbers(name: str, row: dict[str, str], path: str) -> dict[str, float]:
    return {f"{name}.{checks.key(key, path)}": checks.parsed(value, key) for key, value in row.items() if value}
