"""The user's own files, which knobs name by a path: where they are, and whether they are still what they were.

DVC watches the files that `dvc.yaml` names. It cannot watch a path that stands in a knob, so what a stage makes of
such files holds their digest, lest two triggers make one result: `data/raw` in `source.json`, of
`datasets.<name>.path` and of an unpacked `datasets.gtsrb.folder`; `data/poisoned` in columns of `test_manifest.csv`,
of all paths in `attacks.<name>`; a study in `own_files.json`, of its attacks'. The stage `track` compares the digests
with the files of the day.

Other original files in `datasets.<name>.folder` have to match a checksum whenever they are read, and are only located.
"""

import csv
import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from itertools import islice
from pathlib import Path
from stat import S_ISREG
from typing import Any

from miseducation.errors import InputError
from miseducation.project.messages import cut

KEY = "own_files"  # of the digest in source.json
# Left behind by file managers, archivers and network disks; not the user's own. So is whatever begins with a dot.
LITTER = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}
MOST = 2_000_000  # files of a data set
LARGEST = 10**11  # bytes of a file: a hole of more, which takes no place, is read for many minutes
MOST_AGAIN = 10_000  # folders that are come to by another way than the first


def locate(path: Path | str) -> Path:
    """The place that a knob names, from the root of the project: also where an experiment runs in a copy of it.

    Raises:
        ValueError: If nobody can look there: in the home of a user who does not exist, say.
    """
    try:
        place = Path(os.environ.get("DVC_ROOT", ".")) / Path(path).expanduser()
        place.exists()
    except RuntimeError:
        raise ValueError("there is no user with that name") from None
    except OSError as error:  # not ours to see, or too long
        raise ValueError(f"it cannot be accessed: {error.strerror}") from None
    return place


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is to be passed over."""
    return name.startswith(".") or name.lower() in LITTER


def listing(root: Path) -> list[str]:
    """The files below a folder, sorted, as names relative to it with slashes; for a file, itself: an empty name.

    Links are followed, except one back to a folder on the way to it, or to what that lies in. Each way counts by
    itself: two names may well stand for one folder, and which of them the disk lists first must not matter.

    A folder that cannot be read is listed as if it were a file, lest it be overlooked.

    Raises:
        InputError: If there is no end of files, or of ways: a few folders full of links to each other have billions.
    """
    if root.is_file():
        return [""]
    found: list[str] = []
    # Names to look into, and the folders from the root to there, by their places.
    waiting: list[tuple[str, tuple[str, ...]]] = [("", (_place(root),))]
    look, seen, again = cache(_inside), {_place(root)}, 0
    while waiting:
        name, way = waiting.pop()
        try:
            inside = look(way[-1])
        except OSError:
            found.append(name or ".")
            continue
        for part, place in inside:
            path = f"{name}/{part}" if name else part
            if place is None:
                found.append(path)
            elif not any(passed.startswith(place) for passed in way):
                waiting.append((path, (*way, place)))
                again += place in seen
                seen.add(place)
            if len(found) > MOST or again > MOST_AGAIN:
                what = (
                    f"{MOST:,} files" if len(found) > MOST else f"{MOST_AGAIN:,} links to folders that are there anyway"
                )
                raise InputError(f"{root} holds more than {what}")
    return sorted(found)


def _inside(folder: str) -> list[tuple[str, str | None]]:
    """The names in a folder, and the places of those that are folders, too."""
    with os.scandir(folder) as entries:
        own = [entry for entry in entries if not is_litter(entry.name)]
    return [(entry.name, _to(entry)) for entry in own]


def _to(entry: "os.DirEntry[str]") -> str | None:
    with suppress(OSError):  # a link to itself, or what is not ours to see
        if entry.is_dir():
            return _place(Path(entry.path)) if entry.is_symlink() else f"{entry.path}{os.sep}"
    return None


def _place(folder: Path) -> str:
    """Without links in its name, and with a slash behind, lest /ab be taken to lie in /a."""
    return os.path.join(folder.resolve(), "")  # noqa: PTH118


def digest(root: Path) -> str:
    """The SHA-256 of what `sha256sum` prints for the files below `root`; times and permissions do not matter.

    Raises:
        InputError: If there is no end of files, see `listing`, or of one of them.
    """
    whole = hashlib.sha256()
    known: dict[tuple[int, int], str] = {}  # a file that many links lead to is read once
    for name in listing(root):
        content = "unreadable"  # a link to nowhere, or not ours to read: a change too, once it is mended
        with suppress(OSError):
            status = (root / name).stat()
            if S_ISREG(status.st_mode):  # to open a pipe would be to wait for whoever writes to it
                if status.st_size > LARGEST:
                    raise InputError(f"{cut(str(root / name), 1000)} has more than {LARGEST:,} bytes")
                file = status.st_dev, status.st_ino
                known[file] = content = known.get(file) or _sha256(root / name)
        whole.update(f"{content}  {name}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests(key: str, knobs: Any) -> dict[str, str]:
    """The digest of what each path among knobs names, by its key, such as `attacks.sticker.picture`."""
    if isinstance(knobs, dict):
        return {each: found for name, knob in knobs.items() for each, found in digests(f"{key}.{name}", knob).items()}
    return {key: digest(locate(knobs))} if isinstance(knobs, Path) else {}


def changed(source: Path, params: dict[str, Any]) -> str | None:
    """The path of files if those now there are others than in a record, a JSON or CSV file as above; else None.

    None also where no such files were used, where they are not there at all, as in a colleague's clone, and where
    `params.yaml` holds no path: the stage that reads the section says so.
    """
    for key, recorded in _recorded(source).items():
        path: Any = params
        for part in key.split("."):
            path = path.get(part) if isinstance(path, dict) else None
        if not path or not isinstance(path, str):
            continue
        with suppress(OSError, ValueError):  # nobody can look there
            if locate(path).exists() and _differs(locate(path), recorded):
                return path
    return None


def _differs(root: Path, recorded: str) -> bool:
    try:
        return digest(root) != recorded
    except InputError:  # there was an end of them then
        return True


def _recorded(source: Path) -> dict[str, str]:
    """The digests in a record, by the keys of the knobs that name the files."""
    with suppress(OSError, ValueError, csv.Error, AttributeError):  # not there, or damaged: of no files that we know
        with source.open(encoding="utf-8", newline="") as file:
            if source.suffix == ".csv":
                record = dict(zip(*islice(csv.reader(file), 2), strict=False))
            else:
                record = json.load(file)
        if KEY in record:
            return {f"datasets.{record.get('name')}.path": record[KEY]}
        return {key: digest for key, digest in record.items() if "." in key}
    return {}
