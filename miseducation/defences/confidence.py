"""The baseline that any other method has to beat: how certain the model is.

A backdoored model is surer of a trigger than of most pictures, as a trigger always looks the same.
"""

from typing import final

import numpy as np
from pydantic import Field

from miseducation.dataset import Images
from miseducation.defences import Evidence, InputDetector, RowDetector


@final
class Confidence(RowDetector, InputDetector):
    """The largest probability of one forward pass. It is ours, and has no rule: the surest share is flagged."""

    needs = ("model", "trusted")

    share: float = Field(0.01, gt=0, lt=1, description="share of the rows that is flagged, between 0 and 1")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        return evidence.the_model().probabilities.max(axis=1).astype(np.float64)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        return suspicion > np.quantile(suspicion, 1 - self.share)

    def suspect_inputs(self, images: np.ndarray | Images, evidence: Evidence) -> np.ndarray:
        return evidence.the_model().network.probabilities(images).max(axis=1).astype(np.float64)
