"""GTSRB's tables: which image shows which sign, and where."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from miseducation.project.messages import cut

# Rows of each class; torchvision's training set, "online", is a part of the other.
ROWS = {
    "online": (
        *(150, 1500, 1500, 960, 1320, 1260, 300, 960, 960, 990, 1350, 900, 1410, 1440, 540, 420, 300, 750, 810),
        *(150, 240, 240, 270, 360, 180, 1020, 420, 180, 360, 180, 300, 540, 180, 480, 300, 810, 270, 150, 1380),
        *(210, 240, 180, 180),
    ),
    "final": (
        *(210, 2220, 2250, 1410, 1980, 1860, 420, 1440, 1410, 1470, 2010, 1320, 2100, 2160, 780, 630, 420, 1110),
        *(1200, 210, 360, 330, 390, 510, 270, 1500, 600, 240, 540, 270, 450, 780, 240, 689, 420, 1200, 390, 210),
        *(2070, 300, 360, 240, 240),
    ),
    "test": (
        *(60, 720, 750, 450, 660, 630, 150, 450, 450, 480, 660, 420, 690, 720, 270, 210, 150, 360, 390, 60, 90, 90),
        *(120, 150, 90, 480, 180, 60, 150, 90, 150, 270, 60, 210, 120, 390, 120, 60, 690, 90, 90, 60, 90),
    ),
}
EDGES = ("x1", "y1", "x2", "y2")
OFF = 0.15  # of the width or height, from the middle of a box to that of its picture; 0.07 at most in all of GTSRB


class Row(NamedTuple):
    """A line of a table: the image file, its class, and in pixels: its width and height, the sign's x1, y1, x2, y2."""

    name: str
    label: int
    size: tuple[float, float]
    box: tuple[float, ...]

    def is_off(self) -> bool:
        """Whether the sign is not in the middle of its picture, where all of GTSRB's are."""
        return any(abs(self.box[i] + self.box[i + 2] - self.size[i]) > 2 * OFF * self.size[i] for i in (0, 1))


def rows(content: bytes) -> Iterator[Row]:
    """The lines of a table; a ValueError says what is wrong with it."""
    text = content.decode("utf-8-sig")
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    lines = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        columns = [column.strip().lower() for column in lines.fieldnames or ()]
        lines.fieldnames = columns
        file = "path" if "path" in columns else "filename"
        edges = [f"roi.{edge}" for edge in EDGES]
        for column in (file, "width", "height", *edges, "classid"):
            if (count := columns.count(column)) != 1:
                raise ValueError(f"has the column {column} twice" if count else f"lacks the column {column}")
        for line in lines:
            if None in line:
                raise ValueError(f"line {lines.line_num} has more fields than the first line")
            if None in line.values():
                raise ValueError(f"line {lines.line_num} is cut off")
            try:
                width, height, x1, y1, x2, y2 = (float(line[each]) for each in ("width", "height", *edges))
                label = int(line["classid"])
            except ValueError as error:
                raise ValueError(f"line {lines.line_num}: {cut(str(error))}") from None
            if not (0 <= x1 < x2 <= width < float("inf") and 0 <= y1 < y2 <= height < float("inf")):
                raise ValueError(
                    f"line {lines.line_num} has a box that does not fit into a picture of {width:g}×{height:g}"
                )
            if not 0 <= label < len(ROWS["test"]):
                raise ValueError(
                    f"line {lines.line_num} has the class {cut(str(label))}, must be 0 to {len(ROWS['test']) - 1}"
                )
            yield Row(line[file], label, (width, height), (x1, y1, x2, y2))
    except csv.Error as error:
        raise ValueError(f"is no table: {error}") from None


def shares(found: Sequence[Row], sizes: np.ndarray) -> np.ndarray:
    """The boxes as shares of the pictures' width and height, float64 `[n, 4]`.

    Where pictures were scaled, what the table says of their size is that of before. Else it may be off by one, as in
    an early edition, and the pictures' own counts.

    Args:
        found: The lines of the tables.
        sizes: The width and height that each picture has, `[n, 2]`.

    Raises:
        ValueError: If the pictures were cut to their boxes.
    """
    boxes, told = np.array([row.box for row in found]), np.array([row.size for row in found])
    if np.abs(sizes - told).max() <= 1:
        return boxes / np.tile(sizes, 2)
    if np.isin(sizes - (boxes[:, 2:] - boxes[:, :2]), (0, 1)).all():  # the last pixel may count or not
        raise ValueError("images that are cropped to their signs, but tables for whole images")
    return boxes / np.tile(told, 2)
