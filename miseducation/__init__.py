"""Reproducible data poisoning: plant a backdoor, measure it, track it. This is the library behind the pipeline.

    >>> import miseducation as me
    >>> train, test = me.datasets.load("digits")
    >>> attack = me.attacks.BadNets(pixels=[(3, 3)])
    >>> label_map = me.AllToOne(target=8, classes=10)
    >>> poisoned = attack.poison(train, rate=0.05, label_map=label_map, seed=1)
    >>> int(poisoned.poisoned.sum()), len(poisoned)
    (72, 1437)

Score any model that takes uint8 images and gives class numbers:

    >>> always_eight = lambda images: [8] * len(images)
    >>> me.evaluate(always_eight, test, attack, label_map)["attack_success_rate"]
    1.0

Data come from and go to arrays and torch: `me.Dataset.from_arrays`, `me.Dataset.from_torch`, `poisoned.images`,
`poisoned.to_torch()`. Nothing is imported before it is asked for: `import miseducation` takes no time.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from miseducation import attacks as attacks
    from miseducation import datasets as datasets
    from miseducation import networks as networks
    from miseducation.dataset import Dataset as Dataset
    from miseducation.errors import InputError as InputError
    from miseducation.poisoning.evaluate import evaluate as evaluate
    from miseducation.poisoning.label_maps import AllToAll as AllToAll
    from miseducation.poisoning.label_maps import AllToOne as AllToOne
    from miseducation.poisoning.label_maps import CleanLabel as CleanLabel
    from miseducation.poisoning.label_maps import OneToOne as OneToOne
    from miseducation.poisoning.label_maps import Random as Random

WINGS = ("attacks", "datasets", "networks")
HOMES = {
    "Dataset": "dataset",
    "InputError": "errors",
    "evaluate": "poisoning.evaluate",
    **dict.fromkeys(("AllToAll", "AllToOne", "CleanLabel", "OneToOne", "Random"), "poisoning.label_maps"),
}
__all__ = ["attacks", "datasets", "networks", *HOMES]


def __getattr__(name: str) -> Any:
    if name in WINGS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in HOMES:
        return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
    raise AttributeError(f"{__name__} has no {name}")


def __dir__() -> list[str]:
    return sorted(__all__)
