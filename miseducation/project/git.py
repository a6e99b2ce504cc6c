"""What the project asks git: about its commits, and about the experiments that DVC keeps there."""

import subprocess
from pathlib import Path


def git(*arguments: str) -> list[str]:
    """The lines that git prints; none if it fails, before the first commit, or where this is no repository itself."""
    if not Path(".git").exists():
        return []
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def experiments() -> dict[tuple[str, str], str]:
    """The commit of each DVC experiment, by the commit that it started from and its name."""
    found = {}
    # refs/exps/<first 2 digits of the baseline>/<the other 38>/<name>; shorter ones are DVC's own book-keeping
    for line in git("for-each-ref", "refs/exps", "--format=%(objectname) %(refname)"):
        commit, reference = line.split(" ", 1)
        parts = reference.split("/", 4)
        if len(parts) == 5 and len(parts[2]) == 2 and len(parts[3]) == 38:
            found[parts[2] + parts[3], parts[4]] = commit
    return found


def keep_experiment(baseline: str, name: str, commit: str) -> None:
    """Puts an experiment back under its name."""
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", commit)
