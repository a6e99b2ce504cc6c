"""Single parameters, as the option `-S` of DVC's commands takes them."""

import json
import re
from collections.abc import Iterator
from typing import Any

NO_TEXT = ("true", "false", "null", "nan", "inf")  # for `-S`, if they have no quotes
PARTS = ("attacks", "channels", "datasets")  # which have sections of their own


def knobs(content: dict[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    """Keys and values of all knobs of `params.yaml`. A knob may hold a mapping, too, as badnets' patch does."""
    for name, value in content.items():
        key = f"{section}.{name}" if section else name
        if isinstance(value, dict) and section in ("", *PARTS):
            yield from knobs(value, key)
        else:
            yield key, value


def setting(key: str, value: Any) -> str:
    """What follows `-S` to give a parameter this value.

    >>> setting("attack.source", None)
    'attack.source=null'
    """
    return f"{key}={_plain(value)}"


def _plain(value: Any) -> str:
    """A value as `-S` understands it: much like JSON in one line, but with quotes of another kind."""
    if isinstance(value, str):
        if re.fullmatch(r"[A-Za-z_][\w./-]*", value, re.ASCII) and value.lower() not in NO_TEXT:
            return value
        return "'" + re.sub(r"(\\*)(?='|$)", r"\1\1", value).replace("'", r"\'") + "'"
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_plain(each)}' for key, each in value.items())}}}"
    return json.dumps(value).replace("Infinity", "inf")
