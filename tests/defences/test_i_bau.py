import numpy as np
import pytest
import torch
from torch import Tensor, nn

from miseducation.defences.i_bau import FIXED_POINT_STEP, IBAU, misled
from miseducation.defending import tuning
from miseducation.networks import Network
from tests.defences.poisoned import digits
from tests.defences.repaired import repaired, scores


class Linear(Network):
    """Pixels, 0 to 1, and a linear layer."""

    head: nn.Linear

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(shape, classes)
        self.head = nn.Linear(int(np.prod(shape)), classes).double()

    def embed(self, levels: Tensor) -> Tensor:
        return levels.double().flatten(1) / 255


@pytest.mark.parametrize("radius", [0.05, 100])
@pytest.mark.parametrize("terms", [0, 1, 2, 5])
def test_the_hypergradient_is_the_series_written_out(terms: int, radius: float) -> None:
    """In NumPy, for a linear model: with p the probabilities and y the labels, the slope of the loss along the trigger
    is Wᵀ(p - y), its curvature WᵀJW, J = diag(p) - ppᵀ; what leads back to a ball flattens the way out of it.
    """
    rng = np.random.default_rng(1)
    network = Linear((2, 2, 1), 3)
    x, labels = rng.integers(60, 190, (6, 2, 2, 1), dtype=np.uint8), np.arange(6) % 3
    trigger = rng.normal(0, 0.05, (2, 2, 1))
    matrix, bias = rng.normal(size=(3, 4)), rng.normal(size=3)
    network.head.load_state_dict({"weight": torch.from_numpy(matrix), "bias": torch.from_numpy(bias)})
    plain, wanted = x.reshape(6, 4) / 255, np.eye(3)[labels]
    shown = plain + trigger.reshape(4)

    def probabilities(images: np.ndarray) -> np.ndarray:
        raised = np.exp(images @ matrix.T + bias)
        return raised / raised.sum(axis=1, keepdims=True)

    p, q = probabilities(shown), probabilities(plain)
    direct = ((p - wanted).T @ shown + (q - wanted).T @ plain) / 2 / 6
    bends = [np.diag(row) - np.outer(row, row) for row in p]
    outer = (p - wanted).mean(axis=0) @ matrix / 2
    mapped = trigger.reshape(4) + 2 * FIXED_POINT_STEP * outer
    length = np.linalg.norm(mapped)
    back = np.eye(4)
    if length > radius:
        back = radius / length * (np.eye(4) - np.outer(mapped, mapped) / length**2)
    step = np.eye(4) + FIXED_POINT_STEP * np.mean([matrix.T @ bend @ matrix for bend in bends], axis=0)
    total = np.sum([np.linalg.matrix_power(step @ back, power) @ outer for power in range(terms)], axis=0)
    implicit = np.zeros((3, 4))
    if terms:
        total = back @ total
        for row in range(6):
            implicit += np.outer(p[row] - wanted[row], total) + np.outer(bends[row] @ matrix @ total, shown[row])
    found = IBAU(terms=terms).hypergradient(
        network, torch.from_numpy(trigger), radius, torch.from_numpy(x), torch.from_numpy(labels)
    )
    np.testing.assert_allclose(found[0], direct + FIXED_POINT_STEP * implicit / 6, rtol=1e-4, atol=1e-7)


def test_a_trigger_is_as_large_as_allowed_and_misleads() -> None:
    evidence = digits().evidence
    network = tuning.copied(evidence)
    images, labels = (torch.from_numpy(part.copy()) for part in evidence.the_trusted())
    trigger = IBAU().trigger(network, evidence, 1.5, torch.Generator().manual_seed(1))
    assert float(trigger.norm()) == pytest.approx(1.5, rel=1e-3)
    noise = torch.randn(trigger.shape, generator=torch.Generator().manual_seed(2))
    noise *= trigger.norm() / noise.norm()
    with torch.no_grad():
        assert misled(network, trigger, images, labels) > 3 * misled(network, noise, images, labels)


def test_the_backdoor_goes() -> None:
    case = digits()
    before, after = scores(case.evidence.the_model().network, case), scores(repaired(IBAU(), case), case)
    assert after.success < 0.1
    assert after.clean > before.clean - 0.02
