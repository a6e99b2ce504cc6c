"""Which rows an attacker takes, and for what; counted as shares of all rows that the learner gets."""

from math import floor
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np

from miseducation.errors import InputError
from miseducation.poisoning.label_maps import LabelMap

if TYPE_CHECKING:
    from miseducation.poisoning.surrogate import Surrogate

Mode = Literal["replace", "add"]  # the article's way, and that of BadNets' authors
# What a row is for, as in the column `role` of the manifest. All but `poison` keep their label. The channel makes
# `outvoted` ones of some that were meant as poison.
Role: TypeAlias = Literal["poison", "cover", "noise", "outvoted"]


class Purpose(NamedTuple):
    """What an attack makes images for, and what there is to make them with.

    Attributes:
        role: What the rows are for.
        rng: For randomness. Draw row by row: then the poison at a low rate is part of that at a higher one.
        surrogate: A clean model like the victim's; there if the attack `needs_surrogate`.
    """

    role: Role
    rng: np.random.Generator
    surrogate: "Surrogate | None"


class Companions(NamedTuple):
    """Rows that an attack wants beside the poisoned ones, with their true label.

    Attributes:
        role: What they are for.
        ratio: How many of them for each poisoned row, 0 or more; a knob of the attack, named as the role.
        spared: Whether they come from the rows that cover rows are taken of, or from all that are not poisoned.
    """

    role: Literal["cover", "noise"]
    ratio: float
    spared: bool = False


def draw(
    labels: np.ndarray,
    label_map: LabelMap,
    companions: Companions | None,
    *,
    rate: float,
    cover: float,
    mode: Mode,
    rng: np.random.Generator,
    attack: str,
) -> list[tuple[Role, np.ndarray]]:
    """Draws the poisoned rows, cover rows, and an attack's companions.

    Cover rows come from the rows that the label map spares, but for those of the class wanted, whose label the trigger
    would confirm.

    Args:
        labels: int64 `[n]`, those of the clean training set.
        label_map: Who may be poisoned.
        companions: What the attack wants beside them.
        rate: Poisoned rows as a share of all rows that the learner gets.
        cover: Cover rows, likewise.
        mode: "replace" if the rows are changed themselves, "add" if changed copies come beside them.
        rng: Draws a permutation of the rows for each end, of which a prefix is taken.
        attack: The attack's name, for messages.

    Returns:
        What rows are for, the poisoned ones first, and which they are, int64 `[k]`, in the order in which they were
        drawn: fewer are the beginning of more, companions as far as the poisoned rows leave them. None comes twice.

    Raises:
        InputError: If a share rounds to no row although it is above 0, or asks for more rows than there are.
    """
    poisonable = label_map.poisonable(labels)
    key = f"attack.rate × attacks.{attack}.{companions.role}" if companions else ""
    beside = rate * companions.ratio if companions else 0.0
    if mode == "add" and rate + cover + beside >= 1:
        also = f" and {key} = {beside:g}" if beside else ""
        raise InputError(
            f"params.yaml: attack.rate = {rate} and attack.cover = {cover}{also} leave no room for the clean rows, "
            "which attack.mode = add keeps; allowed: together below 1"
        )
    total, free = rate + cover + beside, np.ones(len(labels), dtype=bool)
    draws: list[tuple[Role, np.ndarray]] = []

    def take(role: Role, name: str, share: float, among: np.ndarray) -> None:
        available = int((among & free).sum())
        # With companions other shares move with the rate, too, so there is no one highest share to tell.
        moving = key if mode == "add" or name == key else ""
        count = _count(name, share, total - share, len(labels), available, mode, moving)
        shuffled = rng.permutation(np.flatnonzero(among))
        rows = shuffled[free[shuffled]][:count]
        draws.append((role, rows))
        free[rows] = False

    take("poison", "attack.rate", rate, poisonable)
    spared = ~poisonable & (labels != label_map.target)
    take("cover", "attack.cover", cover, spared)
    if companions:
        take(companions.role, key, beside, spared if companions.spared else np.ones_like(poisonable))
    return draws


def _count(key: str, share: float, other: float, rows: int, available: int, mode: Mode, moving: str) -> int:
    """How many rows a share of all that the learner gets is, of which another share is taken, too.

    `moving` are knobs that would have to be lowered, where it is no use to tell the highest share.
    """
    if mode == "replace":
        whole, most = float(rows), available / rows
    else:
        whole, most = rows / (1 - share - other), available * (1 - other) / (rows + available)
    count = int(share * whole + 0.5)
    if share > 0 and count == 0:
        raise InputError(
            f"params.yaml: {key} = {share:g} is less than one of {whole:.0f} training rows; "
            f"allowed: 0 for none, or at least {1 / whole:.2g}"
        )
    if count > available:
        highest = f"0 to {floor(most * 1e6) / 1e6:g}" if available else "0"
        allowed = f"less of {moving}" if moving and available else highest
        raise InputError(
            f"params.yaml: {key} = {share:g} asks for {count} of {whole:.0f} training rows, but the label map allows "
            f"{available}; allowed: {allowed}"
        )
    return count
