"""Names that people give to classes and files: those that do harm where they are shown, and those that only look so."""

from unicodedata import normalize

COMPOSED, DECOMPOSED = normalize("NFC", "café"), normalize("NFD", "café")

# What no class may be called, each for another reason.
HARMFUL = {
    "script": "</script><script>alert(1)</script>",
    "comment": "<!--",
    "element": "a<img src=x onerror=alert(1)>",
    "instruction": "<?php",
    "closing": "x</",
    "terminal": "\x1b[2J",
    "title": "\x1b]0;mine\x07",
    "bell": "a\x07",
    "delete": "a\x7f",
    "C1": "a\x9b2J",
    "line": "one\ntwo",
    "return": "one\rtwo",
    "tab": "one\ttwo",
    "line separator": "one\u2028two",
    "right to left": "\u202egnp.exe",
    "isolate": "a\u2066b",
    "no width": "a\u200bb",
    "byte order": "\ufeffa",
    "no text": "a\udcff",
    "nul": "a\0b",
    "private": "\ue000",
    "empty": "",
    "blank": "  ",
    "long": "x" * 201,
    "long when composed": "\u0958" * 150,
    "element when composed": "<\u212aimg src=x>",
    **{f"no ink {ord(each):04x}": each for each in "\u034f\u115f\u1160\u17b4\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"},
    "no ink at all": " \u3164\ufe0f ",
}

# What may be shown as it is.
HARMLESS = [
    *("<5 mm", "a < b", "a <", "1<2>3", "R&D &amp; &lt;script&gt;", "\"quoted\" 'twice'", "a|b", "`ls`", "*b* _i_"),
    *("$5_$10", "\\q", "{x} %d %s", "{{7*7}}", "${HOME}", "=1+1", "@a", "-1", "+1", "#1", "NaN", "null", "true", "1e5"),
    *("中文", "🚦", "ناقل", "a,b;c", "../../etc", "C:\\x", "con", "~", "x" * 200, "❤\ufe0f", COMPOSED, "O'Neill -->"),
]
