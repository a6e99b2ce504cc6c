"""Images on the disk behave like an array, but are not in memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from miseducation.dataset.images import BLOCK, Images, OverlaidImages, StoredImages, blocks
from miseducation.training import batches
from tests.conftest import PROJECT, copy_pipelines

ROWS, SHAPE = 40, (3, 5, 2)
# 3,000,000 images like MNIST's, 2.35 GB, as holes in a file: the disk holds next to nothing.
LARGE = """
import sys
from pathlib import Path
import numpy as np
from miseducation.dataset import disk
from miseducation.project.files import write_array, write_json

count, raw, poisoned = 3_000_000, Path("data/raw"), Path("data/poisoned")
labels = np.arange(count) % 10
for split, rows in (("train", count), ("test", 10)):
    write_array(raw / f"{split}_images.npy", np.zeros((0, 28, 28, 1), np.uint8))
    with (raw / f"{split}_images.npy").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 28, 28, 1)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + rows * 784)
    write_array(raw / f"{split}_labels.npy", labels[:rows])
write_json(raw / "classes.json", list("0123456789"))
"""
PEAK = """
import re
print("peak", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def stored(folder: Path, images: np.ndarray, name: str = "images.npy") -> StoredImages:
    np.save(folder / name, images)
    return StoredImages(folder / name)


@pytest.fixture(scope="module", params=["stored", "overlaid", "followed"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Images, np.ndarray]:
    """Images on the disk, and the array that they stand for."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    array = rng.integers(0, 256, (ROWS, *SHAPE), dtype=np.uint8)
    images: Images = stored(folder, array)
    if request.param == "overlaid":
        rows = np.array([0, 3, 4, 17, ROWS - 1])
        array[rows] = rng.integers(0, 256, (len(rows), *SHAPE), dtype=np.uint8)
        images = OverlaidImages(images, rows, stored(folder, array[rows], "replacements.npy"))
    if request.param == "followed":  # the last rows, and one in their midst, come from elsewhere
        rows = np.array([ROWS - 3, ROWS - 1, 6, ROWS - 2])
        images = OverlaidImages(stored(folder, array[:-3]), rows, stored(folder, array[rows], "others.npy"))
    return images, array


def bounds() -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(-2 * ROWS, 2 * ROWS)


@given(
    index=st.integers(-ROWS, ROWS - 1)
    | st.lists(st.integers(-ROWS, ROWS - 1))
    | st.lists(st.integers(-ROWS, ROWS - 1), min_size=1).map(lambda rows: np.array(rows, np.int32))
    | st.lists(st.integers(0, ROWS - 1), min_size=6, max_size=6).map(lambda rows: np.reshape(rows, (2, 3)))
    | st.lists(st.booleans(), min_size=ROWS, max_size=ROWS).map(np.array)
    | st.builds(slice, bounds(), bounds(), st.none() | st.integers(-5, 5).filter(bool))
)
def test_rows_are_those_of_the_array(pair: tuple[Images, np.ndarray], index: Any) -> None:
    images, array = pair
    found = images[index]
    np.testing.assert_array_equal(found, array[index], strict=True)
    found[:] = 0  # of its own: writing to it reaches neither the file nor the next reader
    np.testing.assert_array_equal(images[index], array[index])


@pytest.mark.parametrize(
    "index", [ROWS, [-ROWS - 1], [0, ROWS], [0.5], (1, 2), (slice(None), 0), None, ..., [True] * (ROWS - 1)]
)
def test_what_is_no_row_is_refused(pair: tuple[Images, np.ndarray], index: Any) -> None:
    with pytest.raises(IndexError):
        pair[0][index]


def test_numpy_takes_them_for_an_array(pair: tuple[Images, np.ndarray]) -> None:
    images, array = pair
    assert (images.shape, images.ndim, images.dtype, len(images)) == (array.shape, 4, array.dtype, ROWS)
    np.testing.assert_array_equal(np.asarray(images), array, strict=True)
    np.testing.assert_array_equal(np.stack(list(images)), array, strict=True)
    np.testing.assert_array_equal(np.asarray(images, dtype=np.float32), array)
    with pytest.raises(ValueError, match="by a copy"):
        np.asarray(images, copy=False)


def test_more_rows_than_are_read_at_a_time(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (2 * BLOCK + 1, 2, 2, 1), dtype=np.uint8)
    images = stored(tmp_path, array)
    rows = np.random.default_rng(1).permutation(len(array))
    np.testing.assert_array_equal(images[rows], array[rows])
    np.testing.assert_array_equal(images[:], array)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2, 2, 1)), np.zeros((2, 2, 2), np.uint8), np.zeros((3, 2, 2, 2), "u1").T]
)
def test_a_file_without_images_is_refused(array: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must contain uint8 of 4 axes in C order, not "):
        stored(tmp_path, array)


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    images = stored(tmp_path, np.zeros((4, 2, 2, 1), np.uint8))
    with images.path.open("rb+") as file:
        file.truncate(images.path.stat().st_size - 1)
    assert not images[:3].any()
    with pytest.raises(OSError, match="shorter"):
        images[3]


@pytest.mark.parametrize("rows", [[0], [0, 1, 2], [0, 5], [4, 6]])
def test_replacements_must_match_their_rows(tmp_path: Path, rows: list[int]) -> None:
    images = stored(tmp_path, np.zeros((4, 2, 2, 1), np.uint8))
    with pytest.raises(ValueError, match="cannot be replaced"):
        OverlaidImages(images, np.array(rows), stored(tmp_path, np.zeros((2, 2, 2, 1), np.uint8), "others.npy"))


@pytest.mark.parametrize("room", [0, batches.IN_MEMORY], ids=["read", "held"])
def test_batches_are_the_same_wherever_they_come_from(
    pair: tuple[Images, np.ndarray], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "IN_MEMORY", room)
    monkeypatch.setattr(batches, "blocks", lambda count: blocks(count, 7))
    images, array = pair
    array.setflags(write=False)
    rows = torch.from_numpy(np.random.default_rng(2).integers(0, ROWS, 100))
    for each in (images, array):
        batch = batches.from_images(each, torch.device("cpu"))(rows)
        assert batch.dtype == torch.uint8
        np.testing.assert_array_equal(batch.numpy(), array[rows.numpy()])


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    (folder / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    copy_pipelines(folder)
    run(folder, LARGE)
    return folder


def run(folder: Path, code: str) -> str:
    path = {"PYTHONPATH": str(PROJECT), "MPLCONFIGDIR": str(folder)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=path, capture_output=True, text=True, check=True).stdout


def peak(folder: Path, code: str) -> float:
    """The most memory that a program of its own had, in MB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process is read from /proc, which only Linux has")
    # Not ru_maxrss, which starts at the size of the process that started this one.
    return int(run(folder, f"from pathlib import Path\n{code}\n{PEAK}").rpartition("peak ")[2]) / 1000


def test_poisoning_takes_memory_for_the_poisoned_rows_only(large: Path) -> None:
    assert peak(large, "from stages import poison; poison.main()") < 450
    assert 0 < (large / "data/poisoned/images.npy").stat().st_size < 200e6


def test_batches_of_a_poisoned_set_are_drawn_without_loading_it(large: Path) -> None:
    run(large, "from stages import poison; poison.main()")
    code = """
import numpy as np, torch
from miseducation.training import batches
from miseducation.dataset.disk import load_poisoned
data = load_poisoned(Path("data/raw"), Path("data/poisoned"))
images = batches.from_images(data.images, torch.device("cpu"))
for rows in torch.randint(len(data), (100, 1000), generator=torch.Generator().manual_seed(0)):
    images(rows)
assert data[np.flatnonzero(data.poisoned)].images.any(axis=(1, 2, 3)).all()
"""
    assert peak(large, code) < 1500  # half of it is torch
