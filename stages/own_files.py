"""The files that a user names in `params.yaml`: where they are, and whether they are still what they were.

DVC watches the files that `dvc.yaml` names. It cannot watch a path that stands in a knob, so `data/raw` is a snapshot
of such files, and its `source.json` holds their digest. The stage `track` compares it with the files of the day.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

KEY = "own_files"  # of the digest in source.json
# Left behind by file managers and archive programs; not the user's own. So is whatever begins with a dot.
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


def locate(path: Path | str) -> Path:
    """The place that a knob names, from the root of the project: also where an experiment runs in a copy of it."""
    return Path(os.environ.get("DVC_ROOT", ".")) / Path(path).expanduser()


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is to be passed over."""
    return name.startswith(".") or name.lower() in LITTER


def listing(root: Path) -> list[str]:
    """The files below a folder, sorted, as names relative to it with slashes; for a file, itself: an empty name.

    A folder that cannot be read is listed as if it were a file, lest it be overlooked.
    """
    if root.is_file():
        return [""]
    found: list[str] = []

    def add(path: str | Path) -> None:
        found.append(Path(path).relative_to(root).as_posix())

    for folder, folders, files in os.walk(root, onerror=lambda error: add(error.filename), followlinks=True):
        # A link to a folder above would lead round in circles.
        here = Path(folder).resolve()
        folders[:] = [
            name for name in folders if not is_litter(name) and not here.is_relative_to((here / name).resolve())
        ]
        for name in files:
            if not is_litter(name):
                add(Path(folder) / name)
    return sorted(found)


def digest(root: Path) -> str:
    """The SHA-256 of what `sha256sum` prints for the files below `root`; times and permissions do not matter."""
    whole = hashlib.sha256()
    for name in listing(root):
        try:
            with (root / name).open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:  # a link to nowhere, or not ours to read: a change too, once it is mended
            content = "unreadable"
        whole.update(f"{content}  {name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def changed(source: Path, params: dict[str, Any]) -> str | None:
    """The path of the user's files if `data/raw` was made from others than are there now, else None.

    None also where no such files were used, and where they are not there at all, as in a colleague's clone.

    Args:
        source: The file `data/raw/source.json`.
        params: What `params.yaml` holds.
    """
    record = json.loads(source.read_text(encoding="utf-8")) if source.is_file() else {}
    if KEY not in record:
        return None
    path = ((params.get("datasets") or {}).get(record["name"]) or {}).get("path")
    if not path or not locate(path).exists() or digest(locate(path)) == record[KEY]:
        return None
    return str(path)
