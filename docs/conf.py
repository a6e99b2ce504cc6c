"""How Sphinx makes a site of these pages: `make docs`. It asks no other machine for anything, nor does the site."""

import re
import sys
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# Sources are taken from the root, so that each link is the same in the repository and in the site.
PAGES = {
    "Learn": ["docs/tutorial", "docs/glossary", "docs/results", "docs/pipeline"],
    "Attack": [
        *("docs/experiments", "docs/scenarios", "docs/studies"),
        *("docs/attacks", "docs/attacks_study", "docs/channels"),
    ],
    "Defend": ["docs/defences", "docs/blind_window", "docs/audit"],
    "Use": [f"docs/{each}" for each in ("data", "networks", "clusters", "sharing", "library")],
    "Reference": ["docs/api", "docs/api_attacks", "docs/api_defences"],
    "Extend": ["CONTRIBUTING", "docs/architecture", "benchmarks/README", "SECURITY", "CHANGELOG"],
}

project, html_title, root_doc = "Miseducation", "Miseducation", "README"
include_patterns = ["*.md", "docs/*.md", "benchmarks/README.md"]
exclude_patterns = [".*", "data", "mlruns", "models", "site"]  # else it would look there for pages
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
default_role = "code"  # docstrings mark code as Markdown does
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
html_theme, html_permalinks_icon = "furo", "#"
html_show_sphinx = html_show_copyright = html_copy_source = False
highlight_language = "none"
ELSEWHERE = re.compile(r'<(?:script|link|img|iframe)\b[^>]* (?:src|href)="(?:https?:)?//[^"]*"')


def complete(app: Any, name: str, source: list[str]) -> None:
    """Adds what nobody should have to keep up: the navigation to the first page, and every part to its reference."""
    if name == root_doc:
        for caption, pages in PAGES.items():
            source[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
    wing = name.removeprefix("docs/api_")
    for path in sorted((ROOT / "miseducation" / wing).glob("[!_]*.py")) if wing != name else []:
        source[0] += f"\n## {path.stem}\n\n```{{eval-rst}}\n.. automodule:: miseducation.{wing}.{path.stem}\n```\n"


def knobs(app: Any, what: str, name: str, part: Any, options: Any, lines: list[str]) -> None:
    """Describes a class's knobs as the class does."""
    for each, field in fields(what, part).items():
        default = "" if field.is_required() else f" (default: `{field.get_default(call_default_factory=True)!r}`)"
        lines += ["", f":param {each}: {field.description or ''}{default}"]


def signature(app: Any, what: str, name: str, part: Any, *others: Any) -> tuple[str, None] | None:
    """Leaves out a signature that only repeats the knobs."""
    return ("", None) if fields(what, part) else None


def fields(what: str, part: Any) -> dict[str, Any]:
    """The knobs of a class, by name."""
    return getattr(part, "model_fields", {}) if what == "class" else {}


def finish(app: Any, error: Exception | None) -> None:
    """Leads from where a site begins to the README, and sees to it that no page asks another machine for anything."""
    site, first = Path(app.outdir), f"{root_doc}.html"
    (site / "index.html").write_text(f'<meta http-equiv="refresh" content="0; url={first}">\n')
    for page in site.rglob("*.html"):
        if asked := ELSEWHERE.findall(page.read_text()):
            raise ExtensionError(f"{page} asks for {asked}")


def setup(app: Any) -> None:
    """Sphinx calls it."""
    app.connect("source-read", complete)
    app.connect("autodoc-process-docstring", knobs)
    app.connect("autodoc-process-signature", signature)
    app.connect("build-finished", finish)
