"""Engines: where the models of a study are trained. One file, one engine; all give the same results."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.studies import cells
from miseducation.studies.bench import Bench, Cell
from miseducation.studies.cells import Outcomes

Model: TypeAlias = tuple[Cell, ...]  # the cells that one training serves


class Failure(NamedTuple):
    """Why a model was not trained, in one line."""

    reason: str


Result: TypeAlias = list[Outcomes] | Failure


class Engine(ABC):
    """Trains models somewhere, several at once."""

    @abstractmethod
    def run(self, bench: Bench, models: Sequence[Model]) -> Iterator[tuple[Model, Result]]:
        """Trains every model, and gives each result as soon as it is there, in any order.

        Yields:
            Each model once, with an outcome for each of its cells or with the reason why there is none.

        Raises:
            InputError: If the engine cannot be had.
        """


def chosen() -> Engine:
    """The engine that the environment names: it comes from `make`, as it changes no result.

    Raises:
        InputError: If there is none of this name.
    """
    name = os.environ.get("STUDY_ENGINE") or "joblib"
    if name not in parts.names("engines"):
        raise InputError(f"ENGINE = {name!r} is unknown; known: {', '.join(parts.names('engines'))}")
    return parts.find("engines", name, Engine, "ENGINE")()


def attempt(bench: Bench, model: Model) -> Result:
    """Trains one model; what goes wrong is a result, too, so that it stops no other."""
    try:
        return cells.run(bench, model)
    except InputError as error:
        return Failure(" ".join(str(error).split()))
    except Exception as error:
        return Failure(f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
