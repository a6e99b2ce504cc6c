"""Label maps: which training rows may be poisoned, which test rows are attacked, and what label is wanted.

All labels are int64 `[n]`; masks are bool `[n]`. A new label map is one more class here: its name in `params.yaml`
is the class's name in lower case with hyphens, so `AllToOne` is `all-to-one`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from miseducation.dataset.names import composed
from miseducation.errors import InputError

LISTED = 50  # names of classes in a message


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """What an attacker wants of whom.

    Attributes:
        needs: The knobs that the map reads.
        relabels: Whether it gives training rows another label than their own.
        target: The label wanted, 0 to classes - 1; None where the map needs none.
        source: The label attacked, 0 to classes - 1; None where the map needs none.
        classes: The number of classes, K, 2 or more.

    Raises:
        InputError: If a label is missing, is none of the classes, or both are the same.
    """

    needs: ClassVar[tuple[str, ...]] = ("target",)
    relabels: ClassVar[bool] = True

    target: int | None = None
    source: int | None = None
    classes: int

    def __post_init__(self) -> None:
        for key in self.needs:  # by number: which names there are, only the data set knows
            given = getattr(self, key)
            if type(given) is not int or not 0 <= given < self.classes:
                raise InputError(f"params.yaml: attack.{key} = {given!r} is not a class from 0 to {self.classes - 1}")
        if self.source is not None and self.source == self.target:
            raise InputError(f"params.yaml: attack.source and attack.target are both {self.target}; they must differ")

    def check_fits(self, classes: Sequence[str]) -> None:
        """Refuses, with an `InputError`, a data set with another number of classes."""
        if len(classes) != self.classes:
            raise InputError(f"the label map is for {self.classes} classes, but the data set has {len(classes)}")

    def poisonable(self, labels: np.ndarray) -> np.ndarray:
        """The training rows that the attacker may poison: all, if a map does not say otherwise."""
        return np.ones(len(labels), dtype=bool)

    def attackable(self, labels: np.ndarray) -> np.ndarray:
        """The test rows on which the attack is scored: all, if a map does not say otherwise."""
        return np.ones(len(labels), dtype=bool)

    def goal(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The label that the attacker wants for each row: the target. `rng` is for maps that leave it to chance."""
        return np.full_like(labels, self.target)


@final
class AllToOne(LabelMap):
    """Every class is read as the target (Gu et al. 2017). The poison is drawn from all rows, the target's too."""

    def attackable(self, labels: np.ndarray) -> np.ndarray:
        return labels != self.target


@final
class AllToAll(LabelMap):
    """Every class is read as the next one, the last as the first (Gu et al. 2017). Needs neither target nor source."""

    needs: ClassVar[tuple[str, ...]] = ()

    def goal(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (labels + 1) % self.classes


@final
class OneToOne(LabelMap):
    """Only the source class is read as the target: a stop sign as a speed limit (Gu et al. 2017)."""

    needs: ClassVar[tuple[str, ...]] = ("target", "source")

    def poisonable(self, labels: np.ndarray) -> np.ndarray:
        return labels == self.source

    def attackable(self, labels: np.ndarray) -> np.ndarray:
        return labels == self.source


@final
class CleanLabel(LabelMap):
    """Only images of the target class are touched and their labels stay true (Turner et al. 2019)."""

    relabels: ClassVar[bool] = False

    def poisonable(self, labels: np.ndarray) -> np.ndarray:
        return labels == self.target

    def attackable(self, labels: np.ndarray) -> np.ndarray:
        return labels != self.target


@final
class Random(LabelMap):
    """Every class is read as any other: the mistakes of a careless annotator. Needs neither target nor source."""

    needs: ClassVar[tuple[str, ...]] = ()

    def goal(self, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (labels + rng.integers(1, self.classes, len(labels))) % self.classes


def names() -> list[str]:
    """The names of all label maps."""
    return sorted(_by_name())


def build(name: str, target: int | str | None, source: int | str | None, classes: Sequence[str]) -> LabelMap:
    """The label map of this name, as in `attack.label_map`, for the classes of these names.

    The labels wanted and attacked are numbers or class names; a map reads those that it needs.

    Raises:
        InputError: If the name or a label is unknown or missing, or target and source are the same.
    """
    check_name(name)
    if len(classes) < 2:
        raise InputError("an attack needs at least two classes, but this data set has only one")
    chosen, given = _by_name()[name], {"target": target, "source": source}
    needed = {key: class_number(f"attack.{key}", given[key], classes) for key in chosen.needs}
    return chosen(**needed, classes=len(classes))


def check_name(name: str, key: str = "attack.label_map") -> None:
    """Refuses, with an `InputError`, a name that is no label map."""
    if name not in names():
        raise InputError(f"params.yaml: {key} = {name!r} is unknown; known: {', '.join(names())}")


def class_number(key: str, given: int | str | None, classes: Sequence[str]) -> int:
    """The number of a class that is given by number or name; else an `InputError` that names the key.

    A name wins: where classes are called 1, 2 and 8, then 8 is the last of them.
    """
    if given is not None and composed(str(given)) in (known := [*map(composed, classes)]):
        return known.index(composed(str(given)))
    if isinstance(given, int) and 0 <= given < len(classes):
        return given
    allowed = f"a class number from 0 to {len(classes) - 1} or one of the names {', '.join(classes[:LISTED])}"
    allowed += f" and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
    raise InputError(f"params.yaml: {key} = {given!r} is not a class of this data set; allowed: {allowed}")


def _by_name() -> dict[str, type[LabelMap]]:
    return {re.sub(r"(?<!^)(?=[A-Z])", "-", each.__name__).lower(): each for each in LabelMap.__subclasses__()}
