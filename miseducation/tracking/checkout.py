"""What belongs to the results in a commit, from git and DVC's cache, without that anything in it is obeyed.

DVC itself would read the commit's `dvc.yaml` and its configuration, which may be a stranger's, and fetch and write as
they say. So git is asked for files, and the cache for what the record of DVC names by its MD5.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import IO, Any

from miseducation.project import foreign
from miseducation.tracking import checks
from miseducation.tracking.checks import BYTES, FILES, MalformedError
from miseducation.tracking.locks import read_lock, read_outputs
from miseducation.tracking.results import copied

LISTED = 2**20  # bytes that git may list files in: trees can hold each other until there is no end


@dataclass
class Checkout:
    """Files of a commit in a folder.

    Attributes:
        commit: Its name in git.
        folder: Empty at first, and nobody else's.
        cache: DVC's, where `oid_to_path` gives the place of an MD5.
        files, room: How many files, and bytes of them, may still come.
    """

    commit: str
    folder: Path
    cache: Any
    files: int = FILES
    room: int = BYTES

    def get(self, lock: str) -> None:
        """Writes DVC's record, if the commit has it, and those outputs in it of which MLflow gets a copy.

        Raises:
            MalformedError: If DVC cannot have written the record, or there is more than a result can have.
        """
        if not self._from_git(lock):
            return
        try:
            hashes = read_outputs(read_lock(self.folder, lock))
            _, *others = copied(lock, hashes)
            for path in others:
                if not (self._from_cache(path, hashes[path]) or self._from_git(path)):
                    print(f"track: {self.commit[:7]} lacks {path} in git and in DVC's cache", file=sys.stderr)
        except (MalformedError, OSError):
            (self.folder / lock).unlink()  # nobody need look at what there is of the rest
            raise

    def _from_git(self, path: str) -> bool:
        blobs = _blobs(self.commit, path)
        for name, (blob, size) in blobs.items():
            with self._new(name, size) as file:
                subprocess.run(["git", "cat-file", "blob", blob], stdout=file, stderr=subprocess.DEVNULL, check=False)
        return bool(blobs)

    def _from_cache(self, path: str, md5: str) -> bool:
        found = {path: self._cached(md5)}
        if md5.endswith(".dir") and found[path].is_file():
            with checks.reading(self.folder):
                listed = checks.listing(foreign.read_json(found[path]), f"{path} in DVC's cache")
            files = dict([checks.output(each, "relpath", path) for each in listed])
            found = {f"{path}/{name}": self._cached(each) for name, each in files.items()}
        if not all(source.is_file() for source in found.values()):
            return False
        for name, source in found.items():
            with source.open("rb") as content, self._new(name, source.stat().st_size) as file:
                copyfileobj(content, file)
        return True

    def _cached(self, md5: str) -> Path:
        return Path(self.cache.oid_to_path(md5))

    def _new(self, path: str, size: int) -> IO[bytes]:
        """A file to write so many bytes to."""
        target = self.folder / checks.path(path, "an output")
        self.files, self.room = self.files - 1, self.room - size
        if self.files < 0 or self.room < 0:
            raise MalformedError(f"its outputs are more than {FILES} files or {BYTES:,} bytes")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return target.open("xb")
        except (FileExistsError, NotADirectoryError):
            raise MalformedError(f"{path} appears twice, or is below a file") from None


def _blobs(commit: str, path: str) -> dict[str, tuple[str, int]]:
    """What git calls a file in a commit, or those in a folder, and their bytes, by path; links are passed over."""
    listing = ["git", "--literal-pathspecs", "ls-tree", "-r", "-l", "-z", commit, "--", path]
    with subprocess.Popen(listing, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        listed = process.stdout.read(LISTED + 1)
        process.kill()
    if len(listed) > LISTED:
        raise MalformedError(f"{path} has more than {FILES} files")
    found = {}
    for line in listed.decode(errors="surrogateescape").split("\0")[:-1]:
        about, _, name = line.partition("\t")
        mode, _, blob, size = about.split()
        if mode.startswith("100"):
            found[name] = blob, int(size)
    return found
