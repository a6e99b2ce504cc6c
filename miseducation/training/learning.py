"""How one model is trained: the section `train` of `params.yaml`, and what it means."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from miseducation.dataset import Dataset, Images
from miseducation.project.params import Section

if TYPE_CHECKING:
    import torch

    from miseducation.networks import Network
    from miseducation.training.fitting import Epoch


class TrainSection(Section):
    """The section `train`."""

    network: str = Field(description="a file of miseducation/networks, without .py")
    epochs: int = Field(ge=1, le=10_000, description="passes over the training rows, 1 to 10000")
    batch_size: int = Field(ge=2, le=1_000_000, description="rows per step, 2 to 1000000")
    learning_rate: float = Field(gt=0, le=10, description="peak of the one-cycle schedule, above 0, at most 10")
    label_smoothing: float = Field(ge=0, lt=1, description="share of a label spread over all classes, 0 to below 1")
    weight_decay: float = Field(
        0, ge=0, le=1, description="share of the learning rate by which weights shrink at each step (AdamW), 0 to 1"
    )
    augment: list[Literal["flip", "shift"]] = Field(
        [], description="a list of random changes to the training images: flip, shift; [] for none"
    )
    processes: int = Field(1, ge=1, le=1024, description="processes that share each batch, 1 to 1024")

    @field_validator("augment")
    @classmethod
    def _whatever_the_order(cls, changes: list[str]) -> list[str]:
        return sorted(set(changes))

    @field_validator("processes")
    @classmethod
    def _share_a_batch(cls, processes: int, others: ValidationInfo) -> int:
        if others.data.get("batch_size", 2 * processes) < 2 * processes:
            raise ValueError(f"batch_size must be {2 * processes} or more, two rows for each process")
        return processes


def unwatched(*_: object) -> None:
    """Looks at nothing while a network is trained."""


def learn(
    section: TrainSection,
    data: Dataset | Dataset[Images],
    *,
    seed: int,
    device: "torch.device",
    precision: "torch.dtype",
    progress: "Callable[[Epoch], None]" = lambda _: None,
    watch: "Callable[[Network, int, int], None]" = unwatched,
) -> "tuple[Network, list[Epoch]]":
    """Builds the network and fits it to `data`, see `fitting.fit`; returns it with its history."""
    import torch

    from miseducation import networks
    from miseducation.training import fitting

    network = networks.build(section.network, data.images.shape[1:], len(data.classes), seed=seed)
    knobs = section.model_dump(exclude={"network", "processes"})  # named as `fit`'s arguments are
    rng = torch.Generator().manual_seed(seed)
    place: dict[str, Any] = {"device": device, "precision": precision}
    return network, fitting.fit(network, data, **knobs, **place, rng=rng, progress=progress, watch=watch)
