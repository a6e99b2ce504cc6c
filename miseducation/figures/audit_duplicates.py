"""What the page of an audit shows of pictures that stand in a data set more than once with different labels."""

from typing import Any

import numpy as np

from miseducation.dataset import Images
from miseducation.figures.pages import colours, file_of, named, picture, table, tile, tiles

TWINS, SHOWN = 10, 12  # pairs that are shown: of the same picture, and of nearly the same


def duplicates(told: dict[str, Any], images: np.ndarray | Images) -> list[str]:
    """The section of them, of what the verdict tells; images are uint8 `[n, h, w, c]`."""
    exact, near = told["duplicates"], told["near_duplicates"]
    return ["<h2>Duplicates</h2>", *_exact(exact, images), *_near(near, images)]


def _exact(pairs: list[dict[str, Any]], images: np.ndarray | Images) -> list[str]:
    if not pairs:
        return ["<p>No picture is in the data set twice with different labels.</p>"]
    lines = []
    for pair in pairs[:TWINS]:
        names = [named(each) for both in zip(_files(pair), pair["labels"], strict=True) for each in both]
        lines.append([picture(images[pair["rows"][0]], " and ".join(_files(pair))), *names])
    are = "picture is" if len(pairs) == 1 else "pictures are"
    lead = f"{len(pairs):,} {are} in the data set more than once, with different labels"
    more = f". The first {TWINS}:" if len(pairs) > TWINS else ":"
    heads = ("Picture", "Here", "Label", "And here", "Label")
    return [f"<p>{lead}{more}</p>", table("twins", "Duplicates", heads, lines)]


def _near(pairs: list[dict[str, Any]], images: np.ndarray | Images) -> list[str]:
    if not pairs:
        return ["<p>No two pictures with different labels are nearly the same.</p>"]
    shown = []
    for pair in pairs[:SHOWN]:
        files, labels = _files(pair), pair["labels"]
        both = [
            picture(images[row], f"{file}, labelled {label}")
            for row, file, label in zip(pair["rows"], files, labels, strict=True)
        ]
        names = "".join(
            f"<div>{named(file)}<span>labelled {named(label)}</span></div>"
            for file, label in zip(files, labels, strict=True)
        )
        shown.append(tile(both, names))
    lead = "1 pair of pictures is" if len(pairs) == 1 else f"{len(pairs):,} pairs of pictures are"
    said = f"{lead} nearly the same, except for brightness and contrast, with different labels."
    more = f" The {SHOWN} most alike:" if len(pairs) > SHOWN else ""
    return [f"<h3>Nearly the same</h3><p>{said}{more}{colours(images)}</p>", tiles("pairs", shown)]


def _files(pair: dict[str, Any]) -> list[str]:
    return [file_of({"row": row, "file": file}) for row, file in zip(pair["rows"], pair["files"], strict=True)]
