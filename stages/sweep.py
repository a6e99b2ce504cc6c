"""sweep: how much poison does it take? Trains a model for each attack, rate and seed, and fits the curve to them."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, Field

from stages import command, label_maps, parts
from stages.command import InputError
from stages.compute import ComputeSection, precision, set_up
from stages.dataset import load_raw
from stages.params import Section, read, read_all
from stages.poison import AttackSection, attack
from stages.train import TrainSection

if TYPE_CHECKING:
    from stages.cells import Arm, Bench, Cell, Outcome
    from stages.engines import Failure

RAW, METRICS = Path("data/raw"), Path("metrics")
STORE = Path(".dvc/tmp/sweep.db")  # in the main work tree; ignored by git, and safe to lose
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
        arms.append(Arm(common, chosen, label_map, *chosen.trigger(test, label_map=label_map)))
    return Bench(
        train, test, tuple(arms), learning, compute.model_copy(update={"device": device.type, "precision": number})
    )


def plan(section: SweepSection, arms: "Sequence[Arm]") -> "list[Cell]":
    """The cells of a sweep as they stand in its table: by attack, rate and seed."""
    from stages.cells import Cell

    return [
        Cell(number, rate, arm.section.cover, seed)
        for number, arm in enumerate(arms)
        for rate in sorted(section.rates)
        for seed in section.seeds
    ]


def finish(bench: "Bench", wanted: "Sequence[Cell]", engine: str, store: Path) -> "dict[Cell, Outcome | Failure]":
    """Trains what the store does not know yet.

    Args:
        bench: What the cells share.
        wanted: The cells.
        engine: A file of `stages/engines`, without .py.
        store: Where finished cells are kept, one by one.

    Returns:
        What each cell, and the clean one that it is compared with, came to, or why it failed.
    """
    from tqdm import tqdm

    from stages.cell_store import CellStore, Keys
    from stages.cells import by_model
    from stages.engines import Engine, Failure

    if engine not in parts.names("engines"):
        raise InputError(f"ENGINE = {engine!r} is unknown; known: {', '.join(parts.names('engines'))}")
    trainer = parts.find("engines", engine, Engine, "ENGINE")()
    # A seed's clean model first, then its curve, then the next seed: so what a stopped sweep has is of use.
    cells = sorted(
        {each for cell in wanted for each in (cell.clean, cell)}, key=lambda cell: (cell.seed, cell.rate, cell)
    )
    keys, kept = Keys(bench), CellStore(store)
    names = {cell: keys(cell) for cell in cells}
    known = kept.get(names.values())
    results: dict[Cell, Outcome | Failure] = {cell: known[name] for cell, name in names.items() if name in known}
    models, missing = by_model(cells), by_model(cell for cell in cells if cell not in results)
    done = len(models) - len(missing)
    with tqdm(total=len(models), initial=done, desc=f"sweep with {engine}", unit="model", smoothing=0) as bar:
        for model, result in trainer.run(bench, missing) if missing else ():
            if isinstance(result, Failure):
                results |= dict.fromkeys(model, result)
            else:
                outcomes = dict(zip(model, result, strict=True))
                kept.put({names[cell]: outcome for cell, outcome in outcomes.items()})
                results |= outcomes
            bar.update()
    return results


def main() -> None:
    """Reads `params.yaml` and `data/raw`; writes the tables `metrics/sweep*.csv`, `metrics/dose.json` and a figure."""
    section = read(SweepSection, "sweep")
    dataset = str(read_all()["data"]["name"])
    bench = prepare(section)
    wanted = plan(section, bench.arms)
    # In `dvc exp run --temp` and `--queue` we are in a copy of the work tree; DVC_ROOT is the original.
    store = Path(os.environ.get("DVC_ROOT", ".")) / STORE
    try:
        results = finish(bench, wanted, os.environ.get("SWEEP_ENGINE") or "joblib", store)
    except KeyboardInterrupt:
        raise InputError("stopped; what is finished is kept, and `make sweep` goes on from there") from None

    from stages import curves, dose, dose_text, pictures, sweep_tables
    from stages.files import write_csv, write_json

    cells, timing, failed = sweep_tables.tables(dataset, bench.arms, wanted, results)
    if len(failed) == len(cells):
        raise InputError("every cell failed:\n" + "\n".join(failed["reason"].unique()))
    summary, doses = dose.summarise(cells), dose.doses(cells)
    for name, table in (("", cells), ("_timing", timing), ("_failed", failed), ("_summary", summary)):
        write_csv(METRICS / f"sweep{name}.csv", table)
    write_json(METRICS / "dose.json", doses)
    article = ARTICLE if dataset == "mnist" else ()
    pictures.save(curves.dose_response(cells, summary, doses, article), METRICS / "sweep.png")
    print(dose_text.report(doses, cells["rate"]))
    if len(failed):
        print(
            f"warning: {len(failed)} of {len(cells)} cells failed: metrics/sweep_failed.csv says why", file=sys.stderr
        )


if __name__ == "__main__":
    command.run(main)
