"""Forged YAML: scalars that readers of different versions take differently, and files without end."""

from hypothesis import strategies as st

# What YAML 1.1 and 1.2 disagree on, or their readers, or what looks like that.
_SPELLINGS = """
010 00014 -010 +010 08 09 0 00 -0 0_ 0o10 0o8 0o_ 0O10 0b101 0b2 0b_ 0x1F 0x_ 0xG 0X1F 1_000 1__0 _1 1_ +_ -_ _
1e3 1E3 1e+3 1e-05 +1e3 1.5e3 1.e3 .5e3 .5e+3 5e 1e400 1. .5 +.5 -.5 ._5 ._ 1._ 1_0.5_0 0.1.2 . -. +
1:30 1:30.5 190:20:30 -1:30 0:0 1:60 .inf +.inf -.Inf .INF .iNf .nan .NaN -.nan nan inf
yes Yes YES no No NO on On off OFF y Y n N true True TRUE tRUE false False null Null NULL nULL ~ ~a << = <
2001-01-01 2001-1-1 2013-02-30 2001-01-01T10:00:00Z 2001-01-01t1:00:00.5+1 0001-01-01 10000-01-01
"""
SPELLINGS = _SPELLINGS.split()
TAGS = ["", "! ", "!!int ", "!!float ", "!!bool ", "!!null ", "!!str ", "!!binary ", "!!timestamp ", "!!set ",
        "!!omap ", "!!seq ", "!!map ", "!!python/name:os.system ", "!own ", "!<tag:yaml.org,2002:int> "]  # fmt: skip
QUOTES = ["{}", "'{}'", '"{}"']
# Where a scalar may stand in a file whose key is `key`.
PLACES = ["key: {}\n", "key: [{}]\n", "key:\n- {}\n", "key: {{a: {}, b: 1}}\n", "{}: key\n", "key: &a {}\nagain: *a\n",
          "%YAML 1.1\n---\nkey: {}\n", "\ufeffkey: {}\n", "key: {}  # why\n"]  # fmt: skip


def spellings() -> st.SearchStrategy[str]:
    """Scalars without spaces: those above, and whatever else their characters make."""
    return st.one_of(
        st.sampled_from(SPELLINGS),
        st.from_regex(r"[-+]?(0[obx])?[0-9_]{1,4}([.:eE][-+]?[0-9_]{0,3}){0,2}", fullmatch=True),
        st.text("0123456789_+-.:eExobaAfFnNyYtTrRuUlLsS~<=", min_size=1, max_size=8),
    )


def files() -> st.SearchStrategy[str]:
    """Files with such a scalar, perhaps in quotes or with a tag."""
    parts = st.tuples(st.sampled_from(PLACES), st.sampled_from(TAGS), st.sampled_from(QUOTES), spellings())
    plain = st.tuples(st.sampled_from(PLACES), st.just(""), st.just("{}"), spellings())
    return (plain | parts).map(lambda part: part[0].format(part[1] + part[2].format(part[3])))


# Files whose meaning one of the two readers does not see, or that say two things.
TWOFOLD = {
    "twice": "seed: 1\nseed: 2\n",
    "twice deeper": "attack: {rate: 0, rate: 1}\n",
    "twice merged": "a: &a {b: 1}\nc: {<<: *a, <<: *a}\n",
    "two documents": "seed: 1\n---\nseed: 2\n",
    "a number for a key": "1: a\n'1': b\n",
    "a truth for a key": "true: a\n",
    "nothing for a key": "? \n",
    "a list for a key": "[1]: a\n",
    "an anchor twice": "a: &a 1\nb: &a 2\nc: *a\n",
    "no such anchor": "a: *a\n",
    "itself": "a: &a [*a]\n",
    "a merged number": "a: {<<: 1}\n",
    "a colour for a terminal": '"\\e[31mseed": 1\n',
    "a name without end": f"{'seed' * 1000}: 1\n",
    "a text without end": f"seed: {'1' * 20_000}a\n",
    "a number without end": f"seed: {'1' * 9000}\n",
    "a hexadecimal number without end": f"seed: 0x{'f' * 5000}\n",
    "a binary number without end in a list": f"seed: [-0b{'1' * 9000}]\n",
    "an octal number without end for a key": f"0o{'7' * 9000}: 1\n",
    "more than 64 bits": f"seed: {2**64 + 1}\n",
    "a control character": "seed: \x1b[31m\n",
}


def _laughs(join: str) -> str:
    lines = [join.format(n=n, inside=", ".join([f"*a{n - 1}"] * 10)) for n in range(1, 30)]
    return "\n".join(["a0: &a0 {k: 1}", *lines])


# Small or large files that take all memory or time, or the interpreter with them, when they are read without care.
BOMBS = {
    "brackets": "a: " + "[" * 1_000_000,
    "braces": "{a: " * 300_000,
    "steps": "\n".join(" " * n + "a:" for n in range(1500)),
    "dashes": "- " * 100_000,
    "laughs": _laughs("a{n}: &a{n} [{inside}]"),
    "merges": _laughs("a{n}: &a{n} {{<<: [{inside}], k{n}: 1}}"),
    "values": "a: [" + "0," * 1_900_000 + "0]",
    "repeats of a text": f"a: &a {'x' * 9999}\nb: [{'*a, ' * 150_000}]\n",
    "merges of one": "a: &a {k: 1}\n"
    + f"b: {{<<: [{'*a, ' * 40_000}], {', '.join(f'k{n}: 1' for n in range(30_000))}}}\nc: [",
    "bytes": "# nothing\n" * 1_000_000,
}
NO_TEXT = {"UTF-16": "seed: 1\n".encode("utf-16"), "Latin-1": "seed: é\n".encode("latin-1"), "zeros": bytes(100)}
# Values that are no number, and that nobody wants to read as a whole.
LONG = {
    "a text": "x" * 9000,
    "repeats": f"[&a {'x' * 9000}, &b [{'*a, ' * 100}], [{'*b, ' * 1000}]]",
    "a list": f"[{'1, ' * 50_000}]",
    "a number": f"0x{'f' * 5000}",
    "nested": "[" * 40 + "]" * 40,
    "for a terminal": '"\\e[31m\\e]0;title\\a\\n\\u202e"',
}
