"""Reads `params.yaml`. Each stage declares its own section; see `Section`."""

from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from miseducation.errors import InputError
from miseducation.project.messages import cut, shown
from miseducation.project.own_files import locate
from miseducation.project.yaml12 import load_yaml

PARAMS = Path("params.yaml")
# DVC's run cache leaves these keys out wherever they stand, as they are also names of its own: after a change of such a
# knob it would restore the old result.
UNHASHED = {"size", "nfiles"}


class Section(BaseModel):
    """A section of `params.yaml`: each field is a knob whose description says its unit and range."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Refuses a knob whose changes DVC would not notice."""
        if taken := UNHASHED & cls.model_fields.keys():
            raise TypeError(f"{cls.__name__}: no knob may be called {', '.join(taken)}, see UNHASHED")

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        meant = cls.model_fields[info.field_name or ""].annotation
        if bool not in (meant, *get_args(meant)) and _holds_truth(value):  # or pydantic makes 1 of true
            raise ValueError("true and false are not allowed here")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _is_a_place(cls, value: Any) -> Any:
        if isinstance(value, Path):
            locate(value)
        return value


class _Seed(Section):
    seed: int = Field(ge=0, lt=2**63, description="a whole number, 0 or more")


S = TypeVar("S", bound=Section)


def read_all(path: Path = PARAMS) -> dict[str, Any]:
    """The whole file as nested dictionaries; an `InputError` if it is missing, not YAML, or not a mapping."""
    return load_yaml(path, "sections")


def read(schema: type[S], section: str, path: Path = PARAMS) -> S:
    """Reads and validates one section, such as `train` or `attacks.badnets`.

    Raises:
        InputError: One line per mistake: the key, what was given, and what is allowed.
    """
    content: Any = read_all(path)
    for key in section.split("."):
        if not isinstance(content, dict) or key not in content:
            raise InputError(f"{path} lacks the section {section}, which has {_known(schema)}")
        content = content[key]
    return validate(schema, section, {} if content is None else content, path)


def read_seed(path: Path = PARAMS) -> int:
    """Reads the top-level `seed`, from which each stage makes its own generators."""
    return validate(_Seed, "", {"seed": read_all(path).get("seed")}, path).seed


def validate(schema: type[S], section: str, content: Any, path: Path = PARAMS) -> S:
    """Builds a section from what stands in the file; see `read`."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        lines = [_explain(schema, section, content, problem) for problem in error.errors(include_url=False)]
        raise InputError("\n".join(f"{path}: {line}" for line in lines)) from None


def _explain(schema: type[Section], section: str, content: Any, problem: Any) -> str:
    name, *inner = [str(part) for part in problem["loc"]] or [""]
    key = ".".join(filter(None, [section, name]))
    message = cut(problem["msg"].removeprefix("Value error, "), 1000)
    if not name:
        return f"{section} = {shown(content)}: {message}"
    allowed = schema.model_fields[name].description if name in schema.model_fields else None
    if inner:  # deeper down: an item of a list, a key of a mapping, a branch of a union
        given = content[name]
        if isinstance(given, dict) and isinstance(given.get(inner[0]), int | float | str):  # which tells all by itself
            key, given, inner = f"{key}.{inner[0]}", given[inner[0]], inner[1:]
        place = f" (at {'.'.join(inner)})" if inner else ""
        return f"{key} = {shown(given)}: {message}{place}; allowed: {allowed}"
    if problem["type"] == "extra_forbidden":
        return f"{key} is not a known key; {section} has {_known(schema)}"
    if problem["type"] == "missing":
        return f"{key} is missing: {allowed}"
    return f"{key} = {shown(content[name])}: {message}; allowed: {allowed}"


def _holds_truth(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_truth, value)))


def _known(schema: type[Section]) -> str:
    return ", ".join(schema.model_fields) or "no keys"
