"""What users call their classes and files: what may be shown on a page, in a table, on a terminal."""

import re
from collections.abc import Iterable, Mapping
from unicodedata import normalize

from miseducation.errors import InputError
from miseducation.project.messages import printable

LONGEST = 200  # characters of a class's name
# What a browser reads as markup: DVC writes names of classes as they are into the script of its page of plots.
MARKUP = re.compile(r"<[A-Za-z/!?]")
# What takes no ink though it counts as printable: fillers, joiners and selectors of variants, as in an emoji.
UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0100-\U000e01ef]"
)


def composed(name: str) -> str:
    """The name in the one form in which names are compared: `café` may be stored with four letters or with five."""
    return normalize("NFC", name)


def seen(name: str) -> str:
    """What one sees of a name: two classes must differ in it."""
    return composed(UNSEEN.sub("", composed(name))).strip()


def fault(name: object) -> str | None:
    """Why no class may be called so, composed, if it may not."""
    if not isinstance(name, str):
        return f"is not a string, but {type(name).__name__}"
    name = composed(name)
    if not seen(name):
        return "is empty"
    if not name.isprintable():
        return "contains a character that cannot be printed"
    if len(name) > LONGEST:
        return f"has {len(name)} characters, and at most {LONGEST} are allowed"
    if found := MARKUP.search(name):
        return f"holds {found[0]!r}, which a browser takes for markup"
    return None


def check(names: Iterable[str]) -> tuple[str, ...]:
    """The names of classes, composed; an `InputError` for one that cannot be shown, or told from another."""
    if isinstance(names, str | bytes | Mapping) or not isinstance(names, Iterable):
        raise InputError(f"the names of the classes must be a list, not {type(names).__name__}")
    found: dict[str, str] = {}
    for name in names:
        if reason := fault(name):
            raise InputError(f"the name of a class, '{shown(name)[:LONGEST]}', {reason}")
        if (key := seen(name)) in found:
            raise InputError(f"two classes have the same name, '{key}'")
        found[key] = composed(name)
    return tuple(found.values())


def shown(name: object) -> str:
    r"""A text as it can be shown: one may hold line breaks, what moves a terminal's cursor, or bytes that are no text.

    >>> shown("one\x1b[2J\ntwo")
    'one\\x1b[2J\\ntwo'
    """
    return printable(str(name))
