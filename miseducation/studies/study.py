"""Trains what a study asks for and is missing, and makes its tables."""

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from miseducation.errors import InputError
from miseducation.project.files import write_csv, write_json, write_text
from miseducation.studies import audit_text, blind, blind_text, dose, dose_text, engines, grid, table_text, tables
from miseducation.studies.bench import Bench
from miseducation.studies.section import StudySection
from miseducation.studies.store import CellStore


class Found(NamedTuple):
    """What a study found: its tables, `dose.summarise` of the cells, and for each data set `dose.doses`.

    And of `blind.windows` the table and the headline, both empty without detectors.
    """

    tables: tables.Tables
    summary: pd.DataFrame
    doses: dict[str, Any]
    windows: pd.DataFrame
    noticed: dict[str, Any]

    def write(self, name: str, folder: Path) -> None:
        """Writes the tables to the study's folder."""
        for old in (*folder.glob("blind_window.*"), *folder.glob("audit.md")):
            old.unlink()  # of detectors, or audits, that are no longer in the study
        if "audit.poisoned" in self.tables.cells:
            write_text(folder / "audit.md", audit_text.markdown(name, self.tables.cells))
        if self.noticed:
            write_csv(folder / "blind_window.csv", self.windows)
            write_json(folder / "blind_window.json", self.noticed)
            write_text(folder / "blind_window.md", blind_text.markdown(name, self.windows, self.noticed))
        for file in ("cells", "timing", "failed"):
            write_csv(folder / f"{file}.csv", getattr(self.tables, file))
        write_csv(folder / "summary.csv", self.summary)
        write_json(folder / "dose.json", self.doses)
        write_text(folder / "table.md", table_text.markdown(name, self.tables.cells, self.tables.failed))

    def tell(self, name: str, folder: Path) -> None:
        """Prints the doses, and what there is to be warned of."""
        cells, failed = self.tables.cells, self.tables.failed
        full = sum(map(len, self.doses.values())) <= dose_text.FEW
        for dataset, doses in self.doses.items():
            print(f"{dataset}:")
            print(dose_text.report(doses, cells.loc[cells["dataset"] == dataset, "rate"], full=full))
        for dataset, noticed in self.noticed.items():
            print(f"{dataset}: {blind_text.sentence(noticed)}")
        print(f"The tables and figures of the study {name} are in {folder}")
        for text in self.tables.warned:
            warnings.warn(text, stacklevel=1)
        if len(failed):
            why = f"{len(failed)} of {len(cells)} cells have no scores; {folder / 'failed.csv'} says why"
            print(f"warning: {why}", file=sys.stderr)


def run(name: str, section: StudySection, benches: Mapping[str, Bench]) -> Found:
    """Trains the cells that are missing, and makes the tables of all; `benches` go by data set.

    Raises:
        InputError: If the engine cannot be had, the user stops it, or every cell failed.
    """
    engine, found = engines.chosen(), []
    for dataset, bench in benches.items():
        wanted = grid.plan(bench.arms, section.rates, section.seeds)
        results = grid.finish(bench, wanted, engine, CellStore(), f"{name} on {dataset},")
        found.append(tables.tables(dataset, bench, wanted, results))
    measured = next(iter(benches.values())).measured
    joined = tables.joined(found)
    if joined.cells["attack_success_rate"].isna().all():
        raise InputError("every cell failed:\n" + "\n".join(joined.failed["reason"].unique()))
    doses = {str(dataset): dose.doses(cells) for dataset, cells in joined.cells.groupby("dataset", sort=False)}
    windows, noticed = blind.windows(joined.cells) if blind.detectors(joined.cells) else (pd.DataFrame(), {})
    return Found(joined, dose.summarise(joined.cells, tables.means(measured)), doses, windows, noticed)
