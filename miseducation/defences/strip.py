"""Lays other pictures over an image: a clean one is then read as anything, one with a trigger as the class wanted.

Gao, Xu, Wang, Chen, Ranasinghe, Nepal: STRIP: A Defence Against Trojan Attacks on Deep Neural Networks, 2019,
https://arxiv.org/abs/1902.06531
"""

from typing import final

import numpy as np
from pydantic import Field
from scipy.special import entr
from scipy.stats import norm

from miseducation.dataset import Images, blocks
from miseducation.defences import Evidence, InputDetector, RowDetector
from miseducation.defending.defence import FALSE_REJECTIONS


@final
class Strip(RowDetector, InputDetector):
    """Suspicion is minus the mean entropy, in bits, of what the model reads in the image under each picture.

    As in the authors' code, grey levels are added and cut off at white, so that a white trigger stays as it is. To mix
    the two half and half, as other codes do, would make it grey. The entropy is over the classes of each picture.

    Other than there: all images get the same pictures, out of the trusted rows; an image is not laid over itself, which
    would make a trusted row look sure; and the authors did not look for training rows, which get fewer pictures, as
    there are many of them. The boundary for rows is the authors', of a normal distribution fitted to trusted rows; that
    of inputs is counted.
    """

    needs = ("model", "trusted")

    overlays: int = Field(100, ge=1, le=10_000, description="pictures laid over each input, 1 to 10000")
    row_overlays: int = Field(16, ge=1, le=10_000, description="pictures laid over each training row, 1 to 10000")

    def suspect(self, evidence: Evidence) -> np.ndarray:
        return -self._entropy(evidence.images, evidence, self.row_overlays)

    def flag(self, suspicion: np.ndarray, evidence: Evidence) -> np.ndarray:
        trusted = self._entropy(evidence.the_trusted().images, evidence, self.row_overlays)
        return suspicion > -norm.ppf(FALSE_REJECTIONS, trusted.mean(), trusted.std() + np.finfo(float).tiny)

    def suspect_inputs(self, images: np.ndarray | Images, evidence: Evidence) -> np.ndarray:
        return -self._entropy(images, evidence, self.overlays)

    def _entropy(self, images: np.ndarray | Images, evidence: Evidence, overlays: int) -> np.ndarray:
        """The mean over the pictures, float64 `[n]`."""
        trusted, network = evidence.the_trusted().images, evidence.the_model().network
        pictures = trusted[evidence.rng().permutation(len(trusted))[:overlays]]
        entropy, counted = np.zeros(len(images)), np.zeros(len(images))
        for rows in blocks(len(images)):
            some = np.asarray(images[rows])
            for picture in pictures:
                other = (some != picture).any(axis=(1, 2, 3))
                both = some + np.minimum(picture, 255 - some)
                entropy[rows] += other * entr(network.probabilities(both).astype(np.float64)).sum(axis=1)
                counted[rows] += other
        return entropy / np.maximum(counted, 1) / np.log(2)
