import copy
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from miseducation.defences import NeuralCleanse
from miseducation.defending.evidence import Evidence, Model, Trusted
from miseducation.networks import Network
from tests.defences.poisoned import digits

SHAPE = (6, 5, 2)


class Lamp(Network):
    """Reads class 2 where the first channel of pixel (1, 4) is bright; any other class takes the brightness of all."""

    def __init__(self) -> None:
        super().__init__(SHAPE, 5)
        self.head = torch.nn.Identity()
        self.unused = torch.nn.Parameter(torch.zeros(()))

    def embed(self, levels: Tensor) -> Tensor:
        pixels = levels / 255
        lit, mean = pixels[:, 1, 4, 0], pixels.mean(dim=(1, 2, 3))
        others = [12 - (40 + place) * (mean - at).abs() for place, at in enumerate((0.1, 0.35, 0.6, 0.85))]
        return torch.stack([*others[:2], 40 * lit - 20, *others[2:]], dim=1)


def lamp() -> Evidence:
    images = np.random.default_rng(0).integers(0, 120, (20, *SHAPE), dtype=np.uint8)
    labels = np.arange(20) % 5
    return Evidence(images, labels, tuple("abcde"), 1, model=Model(Lamp(), images), trusted=Trusted(images, labels))


def test_it_finds_the_pixel_and_its_colour() -> None:
    finding = NeuralCleanse(steps=300).inspect(lamp())[2]

    assert np.unravel_index(finding.mask.argmax(), finding.mask.shape) == (1, 4)
    assert finding.mask.sum() < 1.5
    assert finding.pattern[1, 4, 0] > 200
    assert finding.anomaly > 0


def test_the_index_is_the_paper_s() -> None:
    findings = NeuralCleanse(steps=100).inspect(lamp())
    sums = [float(finding.mask.astype(np.float64).sum()) for finding in findings]
    middle = np.median(sums)
    spread = 1.4826 * np.median([abs(each - middle) for each in sums])

    np.testing.assert_allclose(
        [finding.anomaly for finding in findings], [(middle - each) / spread for each in sums], 1e-4
    )


def test_a_class_that_cannot_be_had_takes_the_whole_image() -> None:
    evidence = lamp()
    labels = evidence.the_trusted().labels
    black = Trusted(np.zeros_like(evidence.the_trusted().images), labels)
    never = copy.deepcopy(evidence.the_model().network)
    never.head = torch.nn.Linear(5, 5)
    with torch.no_grad():
        never.head.weight.zero_()
        never.head.bias.copy_(torch.tensor([9.0, 0, 0, 0, 0]))

    findings = NeuralCleanse(steps=50).inspect(replace(evidence, model=Model(never, black.images), trusted=black))

    assert [finding.mask.min() for finding in findings[1:]] == [1, 1, 1, 1]
    assert np.isfinite([finding.anomaly for finding in findings]).all()
    assert max(finding.anomaly for finding in findings[1:]) == 0


def test_it_names_the_target_alone() -> None:
    findings = NeuralCleanse(steps=250, batch_size=16).inspect(digits().evidence)

    assert [label for label, finding in enumerate(findings) if finding.anomaly > NeuralCleanse.limit] == [8]
    assert np.unravel_index(findings[8].mask.argmax(), (28, 28)) == (3, 3)
