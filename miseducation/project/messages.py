"""What a message shows of a user's values."""

import reprlib
from typing import Any

LONGEST = 200  # characters of a value


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < 1000 else hex(x)  # Python refuses thousands of digits


_SHORT = _Short()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxtuple = 5, 10, 10, 10
_SHORT.maxstring = _SHORT.maxother = LONGEST


def shown(value: Any) -> str:
    r"""A value as Python writes it, in one line of readable length; what a terminal would obey is escaped.

    >>> print(shown([0.5, chr(27)]))
    [0.5, '\x1b']
    >>> len(shown(9999 * "x")) <= LONGEST
    True
    """
    return cut(_SHORT.repr(value))


def cut(text: str, longest: int = LONGEST) -> str:
    """A text without its middle, if it has more characters than that; what a terminal would obey is escaped.

    >>> cut("from here to there", 9)
    'from…here'
    """
    half = longest // 2
    return printable(text if len(text) <= longest else f"{text[:half]}…{text[-half:]}")


def printable(text: str, keep: str = "") -> str:
    r"""A text with escapes in place of what a terminal would obey, or nobody sees, but for the characters to `keep`.

    >>> print(printable("\x1b[2J café"))
    \x1b[2J café
    """
    return "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text)
