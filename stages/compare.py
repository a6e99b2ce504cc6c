"""compare: how well do the attacks do? Trains a model for each data set, attack, rate and seed, as a sweep does."""

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from stages import command, parts
from stages.attacks import Attack
from stages.benches import Chosen, Distinct, GridSection, prepare
from stages.command import InputError
from stages.compute import ComputeSection
from stages.params import Section, read, validate
from stages.poison import AttackSection
from stages.train import TrainSection

if TYPE_CHECKING:
    from stages.cells import Bench

COMPARED, METRICS = Path("data/compared"), Path("metrics")
SETTLED = {"name", "rate", "label_map", "surrogate"}  # of the section `attack`, by what is compared
S = TypeVar("S", bound=Section)
Knobs = dict[str, Any]


class Compared(Section):
    """An entry of `comparison.datasets`: which attacks, and what is other than in the sections of the same names."""

    compared: Annotated[Distinct[str], Field(min_length=1)] | None = Field(
        None, description="a list of attacks, or null for all"
    )
    attack: Knobs = Field({}, description="knobs of the section attack: target, source, mode, cover, channel")
    attacks: dict[str, Knobs] = Field({}, description="knobs of single attacks, by the attack's name")
    train: Knobs = Field({}, description="knobs of the section train")


class ComparisonSection(GridSection):
    """The section `comparison`."""

    datasets: dict[str, Annotated[Compared, BeforeValidator(lambda entry: {} if entry is None else entry)]] = Field(
        min_length=1, description="for each data set {compared: …} and what is other for it than above"
    )

    def check(self) -> None:
        """Looks at the names, without importing anything.

        Raises:
            InputError: If there is no data set or attack of a name, or a knob is given that is settled.
        """
        for dataset, entry in self.datasets.items():
            key = f"comparison.datasets.{dataset}"
            parts.check_name("datasets", dataset, "comparison.datasets")
            for name in [*(entry.compared or ()), *entry.attacks]:
                parts.check_name("attacks", name, key)
            if settled := sorted(SETTLED & entry.attack.keys()):
                raise InputError(
                    f"params.yaml: {key}.attack.{settled[0]} cannot be given, as each attack has its own; "
                    "allowed: target, source, mode, cover, channel"
                )


def bench(dataset: str, entry: Compared, compute: ComputeSection) -> "Bench":
    """Reads all that is compared on one data set.

    Raises:
        InputError: If a knob is wrong, or an attack does not fit the data set.
    """
    common, key = _read(AttackSection, "attack", dataset, entry.attack), f"comparison.datasets.{dataset}.compared"
    chosen = []
    for name in entry.compared or parts.names("attacks"):
        kind = parts.find("attacks", name, Attack, key)
        attack = _read(kind, f"attacks.{name}", dataset, entry.attacks.get(name, {}))
        surrogate = "clean" if kind.needs_surrogate else "none"
        update = {"name": name, "label_map": kind.label_map, "surrogate": surrogate}
        chosen.append(Chosen(common.model_copy(update=update), attack))
    try:
        return prepare(COMPARED / dataset, chosen, _read(TrainSection, "train", dataset, entry.train), compute)
    except InputError as error:
        raise InputError(f"in the comparison on {dataset}: {error}") from None


def _read(schema: type[S], section: str, dataset: str, other: Knobs) -> S:
    """A section as it is for a data set."""
    usual = read(schema, section)
    return validate(schema, f"comparison.datasets.{dataset}.{section}", usual.model_dump() | other) if other else usual


def main() -> None:
    """Reads `params.yaml` and `data/compared`; writes the tables and pictures `metrics/attack*`."""
    section, compute = read(ComparisonSection, "comparison"), read(ComputeSection, "compute")

    from stages import attack_curves, attack_gallery, comparison, dose, engines, grid, pictures, sweep_tables
    from stages.cell_store import CellStore
    from stages.files import write_csv, write_text

    engine = engines.chosen()
    benches = {name: bench(name, entry, compute) for name, entry in section.datasets.items()}
    found, warned = [], []
    for name, each in benches.items():
        wanted = grid.plan(each.arms, section.rates, section.seeds)
        results = grid.finish(each, wanted, engine, CellStore(), f"attacks on {name},")
        found.append(comparison.tables(name, each, wanted, results))
        warned += [f"{name}: {text}" for text in sweep_tables.warned(wanted, results)]
    cells, timing, failed = map(comparison.joined, zip(*found, strict=True))
    if cells["attack_success_rate"].isna().all():
        raise InputError("every cell failed:\n" + "\n".join(failed["reason"].unique()))
    summary = dose.summarise(cells, comparison.MEANS)
    for suffix, table in (("", cells), ("_timing", timing), ("_failed", failed), ("_summary", summary)):
        write_csv(METRICS / f"attacks{suffix}.csv", table)
    write_text(METRICS / "attacks.md", comparison.markdown(cells, failed))
    pictures.save(attack_curves.success_by_rate(cells, summary), METRICS / "attacks.png")
    seed = min(section.seeds)
    shown = {name: attack_gallery.examples(each, seed) for name, each in benches.items()}
    pictures.save(attack_gallery.gallery(shown), METRICS / "attack_gallery.png")
    for text in warned:
        warnings.warn(text, stacklevel=1)
    if len(failed):
        why = f"{len(failed)} of {len(cells)} cells have no scores: metrics/attacks_failed.csv says why"
        print(f"warning: {why}", file=sys.stderr)


if __name__ == "__main__":
    command.run(main)
