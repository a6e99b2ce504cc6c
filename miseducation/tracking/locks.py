"""DVC's record of what ran, which may be a stranger's: the one place where it is looked through."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from miseducation.project.messages import shown
from miseducation.project.pipelines import load_yaml
from miseducation.tracking import checks
from miseducation.tracking.checks import FILES, IncompleteError, MalformedError

NO_RESULT = ("check", "track")  # stages that produce nothing


class Stage(NamedTuple):
    """What DVC recorded of a stage.

    Attributes:
        deps: The MD5 of its dependencies, by path, of those that have one.
        outs: The MD5 of its outputs, by path.
        params: Sections or knobs of `params.yaml`, by their dotted keys.
    """

    deps: Mapping[str, str] = {}
    outs: Mapping[str, str] = {}
    params: Mapping[str, Any] = {}


def read_lock(folder: Path, lock: str) -> dict[str, Stage]:
    """The stages in DVC's record that produce something.

    Raises:
        IncompleteError: If there is no such file.
        MalformedError: If DVC cannot have written it.
    """
    with checks.reading(folder):
        if not (folder / lock).is_file():
            raise IncompleteError(f"there is no {lock} yet")
        content = load_yaml(folder / lock)
    given = checks.mapping(content.get("stages"), f"{lock}: stages")
    named = {name: stage for name, stage in given.items() if name.partition("@")[0] not in NO_RESULT}
    stages = {name: _stage(stage, f"{lock}: {shown(name)}") for name, stage in named.items()}
    files = [lock, *chain(*(stage.outs for stage in stages.values()))]
    if len(files) > FILES:  # before it is looked what they lie in
        raise MalformedError(f"{lock} has more than {FILES} outputs")
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    if len({*files}) < len(files) or not folders.isdisjoint(files):
        raise MalformedError(f"{lock} has two outputs in one place")
    return stages


def read_outputs(stages: Mapping[str, Stage]) -> dict[str, str]:
    """DVC's MD5 of each output, by path."""
    return {path: md5 for stage in stages.values() for path, md5 in stage.outs.items()}


def read_params(stages: Mapping[str, Stage]) -> dict[str, Any]:
    """The parameters that the stages read, flattened.

    Raises:
        IncompleteError: If two stages read different values; see also `flatten`.
    """
    params: dict[str, Any] = {}
    for stage in stages.values():
        for section, content in stage.params.items():
            for key, value in flatten(section, content).items():
                if params.setdefault(key, value) != value:
                    raise IncompleteError(f"{key} has changed between two stages; `dvc repro` updates both")
    return params


def changed_params(stages: Mapping[str, Stage], folder: Path) -> list[str]:
    """The parameters that `params.yaml` no longer holds as the stages read them; see `read_params`."""
    now = flatten("params", load_yaml(folder / "params.yaml"))
    return [key for key, value in read_params(stages).items() if now.get(f"params.{key}") != value]


def flatten(key: str, value: Any) -> dict[str, Any]:
    """The leaves of nested mappings, by the dotted keys of their places.

    Raises:
        MalformedError: If MLflow does not take a key; long ones are not even made for all that is in them.
    """
    checks.key(key, "the parameters")
    if not isinstance(value, dict) or not value:
        return {key: value}
    return {name: leaf for part, inner in value.items() for name, leaf in flatten(f"{key}.{part}", inner).items()}


def _stage(given: Any, what: str) -> Stage:
    stage = checks.mapping(given, what)
    deps, outs = (checks.listing(stage.get(kind), f"{what}: {kind}") for kind in ("deps", "outs"))
    deps = [checks.mapping(each, f"{what}: a dependency") for each in deps]
    params = checks.mapping(stage.get("params"), f"{what}: params").get("params.yaml")
    found = dict([checks.output(each, "path", what) for each in outs])
    if len(found) < len(outs):
        raise MalformedError(f"{what} has two outputs in one place")
    return Stage(
        {str(dep.get("path")): str(dep["md5"]) for dep in deps if "md5" in dep},
        found,
        checks.plain(checks.mapping(params, f"{what}: params"), f"{what}: params"),
    )
