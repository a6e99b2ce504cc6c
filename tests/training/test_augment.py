"""Images as training sees them: mirrored and moved as torchvision would, each row by a draw of its own."""

from collections import Counter
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms.v2 import functional as theirs

from miseducation.dataset import clean
from miseducation.training import batches, fitting
from miseducation.training.augment import Augment
from tests.training import rank

CPU = torch.device("cpu")


def noise(*shape: int) -> Tensor:
    """Without black, which comes in from outside only."""
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, shape, dtype=np.uint8))


def seen(images: Tensor, *changes: str, epochs: int = 1, seed: int = 1) -> list[Tensor]:
    """The images as each epoch has them."""
    augment, rows, found = Augment(changes, images.shape, seed=seed, device=CPU), torch.arange(len(images)), []
    for _ in range(epochs):
        augment.start_epoch()
        found.append(augment(images, rows))
    return found


def outcomes(image: Tensor, *changes: str) -> dict[bytes, tuple[bool, int, int]]:
    """What torchvision's RandomHorizontalFlip, RandomCrop and padding can make of an image `[h, w, c]`, and how."""
    height, width, _ = image.shape
    down, across = round(height / 16), round(width / 16)
    flips = (False, True) if "flip" in changes else (False,)
    places = list(product(range(2 * down + 1), range(2 * across + 1))) if "shift" in changes else [(down, across)]
    found = {}
    for flip, (top, left) in product(flips, places):
        made = theirs.horizontal_flip(image.permute(2, 0, 1)) if flip else image.permute(2, 0, 1)
        made = theirs.crop(theirs.pad(made, [across, down]), top, left, height, width)
        found[made.permute(1, 2, 0).numpy().tobytes()] = (flip, top, left)
    return found


@pytest.mark.parametrize("changes", [("flip",), ("shift",), ("flip", "shift"), ()], ids=str)
@pytest.mark.parametrize("shape", [(32, 24, 3), (8, 25, 1), (17, 7, 2), (1, 1, 1)], ids=str)
def test_all_that_torchvision_might_do_is_done_and_equally_often(
    changes: tuple[str, ...], shape: tuple[int, int, int]
) -> None:
    image = noise(1, *shape)
    possible = outcomes(image[0], *changes)
    (found,) = seen(image.repeat(6000, 1, 1, 1), *changes)
    assert found.shape == (6000, *shape)
    assert found.dtype == torch.uint8
    counts = Counter(possible[each.tobytes()] for each in found.contiguous().numpy())
    expected = 6000 / len(possible)
    assert len(counts) == len(possible)
    assert max(abs(count - expected) for count in counts.values()) < 5 * expected**0.5 + 1e-9


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 20), st.integers(1, 20), st.integers(1, 4)),
    changes=st.sets(st.sampled_from(["flip", "shift"])),
    seed=st.integers(0, 2**64 - 1),
    data=st.data(),
)
def test_a_rows_images_are_its_own_whatever_batch_it_is_in(
    shape: tuple[int, int, int, int], changes: set[str], seed: int, data: st.DataObject
) -> None:
    images = noise(*shape)
    (whole,) = seen(images, *changes, seed=seed)
    augment = Augment(changes, images.shape, seed=seed, device=CPU)
    augment.start_epoch()
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(images) - 1), max_size=12)), dtype=torch.int64)
    before = images.clone()
    assert torch.equal(augment(images[rows], rows), whole[rows])
    assert torch.equal(images, before), "nothing is written into what is given"
    for one, source in zip(whole, images, strict=True):
        assert one.contiguous().numpy().tobytes() in outcomes(source, *changes)


def test_where_nothing_is_changed_nothing_is_drawn() -> None:
    (images,) = noise(1, 3, 4, 4, 1)
    augment = Augment([], (10**15, 4, 4, 1), seed=1, device=CPU)  # or there would be no memory for it
    augment.start_epoch()
    assert augment(images, torch.arange(3)) is images


def test_two_epochs_in_a_row_see_both_sides() -> None:
    images = noise(40, 4, 4, 1)
    first, second, third, fourth = seen(images, "flip", epochs=4)
    assert torch.equal(first, third)
    assert torch.equal(second, fourth)
    assert torch.equal(first, second.flip(2))
    straight = (first == images).flatten(1).all(dim=1)
    assert 5 < straight.sum() < 35


def test_rows_and_epochs_move_each_otherwise_and_the_seed_settles_it() -> None:
    images = noise(1, 32, 32, 1).repeat(60, 1, 1, 1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    states = torch.random.get_rng_state(), np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    first, again = (seen(images, "shift", epochs=2, seed=3) for _ in range(2))
    assert torch.equal(states[0], torch.random.get_rng_state())
    assert states[1] == np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    for other in (first[1], seen(images, "shift", seed=4)[0], first[0].roll(1, 0)):
        same = (first[0] == other).flatten(1).all(dim=1).float().mean()
        assert same < 0.2, "by chance, one of 25"


def fit(*changes: str, seed: int = 1, **knobs: Any) -> tuple[dict[str, Tensor], Tensor]:
    """The weights of a network that was fitted to noise, and the generator's state afterwards."""
    data = clean(noise(53, 12, 12, 1).numpy(), np.arange(53) % 3, list("abc"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = rank.Plain((12, 12, 1), 3)
    rng = torch.Generator().manual_seed(seed)
    settled: Any = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "label_smoothing": 0.1, "device": CPU}
    fitting.fit(network, data, rng=rng, precision=torch.float32, **settled, augment=changes, **knobs)
    return network.state_dict(), rng.get_state()


def test_images_that_stay_on_the_disk_are_changed_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    held = fit("flip", "shift")[0]["head.weight"]
    monkeypatch.setattr(batches, "IN_MEMORY", 0)
    assert torch.equal(fit("flip", "shift")[0]["head.weight"], held)


def test_training_sees_the_changed_images_in_the_same_order() -> None:
    found = [fit(*changes) for changes in ((), ("flip",), ("shift",), ("flip", "shift"), ("shift", "flip"))]
    weights = [each["head.weight"] for each, _ in found]
    assert torch.equal(weights[3], weights[4]), "the order in which they are named means nothing"
    assert not any(torch.equal(*pair) for pair in pairwise(weights[:4]))
    assert all(torch.equal(state, found[0][1]) for _, state in found), "what is drawn for it is drawn elsewhere"
    assert torch.equal(fit("flip", "shift")[0]["head.weight"], weights[3])
    assert not torch.equal(fit("flip", "shift", seed=2)[0]["head.weight"], weights[3])
