"""The grid of a sweep: which cells there are, and how those that nobody has trained yet get finished."""

from collections.abc import Iterable, Sequence
from itertools import product

from tqdm import tqdm

from stages.cell_store import CellStore, Keys
from stages.cells import Arm, Bench, Cell, Outcome
from stages.command import InputError
from stages.engines import Engine, Failure


def plan(arms: Sequence[Arm], rates: Iterable[float], seeds: Iterable[int]) -> list[Cell]:
    """The cells of a sweep as they stand in its table: by attack, rate and seed, both rising."""
    places = product(enumerate(arms), sorted(rates), sorted(seeds))
    return [Cell(number, rate, arm.section.cover, seed) for (number, arm), rate, seed in places]


def by_model(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    """Groups the cells that one training serves: those of the same clean model, which no attack has a part in."""
    models: dict[Cell, list[Cell]] = {}
    for cell in cells:
        models.setdefault(cell._replace(arm=0) if cell == cell.clean else cell, []).append(cell)
    return [tuple(model) for model in models.values()]


def finish(
    bench: Bench, wanted: Sequence[Cell], engine: Engine, store: CellStore, title: str
) -> dict[Cell, Outcome | Failure]:
    """Trains what the store does not know yet, and keeps each cell there as soon as it is done.

    Args:
        bench: What the cells share.
        wanted: The cells.
        engine: Trains.
        store: Where finished cells are kept.
        title: What the progress bar calls it.

    Returns:
        What each cell, and the clean one that it is compared with, came to, or why it failed.

    Raises:
        InputError: If the user stops it, or the engine cannot be had.
    """
    everything = {each for cell in wanted for each in (cell.clean, cell)}
    # A seed's clean model first, then its curve, then the next seed: so what a stopped sweep has is of use.
    cells = sorted(everything, key=lambda cell: (cell.seed, cell.rate, cell))
    keys = Keys(bench)
    names = {cell: keys(cell) for cell in cells}
    known = store.get(names.values())
    results: dict[Cell, Outcome | Failure] = {cell: known[name] for cell, name in names.items() if name in known}
    models, missing = by_model(cells), by_model(cell for cell in cells if cell not in results)
    # What is known takes no time, so it has no part in the estimate of what remains.
    name, done = type(engine).__name__.lower(), len(models) - len(missing)
    try:
        with tqdm(total=len(models), initial=done, desc=f"{title} on {name}", unit="model", smoothing=0) as bar:
            for model, result in engine.run(bench, missing) if missing else ():
                if isinstance(result, Failure):
                    results |= dict.fromkeys(model, result)
                    bar.set_postfix_str("some failed", refresh=False)
                else:
                    outcomes = dict(zip(model, result, strict=True))
                    store.put({names[cell]: outcome for cell, outcome in outcomes.items()})
                    results |= outcomes
                bar.update()
    except KeyboardInterrupt:
        raise InputError("stopped; what is finished is kept, and the same command goes on from there") from None
    return results
