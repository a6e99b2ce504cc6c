"""Forged folders of pictures: tables that name what lies elsewhere, or have no end of things to say."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

SECRET = 251  # the grey level of a picture that is not part of the folder


def secretive(root: Path) -> Path:
    """A folder with pictures 0.png to 5.png, links to a secret beside it, and a table of all but the links."""
    (root / "own/deep").mkdir(parents=True)
    Image.fromarray(np.full((4, 4), SECRET, np.uint8)).save(root / "secret.png")
    for i in range(6):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(root / f"own/{i}.png")
    (root / "own/link.png").symlink_to(root / "secret.png")
    (root / "own/behind").symlink_to(root)
    (root / "own/deep/up.png").symlink_to("../../secret.png")
    (root / "own/nowhere.png").symlink_to(root / "nothing.png")
    (root / "own/table.csv").write_text("path,label\n" + "".join(f"{i}.png,{'ab'[i % 2]}\n" for i in range(6)))
    return root / "own"


def leading_out(root: Path) -> Mapping[str, str]:
    """How a table may name what lies outside of the folder, or nothing at all."""
    return {
        "dots": "../secret.png",
        "dots after a folder": "deep/../../secret.png",
        "dots after a link": "behind/../secret.png",
        "many dots": f"{'../' * 40}{root}/secret.png".replace("//", "/"),
        "absolute": f"{root}/secret.png",
        "absolute, below the folder": f"{root}/own/0.png",
        "backslashes": "..\\secret.png",
        "mixed": "deep\\..\\../../secret.png",
        "a drive": "C:\\secret.png",
        "a drive without a slash": "C:secret.png",
        "a share": "\\\\host\\share\\secret.png",
        "an address": f"file://{root}/secret.png",
        "home": "~/secret.png",
        "link": "link.png",
        "folder": "behind/secret.png",
        "relative link": "deep/up.png",
        "link to nothing": "nowhere.png",
        "link to the folder itself": "behind/own/0.png",
        "nul": "0.png\0",
        "escape": "\x1b[2J.png",
        "the folder": ".",
        "a folder": "deep",
        "the table": "table.csv",
        "long": "x/" * 5000,
    }
