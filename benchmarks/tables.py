"""Small Markdown tables out of data frames."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def markdown(frame: pd.DataFrame) -> str:
    """A Markdown table of the columns as they are; numbers to the right, with three significant digits.

    >>> print(markdown(pd.DataFrame({"rows": [10000], "seconds": [1.23456]})))
    | rows | seconds |
    |---:|---:|
    | 10,000 | 1.23 |
    """
    aligns = ["---:" if pd.api.types.is_numeric_dtype(frame[name]) else "---" for name in frame]
    rows = [[number(value) for value in row] for row in frame.itertuples(index=False)]
    head, *body = [f"| {' | '.join(cells)} |" for cells in [[str(name) for name in frame], *rows]]
    return "\n".join([head, f"|{'|'.join(aligns)}|", *body])


def number(value: Any) -> str:
    """A value as a reader wants it: counts whole, measurements with three digits, what is missing as "-".

    >>> number(60000), number(1234.5), number(0.012345), number(float("nan")), number("ours")
    ('60,000', '1,234', '0.0123', '-', 'ours')
    """
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if pd.isna(value):
        return "-"
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def spread(values: pd.Series, digits: int | None = None) -> str:
    """The median and, where they differ, the lowest and the highest; `digits` behind the point or as `number` has it.

    >>> spread(pd.Series([3.0, 1.0, 2.0]))
    '2 (1 - 3)'
    """
    show = number if digits is None or values.isna().all() else lambda value: f"{value:.{digits}f}"
    median, low, high = show(values.median()), show(values.min()), show(values.max())
    return median if low == high else f"{median} ({low} - {high})"


def renew(path: Path, results: pd.DataFrame, column: str) -> None:
    """Writes results to a CSV file, in place of its rows with the same values in a column; others stay, behind them."""
    if path.is_file():
        earlier = pd.read_csv(path)
        results = pd.concat([results, earlier[~earlier[column].isin(results[column])]])
    results.to_csv(path, index=False, lineterminator="\n")
