"""The pipelines, as `dvc.yaml` and `pipelines/<name>/dvc.yaml` describe them to DVC."""

from pathlib import Path
from typing import Any

from miseducation.errors import InputError
from miseducation.project.yaml12 import load_yaml as load_yaml


def pipelines(root: Path = Path()) -> list[Path]:
    """Every `dvc.yaml` below the root of the project, the ordinary pipeline's first."""
    return [path for path in (root / "dvc.yaml", *sorted((root / "pipelines").glob("*/dvc.yaml"))) if path.is_file()]


def stages(path: Path) -> dict[str, dict[str, Any]]:
    """The stages of a `dvc.yaml` by their name; of those that stand for several, what all have in common."""
    return {name: stage.get("do", stage) for name, stage in load_yaml(path)["stages"].items()}


def check_sections() -> None:
    """Refuses, with an `InputError`, a section of `params.yaml` that no stage reads.

    It is a typing error, and the one mistake for which no stage would run and complain. Hence the stage that always
    runs looks for it, too.
    """
    entries = [entry for path in pipelines() for stage in stages(path).values() for entry in stage.get("params", [])]
    known = {entry.partition(".")[0] for entry in entries}
    for section in load_yaml(Path("params.yaml")):
        if section not in known:
            raise InputError(f"params.yaml: {section} is not a known section; known: {', '.join(sorted(known))}")
