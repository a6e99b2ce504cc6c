"""Puts what was measured into `benchmarks/README.md`, between the markers of each section; leaves the rest alone."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks import defences, growth, photographs, pipeline, sweep, training
from benchmarks.tables import markdown, number
from miseducation.project.files import replacing

FOLDER = Path("benchmarks")


def roofline(frame: pd.DataFrame) -> str:
    """The table, and in a sentence how far a step is from its floors."""
    values = dict(zip(frame["quantity"], frame["value"], strict=True))
    took = values["a step: CPU time, median"]
    floors = {
        name.removeprefix("floor: "): took / value for name, value in values.items() if name.startswith("floor: ")
    }
    times = ", ".join(f"{number(ratio)} times as long as {name}" for name, ratio in floors.items())
    return f"{markdown(frame)}\n\nA training step takes {times}."


# A section of the README for each CSV file of the same name, in any order.
SECTIONS: dict[str, Callable[[pd.DataFrame], str]] = {
    "machine": markdown,
    "training": training.table,
    "photographs": photographs.table,
    "pipeline": pipeline.table,
    "defences": defences.table,
    "sweep": sweep.table,
    "growth": growth.table,
    "roofline": roofline,
    "profile": markdown,
}


def replace(text: str, section: str, content: str) -> str:
    """Puts `content` between the markers of a section.

    Raises:
        ValueError: If the text does not hold both markers, once each and in their order.

    >>> print(replace("a <!-- begin x -->old<!-- end x --> b", "x", "new"))
    a <!-- begin x -->
    <BLANKLINE>
    new
    <BLANKLINE>
    <!-- end x --> b
    """
    begin, end = f"<!-- begin {section} -->", f"<!-- end {section} -->"
    if (text.count(begin), text.count(end)) != (1, 1) or text.index(begin) > text.index(end):
        raise ValueError(f"there must be one {begin} and one {end} behind it")
    return f"{text.partition(begin)[0]}{begin}\n\n{content}\n\n{end}{text.partition(end)[2]}"


def write(folder: Path) -> list[str]:
    """Renews the sections of `README.md` whose CSV file is in the folder, and returns their names."""
    readme = folder / "README.md"
    text, there = readme.read_text(encoding="utf-8"), [name for name in SECTIONS if (folder / f"{name}.csv").is_file()]
    for name in there:
        text = replace(text, name, SECTIONS[name](pd.read_csv(folder / f"{name}.csv")))
    with replacing(readme) as partial:
        partial.write_text(text, encoding="utf-8")
    return there


if __name__ == "__main__":
    print(f"{FOLDER / 'README.md'}: {', '.join(write(FOLDER))}")
