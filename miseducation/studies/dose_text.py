"""Doses in words, for people."""

import re
from typing import Any

import pandas as pd

from miseducation.studies.dose import LEVELS, key

FEW = 3  # series up to which doses are told in full, and bands and single seeds drawn; more would hide each other
NUMBER = re.compile(r"\d\S*")


def percent(share: float) -> str:
    """A share in three digits.

    >>> percent(0.0018342), percent(0.1)
    ('0.183 %', '10 %')
    """
    return f"{100 * share:.3g} %"


def numbers(bound: str) -> list[float]:
    """The rates in a bound of `dose.doses`.

    >>> numbers("> 0.1"), numbers("5e-05 to 0.0001")
    ([0.1], [5e-05, 0.0001])
    """
    return [float(number) for number in NUMBER.findall(bound)]


def within(bound: str | None) -> str:
    """A bound of `dose.doses` in words.

    >>> within("> 0.1"), within("5e-05 to 0.0001"), within(None)
    ('above 10 %', '0.005 % to 0.01 %', 'no data')
    """
    text = (bound or "no data").replace("<", "below").replace(">", "above")
    return NUMBER.sub(lambda number: percent(float(number[0])), text)


def words(level: float, dose: dict[str, Any], lowest: float, highest: float, *, full: bool = True) -> str:
    """The rate needed for a level, 0 to 1; in full with its interval, which may go beyond the rates tried.

    >>> words(0.5, {"rate": 0.0018342, "interval": [0.00161, 0.0024], "bound": None}, 0.0001, 0.1)
    '50 % at 0.183 % (0.161 % to 0.24 %)'
    >>> words(0.95, {"rate": 0.05, "interval": [0.02, None], "bound": None}, 0.0001, 0.1)
    '95 % at 5 % (2 % to above 10 %)'
    >>> words(0.95, {"rate": None, "interval": None, "bound": "> 0.1"}, 0.0001, 0.1)
    '95 %: above 10 %'
    """
    if dose["rate"] is None:
        return f"{percent(level)}: {within(dose['bound'])}"
    text = f"{percent(level)} at {percent(dose['rate'])}"
    if not full or dose["interval"] is None:
        return text
    low, high = dose["interval"]
    low = percent(low) if low else f"below {percent(lowest)}"
    high = percent(high) if high else f"above {percent(highest)}"
    return f"{text} ({low} to {high})"


def report(doses: dict[str, Any], rates: pd.Series, *, full: bool = True) -> str:
    """The series of `dose.doses`, given the rates that were tried; in a line each if not in full.

    >>> found = {"rate": None, "interval": None, "bound": "> 0.1"}
    >>> doses = {"badnets/all-to-one": {"attack_success_rate_50": found, "attack_success_rate_95": found}}
    >>> print(report(doses, pd.Series([0, 0.001, 0.1])))
    badnets/all-to-one: the attack success rate reaches
        50 %: above 10 %
        95 %: above 10 %
    """
    lowest, highest = rates[rates > 0].min(), rates.max()
    lines = []
    for name, found in doses.items():
        texts = [words(level, found[key(level)], lowest, highest, full=full) for level in LEVELS]
        head = f"{name}: the attack success rate reaches"
        lines += [head, *(f"    {text}" for text in texts)] if full else [f"    {name}: {', '.join(texts)}"]
    return "\n".join(lines)
