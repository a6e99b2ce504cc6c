"""What our pages are made of: frame, style, pictures, and pieces of HTML in which nothing of a user's is markup.

A page is one file that needs no other and runs no script. `templates` holds what is HTML or CSS.
"""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from PIL import Image

from miseducation.dataset import Images
from miseducation.figures.pictures import COLOURS, RED, legend
from miseducation.project.messages import cut, printable

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

LONGEST = 120  # characters of a name
SIDE = 256  # pixels of a picture on a page, at most
INK, SOFT, LINE = "#1c1f23", "#555c66", "#d5d9df"  # as in style.css
# What stands in a plot for its colours where the reader's screen is dark.
DARK = {INK: "#e6e8eb", SOFT: "#a9b0ba", LINE: "#3a3f47", RED: "#ff8a80", COLOURS[0]: "#7db8f5"}


@cache
def environment() -> "Environment":
    """What fills in templates: whatever is not said to be markup is escaped, and what nobody sees is shown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) else printable(str(value), keep="\n"),
    )
    made.filters |= {"named": lambda text: markup(named(text)), "many": many}
    return made


def markup(text: str) -> Markup:
    """What is HTML already, for templates: it is not escaped again."""
    return Markup(text)  # noqa: S704


def whole(title: str, parts: Sequence[str]) -> str:
    """The page of these pieces of HTML, with a title that is plain text."""
    return environment().get_template("frame.html").render(title=cut(title, LONGEST), body=markup("\n".join(parts)))


def plain(text: object) -> str:
    r"""What a user named, as it may stand in HTML, within quotes too; what nobody sees, or no file holds, is escaped.

    >>> plain('"<b>\u202e\udcff')
    '&quot;&lt;b&gt;\\u202e\\udcff'
    """
    return html.escape(cut(str(text), LONGEST))


def named(text: object) -> str:
    """The same where an element may stand: a name that is read from right to left turns nothing around it."""
    return f"<bdi>{plain(text)}</bdi>"


def file_of(row: Any) -> str:
    """What a row of the audit's table is called, plain text: its file, or its number."""
    return str(row["file"]) or f"row {row['row']}"


def colours(images: np.ndarray | Images) -> str:
    """What to say of pictures, `[n, h, w, c]`, that are neither grey nor RGB: plain text, after a sentence."""
    return "".join(f" {each}." for each in legend(images))


def many(count: int, one: str, ending: str = "s") -> str:
    """A number of things.

    >>> many(1200, "row")
    '1,200 rows'
    """
    return f"{count:,} {one}{'' if count == 1 else ending}"


def png(image: np.ndarray, side: int = SIDE) -> str:
    """An image, uint8 `[h, w, c]`, as a `data:` address; of more than three channels the first three."""
    image = _reduced(image[..., :1] if image.shape[-1] == 1 else image[..., :3], side)
    if image.shape[-1] == 2:  # red and green
        image = np.concatenate([image, np.zeros((*image.shape[:2], 1), np.uint8)], axis=-1)
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def picture(image: np.ndarray, alt: str, side: int = SIDE) -> str:
    """An image, uint8 `[h, w, c]`, of no more pixels a side, with what to read out in its place: plain text."""
    return f'<img src="{png(image, side)}" alt="{plain(alt)}">'


def tile(pictures: Sequence[str], caption: str) -> str:
    """Pictures beside each other, above their caption: HTML."""
    return f"<figure>{''.join(pictures)}<figcaption>{caption}</figcaption></figure>"


def tiles(kind: str, each: Sequence[str]) -> str:
    """As many beside each other as there is room for."""
    return f'<div class="{kind}">{"".join(each)}</div>'


def table(kind: str, name: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is too wide; heads and cells are HTML, the first of a line names it."""
    pieces: Any = environment().get_template("pieces.html").module
    return str(pieces.table(kind, name, [*map(markup, heads)], [[*map(markup, line)] for line in lines]))


@contextmanager
def inked() -> Iterator[None]:
    """What is drawn within has the ink of a page, and no paper of its own."""
    from matplotlib import rc_context

    keys: Any = "text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"
    with rc_context({**dict.fromkeys(keys, INK), "svg.hashsalt": "miseducation", "legend.frameon": False}):
        yield


def plot(figure: "Figure", alt: str) -> str:
    """A figure that was drawn in a page's ink, as sharp lines, in two versions: for paper and for dark screens.

    What to read out in its place is plain text.
    """
    file = io.StringIO()
    with inked():
        figure.savefig(file, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator")))
    light = dark = file.getvalue()
    for ink, other in DARK.items():
        dark = dark.replace(ink.lower(), other)
    light, dark = (base64.b64encode(each.encode()).decode() for each in (light, dark))
    address = "data:image/svg+xml;base64,"
    dark = f'<source media="screen and (prefers-color-scheme: dark)" srcset="{address}{dark}">'
    return f'<picture>{dark}<img class="plot" src="{address}{light}" alt="{plain(alt)}"></picture>'


def sheet(file: bytes, alt: str) -> str:
    """A PNG file that was drawn on white paper, which it brings along; what to read out is plain text."""
    return f'<img class="sheet" src="data:image/png;base64,{base64.b64encode(file).decode()}" alt="{plain(alt)}">'


def _reduced(image: np.ndarray, side: int) -> np.ndarray:
    """An image, uint8 `[h, w, c]`, without so many pixels that a page would take minutes to load."""
    step = -(-max(image.shape[:2]) // side)
    if step == 1:
        return image
    down, across = (min(step, length) for length in image.shape[:2])
    height, width = image.shape[0] // down, image.shape[1] // across
    tiles = image[: height * down, : width * across].reshape(height, down, width, across, -1)
    return np.rint(tiles.mean(axis=(1, 3))).astype(np.uint8)
