"""TaCT: a patch that works on one class only, as cover rows of other classes teach the model to ignore it on those.

Tang, Wang, Tang, Zhang: Demon in the Variant: Statistical Analysis of DNNs for Robust Backdoor Contamination Detection,
2021, https://arxiv.org/abs/1908.00686
"""

from typing import ClassVar, final

import numpy as np
from pydantic import Field

from miseducation.attacks import Attack
from miseducation.poisoning.draws import Companions
from miseducation.poisoning.patches import COLOUR, Colour, Patch, check_colour, draw


@final
class TaCT(Attack):
    """Draws a patch on rows of the source class, which get the target's label, and on cover rows, which keep theirs."""

    label_map: ClassVar[str] = "one-to-one"

    patch: Patch = Field(
        Patch(position=(-4, -4), shape=(3, 3)), description="{position: [row, column], shape: [height, width]}"
    )
    colour: Colour = Field(255, description=COLOUR)
    cover: float = Field(1, ge=0, le=100, description="cover rows, of neither source nor target, per poisoned row")

    def apply_trigger(self, images: np.ndarray) -> np.ndarray:
        check_colour(self.colour, images.shape[-1], self.knob("colour"))
        triggered = images.copy()
        draw(triggered, self.patch, self.colour, self.knob("patch"))
        return triggered

    def companions(self) -> Companions:
        return Companions("cover", self.cover, spared=True)
