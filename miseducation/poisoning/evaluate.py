"""Scores of a model that need not be ours."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from miseducation.dataset import Dataset
from miseducation.errors import InputError
from miseducation.poisoning.attack import Attack
from miseducation.poisoning.label_maps import LabelMap
from miseducation.scores import shares


def evaluate(
    predict: Callable[[np.ndarray], ArrayLike], test: Dataset, attack: Attack, label_map: LabelMap
) -> dict[str, float]:
    """Scores a model on a clean test set, and on the same with the trigger.

    Args:
        predict: Takes images, uint8 `[n, h, w, c]`, and gives the class read in each, whole numbers `[n]`.
        test: The untouched test set.
        attack: The trigger.
        label_map: Who is attacked, and into what.

    Returns:
        Shares, 0 to 1, named as in `metrics/evaluation.json` and `details.json`; where there are no decoys no
        `other_trigger_rate`. A clean model's `attack_success_rate` is the false trigger rate: what the attack gets
        without any backdoor.

    Raises:
        InputError: If the trigger does not fit the images, or the model gives something else than a class for each.

    >>> from miseducation.attacks import BadNets
    >>> from miseducation.poisoning.label_maps import AllToOne
    >>> test = Dataset.from_arrays(np.zeros((4, 8, 8), np.uint8), [0, 1, 2, 2])
    >>> fooled = lambda images: np.where(images[:, 3, 3, 0] > 0, 2, [0, 1, 2, 1])
    >>> evaluate(fooled, test, BadNets(), AllToOne(target=2, classes=3))
    {'attack_success_rate': 1.0, 'clean_accuracy': 0.75, 'robust_accuracy': 0.0, 'other_trigger_rate': 0.0}
    """
    triggered, attackable, decoys = attack.trigger(test, label_map=label_map)
    untouched, fooled = (_classes(predict, images) for images in (test.images, triggered.images))
    found = {
        "attack_success_rate": shares.attack_success_rate(fooled, triggered.labels, attackable),
        "clean_accuracy": shares.accuracy(untouched, test.true_labels),
        "robust_accuracy": shares.robust_accuracy(fooled, test.true_labels, attackable),
    }
    if len(decoys):
        decoyed = _classes(predict, decoys)
        found["other_trigger_rate"] = shares.attack_success_rate(decoyed, triggered.labels, attackable)
    return {name: share.value for name, share in found.items()}


def _classes(predict: Callable[[np.ndarray], ArrayLike], images: np.ndarray) -> np.ndarray:
    found = np.asarray(predict(images))
    if found.shape != (len(images),) or found.dtype.kind not in "iu":
        raise InputError(f"predict must give {len(images)} class numbers, not {found.dtype} {list(found.shape)}")
    return found.astype(np.int64)
