"""The 1,797 handwritten digits that ship with scikit-learn: real, small, and offline.

Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49
"""

import hashlib
from typing import final

import numpy as np
from PIL import Image
from pydantic import Field

from stages.dataset import clean
from stages.datasets import Fetched, Source

SIZE = 28  # as MNIST
LEVELS = 16  # the original grey levels are 0 to 16


@final
class Digits(Source):
    """8×8 digits with 17 grey levels, enlarged to 28×28 with 256; the last rows are the test set."""

    test_rows: int = Field(360, ge=1, le=1796, description="rows held out for the test, 1 to 1796, from the end")

    def fetch(self) -> Fetched:
        """See `Source.fetch`."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.stack([_enlarge(image) for image in digits.images])[..., np.newaxis]
        labels = digits.target.astype(np.int64)
        classes = [str(digit) for digit in range(10)]
        split = len(images) - self.test_rows
        source = {
            "origin": "UCI Optical Recognition of Handwritten Digits, as shipped by scikit-learn",
            "licence": "CC BY 4.0",
            "sha256": {"images": _sha256(images), "labels": _sha256(labels)},
        }
        return Fetched(
            clean(images[:split], labels[:split], classes), clean(images[split:], labels[split:], classes), source
        )


def _enlarge(image: np.ndarray) -> np.ndarray:
    grey = Image.fromarray(np.rint(image * (255 / LEVELS)).astype(np.uint8))
    return np.asarray(grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
