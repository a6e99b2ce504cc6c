"""sweep: how much poison does it take? Trains a model for each attack, rate and seed, and fits the curve to them."""

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from stages import command, label_maps, parts
from stages.command import InputError
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import load_raw
from stages.params import Section, read, read_all
from stages.poison import AttackSection, attack, channel
from stages.train import TrainSection

if TYPE_CHECKING:
    from stages.cells import Bench

RAW, METRICS = Path("data/raw"), Path("metrics")
# Ignored by git, and safe to lose. `dvc exp run --temp` and `--queue` run in a copy of the work tree, DVC_ROOT.
STORE = Path(os.environ.get("DVC_ROOT", "."), ".dvc/tmp/sweep.db")
# What the article reports of MNIST: rate, attack success rate (of all test images), clean accuracy.
ARTICLE = ((0.01, 0.95, 0.99), (0.05, 0.99, 0.99))
T = TypeVar("T")


def _distinct(values: list[T]) -> list[T]:
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{twice[0]!r} stands there twice")
    return values


Rate: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class SweptAttack(Section):
    """An entry of `sweep.attacks` that says more than the attack's name."""

    name: str
    label_map: str


class SweepSection(Section):
    """The section `sweep`."""

    attacks: Annotated[list[str | SweptAttack], AfterValidator(_distinct)] = Field(
        min_length=1,
        description="a list of attacks: names, or {name: …, label_map: …} for another map than the attack's",
    )
    rates: Annotated[list[Rate], AfterValidator(_distinct)] = Field(
        min_length=1, description="a list of rates, each as attack.rate, 0 to 1"
    )
    seeds: Annotated[list[Seed], AfterValidator(_distinct)] = Field(
        min_length=1, description="a list of seeds, whole numbers, 0 or more"
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


def prepare(section: SweepSection) -> "Bench":
    """Reads all that the cells of a sweep share.

    Raises:
        InputError: If an attack does not fit the data set, or the training is not one for many models at once.
    """
    from stages.cells import Arm, Bench

    compute, learning = read(ComputeSection, "compute"), read(TrainSection, "train")
    if learning.processes > 1:
        raise InputError(
            f"params.yaml: train.processes = {learning.processes}; allowed: 1, "
            "as a sweep trains many models at once, each in one process"
        )
    device = set_up(compute)
    number = str(precision(compute, device)).removeprefix("torch.")
    train, test = load_raw(RAW, "train"), load_raw(RAW, "test")[:]
    arms = []
    for common in section.common(read(AttackSection, "attack")):
        chosen = attack(common.name)
        label_map = label_maps.build(common.label_map, common.target, common.source, train.classes)
        triggered = chosen.trigger(test, label_map=label_map)
        arms.append(Arm(common, chosen, label_map, channel(common.channel), *triggered))
    return Bench(
        train, test, tuple(arms), learning, compute.model_copy(update={"device": device.type, "precision": number})
    )


def main() -> None:
    """Reads `params.yaml` and `data/raw`; writes the tables `metrics/sweep*.csv`, `metrics/dose.json` and a figure."""
    section, dataset = read(SweepSection, "sweep"), str(read_all()["data"]["name"])
    name = os.environ.get("SWEEP_ENGINE") or "joblib"
    if name not in parts.names("engines"):
        raise InputError(f"ENGINE = {name!r} is unknown; known: {', '.join(parts.names('engines'))}")

    from stages import curves, dose, dose_text, grid, pictures, sweep_tables
    from stages.cell_store import CellStore
    from stages.engines import Engine
    from stages.files import write_csv, write_json

    bench, engine = prepare(section), parts.find("engines", name, Engine, "ENGINE")()
    wanted = grid.plan(bench.arms, section.rates, section.seeds)
    try:
        results = grid.finish(bench, wanted, engine, CellStore(STORE))
    except KeyboardInterrupt:
        raise InputError("stopped; what is finished is kept, and `make sweep` goes on from there") from None
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
