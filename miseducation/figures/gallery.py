"""A picture of all attacks: what they make of one image of each data set. Same conventions as `pictures`."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from miseducation.dataset import Images
from miseducation.errors import InputError
from miseducation.figures.pictures import RED, amplified, legend, show
from miseducation.poisoning.draws import Purpose
from miseducation.poisoning.label_maps import class_number
from miseducation.studies import cells
from miseducation.studies.bench import Arm, Bench

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Series: TypeAlias = tuple[str, str]  # an attack and its label map
COLUMNS = "training image", "poisoned", "test image", "triggered", "difference", "decoy"
CANDIDATES = 50  # rows that the clearest picture is looked for among
SIDE, GAP, BLOCK, LETTERS, LINE, TOP, BOTTOM = 1.15, 0.08, 0.3, 1.6, 0.24, 0.75, 0.3  # inches
NOTE = (
    "Below the images: the label that the learner is told, and the one that the attacker wants (red). "
    "A decoy is like the trigger, but is not."
)


class Example(NamedTuple):
    """An attack at work: for each of `COLUMNS` an image, uint8 `[h, w, c]`, and what stands below it.

    That is the label of the first four, as the learner is told and as the attacker wants, and the difference's factor.
    """

    images: tuple[np.ndarray, ...]
    captions: tuple[str, ...]


def examples(bench: Bench, seed: int) -> dict[Series, Example]:
    """One for each attack of a bench: of the same test image, and as far as the label maps allow, training image.

    The seed is that of all that is random, and of the clean model that some attacks need.
    """
    labels, source = bench.test.true_labels, bench.arms[0].section.source
    for_all = np.logical_and.reduce([arm.attackable for arm in bench.arms])
    number = None
    with suppress(InputError):  # where no label map reads it, it may be anything
        number = class_number("attack.source", source, bench.test.classes)
    rows = [_narrowed(arm.attackable, for_all, labels == number) for arm in bench.arms]
    found = [_example(bench, arm, each, seed) for arm, each in zip(bench.arms, rows, strict=True)]
    return {(arm.section.name, arm.section.label_map): each for arm, each in zip(bench.arms, found, strict=True)}


def _narrowed(*masks: np.ndarray) -> np.ndarray:
    """The rows that lie in all masks, the later ones only as far as rows remain; int64, ascending."""
    rows = masks[0]
    for mask in masks[1:]:
        rows = rows & mask if (rows & mask).any() else rows
    return np.flatnonzero(rows)


def _example(bench: Bench, arm: Arm, attackable: np.ndarray, seed: int) -> Example:
    shown = _clearest(bench.test.images, attackable)
    test = bench.test[shown]
    labels = bench.train.labels  # a clean-label attacker touches images of another class than those in use
    row = bench.train[_clearest(bench.train.images, _narrowed(arm.label_map.poisonable(labels), labels == test.labels))]
    surrogate = cells.surrogate(bench, seed) if arm.attack.needs_surrogate else None
    rng = np.random.default_rng(seed)
    poisoned = arm.attack.poison_images(row, Purpose("poison", rng, surrogate))[0]
    triggered = arm.attack.apply_trigger_to(test)[0]
    told, wanted = (arm.label_map.goal(data.labels, rng)[0] for data in (row, test))
    difference, factor = amplified(test.images[0], triggered)
    decoy = arm.decoys[shown][0] if len(arm.decoys) else np.full_like(triggered, 255)
    named = (bench.train.classes[label] for label in (row.labels[0], told, test.labels[0], wanted))
    return Example(
        (row.images[0], poisoned, test.images[0], triggered, difference, decoy),
        (*named, f"× {factor}" if difference.any() else "none", "" if len(arm.decoys) else "none"),
    )


def _clearest(images: np.ndarray | Images, rows: np.ndarray) -> np.ndarray:
    """Of the first rows the one with the strongest contrast, as int64 `[1]`."""
    few = rows[:CANDIDATES]
    return few[[int(np.argmax(images[few].std(axis=(1, 2, 3))))]]


def gallery(shown: dict[str, dict[Series, Example]]) -> "Figure":
    """A line for each attack, a block for each data set, of whose `examples` it is drawn."""
    from matplotlib.figure import Figure

    series = sorted({each for block in shown.values() for each in block})
    lines = {each: TOP + number * (SIDE + LINE) for number, each in enumerate(series)}
    lefts = [LETTERS + number * (len(COLUMNS) * (SIDE + GAP) + BLOCK) for number in range(len(shown) + 1)]
    width, height = lefts[-1], TOP + len(series) * (SIDE + LINE) + BOTTOM
    figure = Figure(figsize=(width, height))

    def write(x: float, y: float, text: str, size: float, colour: str = "black", side: str = "center") -> None:
        """At a place in inches from the upper left corner."""
        look: dict[str, Any] = {"fontsize": size, "color": colour, "ha": side, "parse_math": False}
        figure.text(x / width, 1 - y / height, text, va="center", **look)

    write(LETTERS, height - BOTTOM / 2, NOTE, 9.5, "0.3", side="left")
    for (attack, label_map), y in lines.items():
        write(LETTERS - 0.12, y + SIDE / 2 - 0.09, attack, 11, side="right")
        write(LETTERS - 0.12, y + SIDE / 2 + 0.09, label_map, 8.5, "0.4", side="right")
    for left, (dataset, block) in zip(lefts, shown.items(), strict=False):
        middle = left + (len(COLUMNS) * (SIDE + GAP) - GAP) / 2
        write(middle, 0.22, dataset, 13)
        for note in legend(next(iter(block.values())).images[0]):
            write(middle, 0.42, note, 8.5, "0.3")
        for column, name in enumerate(COLUMNS):
            x = left + column * (SIDE + GAP)
            write(x + SIDE / 2, TOP - 0.14, name, 9.5, "0.3")
            for arm, each in block.items():
                y = lines[arm]
                ax = figure.add_axes((x / width, 1 - (y + SIDE) / height, SIDE / width, SIDE / height))
                ax.axis("off")
                show(ax, each.images[column])
                colour = RED if name in ("poisoned", "triggered") else "black"
                write(x + SIDE / 2, y + SIDE + 0.09, each.captions[column], 8.5, colour)
    return figure
