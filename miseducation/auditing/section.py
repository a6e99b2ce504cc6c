"""The section `audit` of `params.yaml`. Apart from the audit, so that reading it waits for no torch."""

import os
from typing import Annotated

from pydantic import Field

from miseducation.project import parts
from miseducation.project.params import Section, read
from miseducation.training.learning import TrainSection

# Which knobs what stands in the environment takes the place of.
GIVEN = {"AUDIT_DATA": "data", "AUDIT_TRUSTED": "trusted"}
Pixels = Annotated[int, Field(ge=1, le=4096)]
MOST_EPOCHS = 100  # however few the rows are
FEWEST_EPOCHS = 2  # however many, as what is seen once is not learnt


class AuditSection(Section):
    """The section `audit`: what is looked at, and how the networks are trained that look."""

    data: str = Field(
        min_length=1,
        description="a folder of pictures, an .npz file, a folder of .npy files, a data set's name, or data/poisoned",
    )
    trusted: str | None = Field(
        None,
        min_length=1,
        description="data of the same kind that are known to be clean, named in the same way; null for none",
    )
    shape: tuple[Pixels, Pixels] = Field(
        (32, 32), description="[height, width] that pictures of a folder are stretched to, 1 to 4096 pixels each"
    )
    colour: bool = Field(True, description="whether pictures of a folder are read as RGB, true, or as grey, false")
    network: str = Field("cnn", description="a file of miseducation/networks, without .py")
    steps: int = Field(
        1200, ge=10, le=1_000_000, description="about how many steps each network is trained, 10 to 1000000"
    )
    batch_size: int = Field(64, ge=2, le=1_000_000, description="rows per step, 2 to 1000000")
    learning_rate: float = Field(0.01, gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")
    label_smoothing: float = Field(
        0.02, ge=0, lt=1, description="share of a label spread over all classes, 0 to below 1"
    )

    def training(self, rows: int) -> TrainSection:
        """How networks learn this many rows: the fewer they are, the more often each is seen."""
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, -(-self.steps * self.batch_size // rows)))
        knobs = self.model_dump(include={"network", "batch_size", "learning_rate", "label_smoothing"})
        return TrainSection(epochs=epochs, **knobs)


def read_audit() -> AuditSection:
    """The section; `AUDIT_DATA` and `AUDIT_TRUSTED` in the environment stand for `audit.data` and `audit.trusted`.

    Raises:
        InputError: If a value is wrong.
    """
    section = read(AuditSection, "audit")
    parts.check_name("networks", section.network, "audit.network")
    given = {knob: value for name, knob in GIVEN.items() if (value := os.environ.get(name))}
    return section.model_copy(update=given)
