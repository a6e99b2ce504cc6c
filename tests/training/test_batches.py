"""A batch holds the same bytes, whether the images are held in memory or read from the disk."""

from pathlib import Path

import numpy as np
import pytest
import torch

from miseducation.dataset.images import StoredImages
from miseducation.project.files import write_array
from miseducation.training import batches

CPU = torch.device("cpu")
ROWS = torch.tensor([7, 0, 9999, 4096, 7])


@pytest.fixture
def images() -> np.ndarray:
    """More than a block of them."""
    made = np.random.default_rng(0).integers(0, 256, (10_000, 3, 2, 1), dtype=np.uint8)
    made.setflags(write=False)
    return made


def test_a_set_that_fits_is_held_and_a_larger_one_is_read(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_array(tmp_path / "images.npy", images)
    stored = StoredImages(tmp_path / "images.npy")
    for room, stay in ((images.size + 1, False), (images.size, False), (images.size - 1, True)):
        monkeypatch.setattr(batches, "IN_MEMORY", room)
        batch = batches.from_images(stored, CPU)
        (tmp_path / "images.npy").rename(tmp_path / "elsewhere.npy")
        if stay:
            with pytest.raises(FileNotFoundError):
                batch(ROWS)
        else:
            found = batch(ROWS)
            assert found.dtype == torch.uint8
            np.testing.assert_array_equal(found.numpy(), images[ROWS.numpy()])
        (tmp_path / "elsewhere.npy").rename(tmp_path / "images.npy")
    np.testing.assert_array_equal(batch(ROWS).numpy(), images[ROWS.numpy()])


def test_as_many_images_like_mnists_as_is_said_are_held() -> None:
    assert 340_000 * 28 * 28 < batches.IN_MEMORY < 345_000 * 28 * 28


def test_every_image_is_there(images: np.ndarray) -> None:
    everything = torch.arange(len(images))
    np.testing.assert_array_equal(batches.from_images(images, CPU)(everything).numpy(), images)


@pytest.mark.parametrize(
    ("kind", "free", "held"), [("cuda", 2, True), ("cuda", 1.999, False), ("mps", 0, True), ("cpu", 0, True)]
)
def test_half_of_a_cuda_devices_free_memory_may_be_taken(
    images: np.ndarray, monkeypatch: pytest.MonkeyPatch, kind: str, free: float, held: bool
) -> None:
    device, empty, made = torch.device(kind), torch.empty, list[torch.device]()

    def on_the_cpu(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        made.append(device)
        return empty(shape, dtype=dtype)

    monkeypatch.setattr("torch.cuda.mem_get_info", lambda asked: {device: (int(free * images.size), 10**12)}[asked])
    monkeypatch.setattr("torch.empty", on_the_cpu)
    batches.from_images(images, device)
    assert made == [device] * held
