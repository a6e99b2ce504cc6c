"""The grid of a study: which cells there are, and how those that nobody has trained yet get finished."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from tqdm import tqdm

from miseducation.studies import measurements
from miseducation.studies.bench import Arm, Bench, Cell
from miseducation.studies.cells import Outcomes
from miseducation.studies.engines import Engine, Failure
from miseducation.studies.measurements import OfModels
from miseducation.studies.store import CellStore, Keys

Results = Mapping[Cell, Outcomes | Failure]


def plan(arms: Sequence[Arm], rates: Iterable[float], seeds: Iterable[int]) -> list[Cell]:
    """The cells of a study as they stand in its table: by attack, rate and seed, both rising."""
    places = product(enumerate(arms), sorted(rates), sorted(seeds))
    return [Cell(number, rate, arm.section.cover, seed) for (number, arm), rate, seed in places]


def by_model(cells: Iterable[Cell]) -> list[tuple[Cell, ...]]:
    """Groups the cells that one training serves: those of the same clean model, which no attack has a part in."""
    models: dict[Cell, list[Cell]] = {}
    for cell in cells:
        models.setdefault(cell._replace(arm=0) if cell == cell.clean else cell, []).append(cell)
    return [tuple(model) for model in models.values()]


def _by_want(
    models: Iterable[tuple[Cell, ...]], kept: Sequence[str], found: Mapping[Cell, Outcomes]
) -> dict[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Groups models by what is to be measured of them: of those found before a detector was added, it alone."""
    groups: dict[tuple[str, ...], list[tuple[Cell, ...]]] = {}
    for model in models:
        wanting = tuple(each for each in kept if any(each not in found[cell] for cell in model))
        groups.setdefault(wanting, []).append(model)
    return groups


def finish(bench: Bench, wanted: Sequence[Cell], engine: Engine, store: CellStore, title: str) -> Results:
    """Trains what the store does not know yet, and keeps each cell there as soon as it is done.

    Returns:
        What each cell, and the clean one that it is compared with, came to, or why it failed.

    Raises:
        InputError: If the engine cannot be had.
    """
    everything = {each for cell in wanted for each in (cell.clean, cell)}
    # A seed's clean model first, then its curve, then the next seed: so what a stopped study has is of use.
    cells = sorted(everything, key=lambda cell: (cell.seed, cell.rate, cell))
    keys, kept = Keys(bench), [each for each in bench.measured if isinstance(measurements.find(each), OfModels)]
    names = {cell: {each: keys(cell, each) for each in kept} for cell in cells}
    known = store.get(name for each in names.values() for name in each.values())
    found = {cell: {each: known[name] for each, name in of.items() if name in known} for cell, of in names.items()}
    results: dict[Cell, Outcomes | Failure] = {cell: of for cell, of in found.items() if len(of) == len(kept)}
    models, missing = by_model(cells), by_model(cell for cell in cells if cell not in results)
    # What is known takes no time, so it has no part in the estimate of what remains.
    done, doing = len(models) - len(missing), f"{title} on {type(engine).__name__.lower()}"
    print(f"{doing}: {len(models)} models, {done} of them already trained", flush=True)
    try:
        with tqdm(total=len(models), initial=done, desc=doing, unit="model", smoothing=0, disable=None) as bar:
            for wanting, some in _by_want(missing, kept, found).items():
                for model, result in engine.run(replace(bench, measured=wanting), some):
                    if isinstance(result, Failure):
                        results |= dict.fromkeys(model, result)
                        bar.set_postfix_str("some failed", refresh=False)
                    else:
                        outcomes = dict(zip(model, result, strict=True))
                        store.put({names[cell][each]: one for cell, of in outcomes.items() for each, one in of.items()})
                        results |= {cell: found[cell] | of for cell, of in outcomes.items()}
                    bar.update()
    except KeyboardInterrupt:
        print("finished models are kept; run the same command again to continue", file=sys.stderr)
        raise
    return results
