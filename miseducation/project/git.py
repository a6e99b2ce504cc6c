"""What the project asks git: about its commits, and about the experiments that DVC keeps there."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

from miseducation.errors import InputError


def git(*arguments: str) -> list[str]:
    """The lines that git prints; none if it fails, before the first commit, or where this is no part of a repository.

    What lies in a folder that a repository around it ignores is no part of it.
    """
    ignored = _ask(Path(), "check-ignore", "--quiet", ".")
    if ignored is None or ignored.returncode == 0:
        return []
    done = _ask(Path(), *arguments)
    return done.stdout.split("\n")[:-1] if done and done.returncode == 0 else []


def baseline(root: Path = Path()) -> str:
    """The commit that an experiment of the project starts from.

    Raises:
        InputError: If DVC could not keep the experiment: there is no git, no commit of the project, or only the last
            few of them; or the folder has a name that DVC takes for something else.
    """
    done = _ask(root, "rev-parse", "--is-shallow-repository", "HEAD")
    if done is None:
        raise InputError("DVC keeps experiments in git, but git is not installed")
    if refused := re.search(r"git config --global --add safe\.directory .*", done.stderr):
        raise InputError(f"git refuses a folder that belongs to another user; if you trust them: {refused[0]}")
    if done.returncode:
        raise InputError(
            "an experiment starts from a git commit, but there is none here: git init, git add ., git commit"
        )
    found = _ask(root, "rev-parse", "--verify", "--quiet", "HEAD:./dvc.yaml")
    if not found or found.returncode:
        raise InputError(
            "an experiment starts from a git commit, but the one here does not contain this project; "
            "add it: git add ., git commit"
        )
    shallow, commit = done.stdout.split()
    if shallow == "true":
        raise InputError(
            "this clone is shallow (git clone --depth), and DVC loses the experiments that it runs outside the work "
            "tree of a shallow clone; run `git fetch --unshallow` first"
        )
    folder = str(root.resolve())
    if unquote(urlsplit(f"file://{folder}").path) != folder or not folder.isascii():
        raise InputError(
            f"{folder!r} has one of # ? % or a letter that is not ASCII in its path, so DVC would lose experiments "
            "that it runs outside the work tree; move the project"
        )
    return commit


def experiments() -> dict[tuple[str, str], str]:
    """The commit of each DVC experiment, by the commit that it started from and its name."""
    found = {}
    # refs/exps/<first 2 digits of the baseline>/<the other 38>/<name>; all others are DVC's own book-keeping
    for line in git("for-each-ref", "refs/exps", "--format=%(objectname) %(refname)"):
        if parts := re.fullmatch(r"([0-9a-f]+) refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/([^/]+)", line):
            commit, *baseline, name = parts.groups()
            found["".join(baseline), name] = commit
    return found


def keep_experiment(baseline: str, name: str, commit: str) -> None:
    """Puts an experiment back under its name."""
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)


def _ask(root: Path, *arguments: str) -> subprocess.CompletedProcess[str] | None:
    """What git says of a folder, as DVC finds its repository: not where a variable points to; None without git."""
    elsewhere = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")  # as hooks of git have them
    plain = {name: value for name, value in os.environ.items() if name not in elsewhere} | {"LC_ALL": "C"}
    try:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=root, env=plain, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False
        )
    except OSError:
        return None
