"""Forged folders: few entries, and no end of ways through them."""

from pathlib import Path


def fan(root: Path, folders: int, *, files: int = 1) -> Path:
    """Folders that hold links to all others: there are more ways through them than atoms anywhere."""
    for one in range(folders):
        (root / f"{one}").mkdir(parents=True)
        for number in range(files):
            (root / f"{one}" / f"{number}.png").write_bytes(b"picture")
        for other in range(folders):
            if other != one:
                (root / f"{one}" / f"to{other}").symlink_to(root / f"{other}")
    return root


def ladder(root: Path, rungs: int) -> Path:
    """Each folder has two links to the next: the ways double at each rung, and no way leads back."""
    for rung in range(rungs):
        (root / f"{rung}").mkdir(parents=True)
        (root / f"{rung}" / "own.png").write_bytes(b"picture")
        for side in ("left", "right") if rung + 1 < rungs else ():
            (root / f"{rung}" / side).symlink_to(root / f"{rung + 1}")
    return root
