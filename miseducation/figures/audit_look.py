"""What the page of an audit is made of: its style, and pieces of HTML in which nothing of a user's is markup."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from miseducation.dataset import Images
from miseducation.figures.audit_pictures import png
from miseducation.figures.pictures import legend
from miseducation.project.messages import cut

LONGEST = 120  # characters of a name
SAFE = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"  # a browser is to obey nothing else
CSS = """
:root { color-scheme: light dark; --ink: #1c1f23; --soft: #555c66; --paper: #fff; --line: #d5d9df; --box: #f4f5f7;
  --clean: #1a6b3a; --mislabelled: #1d5fa8; --suspicious: #8f4a00; --poisoned: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a9b0ba; --paper: #16181c; --line: #3a3f47;
  --box: #20242a; --clean: #6fcf97; --mislabelled: #7db8f5; --suspicious: #f0ac5f; --poisoned: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 1120px; margin: 0 auto; padding: 24px 16px 48px; }
header { border-left: 10px solid var(--colour); padding: 4px 0 4px 18px; }
header p { margin: 0; color: var(--soft); }
header .means { font-size: 1.15rem; color: var(--ink); }
h1 { margin: 0; font-size: 3rem; line-height: 1.15; color: var(--colour); }
h2 { margin: 44px 0 8px; padding-top: 10px; border-top: 1px solid var(--line); font-size: 1.4rem; line-height: 1.3; }
h3 { margin: 30px 0 10px; font-size: 1.15rem; }
h4 { margin: 24px 0 8px; font-size: 1rem; }
p, ul { max-width: 75ch; margin: 8px 0; }
ul { padding-left: 22px; }
li { margin: 4px 0; }
.note, small, figcaption span { color: var(--soft); }
.note { font-size: .875rem; }
.clean { --colour: var(--clean); } .mislabelled { --colour: var(--mislabelled); }
.suspicious { --colour: var(--suspicious); } .poisoned { --colour: var(--poisoned); }
.tag { color: var(--colour); font-weight: 600; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 12px; margin: 22px 0 0; }
dl div { padding: 10px 14px; background: var(--box); border-radius: 6px; }
dt { font-size: .875rem; color: var(--soft); }
dd { margin: 0; font-weight: 600; }
dd small { display: block; font-weight: 400; }
.scroll { overflow-x: auto; margin: 12px 0; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; overflow-wrap: normal; }
th, td { padding: 7px 12px; text-align: left; vertical-align: middle; border-top: 1px solid var(--line); }
thead th { border-top: 0; background: var(--box); font-size: .8125rem; line-height: 1.3; vertical-align: bottom; }
tbody th { min-width: 8em; max-width: 20em; font-weight: 600; overflow-wrap: anywhere; }
.numbers td:nth-child(n + 3), .numbers th:nth-child(n + 3) { text-align: right; font-variant-numeric: tabular-nums; }
.twins td { min-width: 7em; max-width: 20em; overflow-wrap: anywhere; }
.twins img { display: block; width: 48px; height: 48px; }
.pairs, .singles, .maps { display: grid; gap: 18px 16px; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); }
.singles { grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); }
.maps { grid-template-columns: repeat(auto-fill, minmax(256px, 1fr)); max-width: 720px; gap: 20px 32px; }
figure { margin: 0; break-inside: avoid; }
figcaption { margin-top: 4px; font-size: .8125rem; line-height: 1.35; }
figcaption span { display: block; }
img { width: 80px; height: 80px; object-fit: contain; image-rendering: pixelated; background: var(--box);
  vertical-align: top; }
img + img { margin-left: 6px; }
.singles img { width: 96px; height: 96px; }
.maps img { width: 256px; height: auto; max-height: 512px; }
@media print { body { font-size: 10.5pt; } main { max-width: none; padding: 0; } h2 { margin-top: 26px; }
  h2, h3, h4 { break-after: avoid; } img, tr, li, dl div, header { break-inside: avoid; } .scroll { overflow: visible; }
  th, td { padding: 4px 6px; } img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --box: #f4f5f7;
    --clean: #1a6b3a; --mislabelled: #1d5fa8; --suspicious: #8f4a00; --poisoned: #b3261e; } }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{safe}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def whole(title: str, parts: Sequence[str]) -> str:
    """The page of these pieces of HTML, with a title that is plain text."""
    return PAGE.format(safe=SAFE, title=plain(title), css=CSS, body="\n".join(parts))


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


def picture(image: np.ndarray, alt: str) -> str:
    """An image, uint8 `[h, w, c]`, with what to read out in its place: plain text."""
    return f'<img src="{png(image)}" alt="{plain(alt)}">'


def tile(pictures: Sequence[str], caption: str) -> str:
    """Pictures beside each other, above their caption: HTML."""
    return f"<figure>{''.join(pictures)}<figcaption>{caption}</figcaption></figure>"


def tiles(kind: str, each: Sequence[str]) -> str:
    """As many beside each other as there is room for."""
    return f'<div class="{kind}">{"".join(each)}</div>'


def table(kind: str, name: str, heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table that scrolls by itself where it is too wide; cells are HTML, and the first of a line names it."""
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in others)}</tr>\n'
        for first, *others in lines
    )
    made = f'<table class="{kind}"><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table>'
    return f'<div class="scroll" role="region" aria-label="{name}" tabindex="0">{made}</div>'
