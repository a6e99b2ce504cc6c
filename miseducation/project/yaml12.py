"""Reads YAML as DVC does, which reads the same files.

PyYAML finds the parts of a file, but not what they mean. For it, by YAML 1.1, `010` is 8, `no` is false and `1e3` is
text; for DVC, by 1.2, they are 10, text and 1000. Parameters that a stage takes otherwise than DVC records them make a
result that is not what it says. What the two would still read differently is refused, and so is what DVC refuses.

So is what no file of ours needs and what takes all memory or time, as a file may be a stranger's. Hence it is built
part by part and counted: PyYAML's own way of building it crashes where a million brackets are open.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from miseducation.errors import InputError
from miseducation.project.messages import cut, shown

LARGEST = 4_000_000  # bytes of a file; DVC's record of the pipeline has 11,000
MOST = 200_000  # values, a long text as one more per `PER`, and what an alias repeats; `params.yaml` has some 700
PER = LARGEST // MOST  # characters
DEEPEST = 50  # levels
LONGEST, LONGEST_KEY = 10_000, 200  # characters
HIGHEST = 2**64  # a whole number: Python does not even show one of thousands of digits
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, ten times as fast; part of PyYAML's wheels
TAG = "tag:yaml.org,2002:"
# What is no text though it has no quotes, as ruamel.yaml has it, which reads for DVC.
PLAIN = re.compile(
    r"""(?P<null> | ~ | null | Null | NULL )
    | (?P<bool> true | True | TRUE | false | False | FALSE )
    | (?P<float> [-+]? [0-9] [0-9_]* \. [0-9_]* (?: [eE] [-+]? [0-9]+ )?
        | [-+]? [0-9] [0-9_]* [eE] [-+]? [0-9]+
        | [-+]? \. [0-9_]+ (?: [eE] [-+] [0-9]+ )?
        | [-+]? \. (?: inf | Inf | INF ) | \. (?: nan | NaN | NAN ) )
    | (?P<int> (?!_) [-+]? (?: 0b [01_]+ | 0o [0-7_]+ | [0-9_]+ | 0x [0-9a-fA-F_]+ ) )
    | (?P<timestamp> [0-9]{4} - [0-9]{2} - [0-9]{2}
        | [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} (?: [Tt] | [ \t]+ ) [0-9]{1,2} : [0-9]{2} : [0-9]{2} (?: \. [0-9]* )?
          (?: [ \t]* (?: Z | [-+] [0-9]{1,2} (?: : [0-9]{2} )? ) )? )
    | (?P<merge> << )
    | (?P<value> = )""",
    re.VERBOSE,
)

MADE: dict[str, Callable[[str], Any]] = {
    "null": lambda _: None,
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "int": lambda text: int(text.replace("_", ""), 0 if re.match("[-+]?0[box]", text) else 10),
    "float": lambda text: float(re.sub(r"^([-+]?)\.(inf|nan)$", r"\1\2", text.replace("_", "").lower())),
    "str": str,
}


def load_yaml(path: Path, what: str = "keys") -> dict[str, Any]:
    """Reads a file that is a mapping of `what`. Keys are texts; values are those that JSON has.

    Raises:
        InputError: If it cannot be read, is not YAML, or holds what is refused; in one line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"{path} is larger than {LARGEST:,} bytes")
        value = _Document(path, content.decode("utf-8")).value()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not valid YAML: it is not in UTF-8") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {cut(' '.join(str(error).split()))}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must be a mapping of {what}, but is {type(value).__name__}")
    return value


class _Document:
    """Builds the one document of a text from PyYAML's events."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._events = path, yaml.parse(text, LOADER)
        self._count = 0
        self._anchors: dict[str, tuple[Any, int]] = {}  # what each stands for, and what it counts

    def value(self) -> Any:
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._build(next(self._events), 1)
        next(self._events)
        if not isinstance(event := next(self._events), yaml.StreamEndEvent):
            raise self._refusal(event, "a second document begins")
        return value

    def _build(self, event: Any, level: int) -> Any:
        """The value that begins with this event."""
        before = self._count
        if isinstance(event, yaml.AliasEvent):
            value, repeated = self._anchors.get(str(event.anchor), (None, 0))
            if not repeated:
                raise self._refusal(event, f"*{cut(str(event.anchor))} refers to no anchor before it")
            self._count += repeated
        else:
            self._count += 1
            if level > DEEPEST:
                raise self._refusal(event, f"there are more than {DEEPEST} levels")
            if isinstance(event, yaml.ScalarEvent):
                value = self._scalar(event)
                self._count += len(event.value) // PER
            elif event.tag not in (None, "!", f"{TAG}seq", f"{TAG}map"):
                raise self._refusal(event, f"the tag {shown(event.tag)} is not known")
            elif isinstance(event, yaml.SequenceStartEvent):
                value = [self._build(each, level + 1) for each in self._until(yaml.SequenceEndEvent)]
            else:
                value = self._mapping(level)
            if event.anchor in self._anchors:
                raise self._refusal(event, f"&{cut(event.anchor)} appears twice")
            if event.anchor:
                self._anchors[event.anchor] = value, self._count - before
        if self._count > MOST:
            raise self._refusal(event, f"there are more than {MOST:,} values, or strings as long as that many")
        return value

    def _until(self, end: type) -> Iterator[Any]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _scalar(self, event: Any) -> Any:
        kind, text = _kind(event), event.value
        if len(text) > LONGEST:
            raise self._refusal(event, f"{shown(text)} has more than {LONGEST:,} characters")
        try:
            value = MADE[kind](text)
        except (KeyError, ValueError):
            advice = "in quotes and without a tag, it is a string"
            raise self._refusal(event, f"{shown(text)} cannot be read as {shown(kind)}; {advice}") from None
        if kind == "int" and abs(value) > HIGHEST:
            raise self._refusal(event, f"the number {shown(text)} is not within ±2**64; in quotes it is a string")
        return value

    def _mapping(self, level: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: list[Any] | None = None
        for event in self._until(yaml.MappingEndEvent):
            if merges := isinstance(event, yaml.ScalarEvent) and _kind(event) == "merge":
                key, twice = event.value, merged is not None
            else:
                key = self._key(event, level + 1)
                twice = key in found
            if twice:
                raise self._refusal(event, f"the key {key} appears twice")
            value = self._build(next(self._events), level + 1)
            if merges:
                merged = value if isinstance(value, list) else [value]
                if not all(isinstance(each, dict) for each in merged):
                    raise self._refusal(event, f"<< takes a mapping, or a list of mappings, not {shown(value)}")
            else:
                found[key] = value
        whole: dict[str, Any] = {}
        for each in [*reversed(merged or []), found]:  # the first that has a key counts
            whole |= each
        return whole

    def _key(self, event: Any, level: int) -> str:
        key = self._build(event, level)
        if not isinstance(key, str):
            raise self._refusal(event, f"the key {shown(key)} is not a string; put it in quotes")
        if not key.isprintable() or len(key) > LONGEST_KEY:  # keys are in messages, tables and file names
            raise self._refusal(event, f"the key {shown(key)} is too long, or contains characters that cannot be shown")
        return key

    def _refusal(self, event: Any, reason: str) -> InputError:
        return InputError(f"{self._path}, line {event.start_mark.line + 1}: {reason}")


def _kind(event: Any) -> str:
    """What a scalar is: by the tag that it has, by its looks if it has no quotes, or a text."""
    if event.implicit[0]:
        match = PLAIN.fullmatch(event.value)
        return match.lastgroup or "str" if match else "str"
    return event.tag.removeprefix(TAG) if event.tag else "str"
