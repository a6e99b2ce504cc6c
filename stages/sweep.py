"""sweep: how much poison does it take? Trains a model for each attack, rate and seed, and fits the curve to them."""

import sys
import warnings
from pathlib import Path

from pydantic import Field

from stages import command, label_maps, parts
from stages.benches import Chosen, Distinct, GridSection, prepare
from stages.command import InputError
from stages.compute import ComputeSection
from stages.params import Section, read, read_all
from stages.poison import AttackSection, attack
from stages.train import TrainSection

RAW, METRICS = Path("data/raw"), Path("metrics")
# What the article reports of MNIST: rate, attack success rate (of all test images), clean accuracy.
ARTICLE = ((0.01, 0.95, 0.99), (0.05, 0.99, 0.99))


class SweptAttack(Section):
    """An entry of `sweep.attacks` that says more than the attack's name."""

    name: str
    label_map: str


class SweepSection(GridSection):
    """The section `sweep`."""

    attacks: Distinct[str | SweptAttack] = Field(
        min_length=1,
        description="a list of attacks: names, or {name: …, label_map: …} for another map than the attack's",
    )

    def common(self, section: AttackSection) -> list[AttackSection]:
        """The section `attack` as each of the attacks wants it.

        Raises:
            InputError: If there is no attack or label map of a name, or a combination stands there twice.
        """
        entries = [
            {"name": each, "label_map": section.label_map} if isinstance(each, str) else each.model_dump()
            for each in self.attacks
        ]
        for entry in entries:
            parts.check_name("attacks", entry["name"], "sweep.attacks")
            label_maps.check_name(entry["label_map"], "sweep.attacks")
            if entries.count(entry) > 1:
                raise InputError(
                    "params.yaml: sweep.attacks: {name} with {label_map} stands there twice".format(**entry)
                )
        return [section.model_copy(update=entry) for entry in entries]


def main() -> None:
    """Reads `params.yaml` and `data/raw`; writes the tables `metrics/sweep*.csv`, `metrics/dose.json` and a figure."""
    section, dataset = read(SweepSection, "sweep"), str(read_all()["data"]["name"])

    from stages import curves, dose, dose_text, engines, grid, pictures, sweep_tables
    from stages.cell_store import CellStore
    from stages.files import write_csv, write_json

    engine, learning, compute = engines.chosen(), read(TrainSection, "train"), read(ComputeSection, "compute")
    swept = [Chosen(each, attack(each.name)) for each in section.common(read(AttackSection, "attack"))]
    bench = prepare(RAW, swept, learning, compute)
    wanted = grid.plan(bench.arms, section.rates, section.seeds)
    results = grid.finish(bench, wanted, engine, CellStore(), "sweep")
    cells, timing, failed = sweep_tables.tables(dataset, bench.arms, wanted, results)
    if cells["attack_success_rate"].isna().all():
        raise InputError("every cell failed:\n" + "\n".join(failed["reason"].unique()))
    summary, doses = dose.summarise(cells), dose.doses(cells)
    for suffix, table in (("", cells), ("_timing", timing), ("_failed", failed), ("_summary", summary)):
        write_csv(METRICS / f"sweep{suffix}.csv", table)
    write_json(METRICS / "dose.json", doses)
    figure = curves.dose_response(cells, summary, doses, ARTICLE if dataset == "mnist" else ())
    pictures.save(figure, METRICS / "sweep.png")
    print(f"{dose_text.report(doses, cells['rate'])}\n{METRICS / 'sweep.png'} shows the curve")
    for text in sweep_tables.warned(wanted, results):
        warnings.warn(text, stacklevel=1)
    if len(failed):
        why = f"{len(failed)} of {len(cells)} cells failed: metrics/sweep_failed.csv says why"
        print(f"warning: {why}", file=sys.stderr)


if __name__ == "__main__":
    command.run(main)
