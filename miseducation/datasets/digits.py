"""The 1,797 handwritten digits that ship with scikit-learn: real, small, and offline.

Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
https://doi.org/10.24432/C50P49
"""

from typing import final

import numpy as np
from PIL import Image
from pydantic import Field

from miseducation.dataset import clean
from miseducation.datasets import Fetched, Source, record

SIZE = 28  # as MNIST
LEVELS = 16  # the original grey levels are 0 to 16


@final
class Digits(Source):
    """8×8 digits with 17 grey levels, enlarged to 28×28 with 256; the last rows are the test set."""

    test_rows: int = Field(360, ge=1, le=1796, description="rows held out for the test, 1 to 1796, from the end")

    def fetch(self) -> Fetched:
        from sklearn.datasets import load_digits

        digits = load_digits()
        levels = np.rint(digits.images * (255 / LEVELS)).astype(np.uint8)
        large = [Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC) for image in levels]
        images = np.stack([np.asarray(image) for image in large])[..., np.newaxis]
        labels = digits.target.astype(np.int64)
        classes = [str(digit) for digit in range(10)]
        data, split = clean(images, labels, classes), len(images) - self.test_rows
        origin = "UCI Optical Recognition of Handwritten Digits, as shipped by scikit-learn"
        source = record(origin, "CC BY 4.0", {"images": images, "labels": labels})
        return Fetched(data[:split], data[split:], source)
