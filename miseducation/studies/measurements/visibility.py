"""How much a trigger shows on the attackable test images."""

from typing import ClassVar, final

from miseducation.dataset import Dataset
from miseducation.scores.evaluation import visible
from miseducation.studies.bench import Arm
from miseducation.studies.measurements import OfTriggers


@final
class Visibility(OfTriggers):
    """PSNR in dB, which is missing where it would be infinite, and SSIM, 1 if nothing differs."""

    columns: ClassVar[tuple[str, ...]] = ("psnr", "ssim")

    def measure(self, test: Dataset, arm: Arm) -> dict[str, float]:
        """See `OfTriggers.measure`."""
        found = visible(test.images[arm.attackable], arm.triggered.images[arm.attackable])
        return found or {"ssim": 1.0}
