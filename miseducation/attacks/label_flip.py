"""Wrong labels without a trigger: a careless annotator (label map random), or a malicious one (the others).

Biggio, Nelson, Laskov: Support Vector Machines Under Adversarial Label Noise, 2011,
https://proceedings.mlr.press/v20/biggio11.html. This is the control: it shows the effect of wrong labels alone.
"""

from typing import ClassVar, final

import numpy as np

from miseducation.attacks import Attack


@final
class LabelFlip(Attack):
    """Leaves the images as they are; the label map does the rest."""

    has_trigger: ClassVar[bool] = False

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        """See `Attack.apply_trigger`: there is none."""
        return images.copy()
