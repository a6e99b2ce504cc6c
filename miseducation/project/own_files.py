"""The user's own data set, which `datasets.<name>.path` names: where it is, and whether it is still what it was.

DVC watches the files that `dvc.yaml` names. It cannot watch a path that stands in a knob, so `data/raw` is a snapshot
of such a data set, and its `source.json` holds the digest of all its files. The stage `track` compares it with the
files of the day.

No other file that a knob names is watched: neither the original files in `datasets.<name>.folder`, which have to match
a checksum whenever they are read, nor an attack's, such as `attacks.sticker.picture`. They are only located here.
"""

import hashlib
import json
import os
from contextlib import suppress
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

    Links are followed, except one back to a folder on the way to it, or to what that lies in. Each way counts by
    itself: two names may well stand for one folder, and which of them the disk lists first must not matter.

    A folder that cannot be read is listed as if it were a file, lest it be overlooked.
    """
    if root.is_file():
        return [""]
    found: list[str] = []
    ways = {os.fspath(root): [root.resolve()]}  # the folders from the root to this one, without links in their names

    def add(path: str | Path) -> None:
        found.append(Path(path).relative_to(root).as_posix())

    for folder, folders, files in os.walk(root, onerror=lambda error: add(error.filename), followlinks=True):
        way = ways.pop(folder)
        for name in folders.copy():
            path = os.path.join(folder, name)  # noqa: PTH118  # as os.walk calls it in turn
            place = Path(path).resolve()
            if is_litter(name) or any(passed.is_relative_to(place) for passed in way):
                folders.remove(name)
            else:
                ways[path] = [*way, place]
        for name in files:
            if not is_litter(name):
                add(Path(folder) / name)
    return sorted(found)


def digest(root: Path) -> str:
    """The SHA-256 of what `sha256sum` prints for the files below `root`; times and permissions do not matter."""
    whole = hashlib.sha256()
    for name in listing(root):
        content = "unreadable"  # a link to nowhere, or not ours to read: a change too, once it is mended
        with suppress(OSError):
            if (root / name).is_file():  # to open a pipe would be to wait for whoever writes to it
                with (root / name).open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{content}  {name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def changed(source: Path, params: dict[str, Any]) -> str | None:
    """The path of a data set's files if those now there are others than in the record `source.json`, else None.

    None also where no such files were used, where they are not there at all, as in a colleague's clone, and where
    `params.yaml` holds no path: the stage that reads the section says so.
    """
    record = json.loads(source.read_text(encoding="utf-8")) if source.is_file() else {}
    if KEY not in record:
        return None
    path: Any = params
    for key in ("datasets", record["name"], "path"):
        path = path.get(key) if isinstance(path, dict) else None
    if not path or not isinstance(path, str):
        return None
    try:
        there = locate(path).exists()
    except (OSError, RuntimeError):  # not ours to see, too long, or in the home of a user who does not exist
        return None
    return path if there and digest(locate(path)) != record[KEY] else None
