"""Public data sets, on small files in their original formats: what is read, and what is refused."""

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image

from miseducation.datasets import Source, cifar10, gtsrb
from miseducation.datasets.cifar10 import Cifar10
from miseducation.datasets.gtsrb import Gtsrb
from miseducation.datasets.origins.originals import Files, Originals, check, check_one
from miseducation.errors import InputError
from miseducation.project import parts
from tests.datasets.made import (
    Make,
    cifar_files,
    gtsrb_archives,
    make_cifar10,
    make_gtsrb,
    noise,
    pin,
    pin_gtsrb,
    tar_gz,
    zipped,
)

FashionMnist = parts.find("datasets", "fashion-mnist", Originals, "data.name")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def offline() -> Files:
    raise OSError("Name or service not known")


def test_fashion_mnist_is_tried_at_torchvisions_mirrors_and_then_where_debian_puts_it() -> None:
    from torchvision.datasets import FashionMNIST

    names = [name for name, _ in FashionMnist().sources()]
    assert names == [*FashionMNIST.mirrors, "Debian's package dataset-fashion-mnist"]


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion_mnist_is_read_from_debians_package(monkeypatch: pytest.MonkeyPatch) -> None:
    last = FashionMnist().sources()[-1]
    monkeypatch.setattr(FashionMnist, "sources", lambda self: [("the network", offline), last])
    train, test, _ = FashionMnist().fetch()
    assert train.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert [test.classes[label] for label in test.labels[:3]] == ["ankle-boot", "pullover", "trouser"]
    assert FashionMnist(folder=DEBIAN).fetch().train.labels.tolist() == train.labels.tolist()


def test_fashion_mnist_is_not_taken_for_mnist(tmp_path: Path) -> None:
    name = "train-images-idx3-ubyte"
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(b"MNIST"))
    with pytest.raises(InputError, match=rf"datasets.fashion-mnist.folder = .*{name} is truncated or altered"):
        FashionMnist(folder=tmp_path).fetch()


def test_without_any_source_the_way_out_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for source, key in ((FashionMnist, "fashion-mnist"), (Cifar10, "cifar10"), (Gtsrb, "gtsrb")):
        monkeypatch.setattr(source, "sources", lambda self: [("somewhere", offline)])
        with pytest.raises(InputError, match=rf"could not be downloaded:\n  - somewhere: Name .*\n.*datasets.{key}.f"):
            source().fetch()
        tried, failed = capsys.readouterr().out.splitlines()
        assert tried == f"{source.TITLE}: trying somewhere"
        assert failed.startswith(f"{source.TITLE}: failed: Name ")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server, on this machine, of the files in `tmp_path`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as serving:
        thread = Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(("source", "make"), [(Cifar10, make_cifar10), (Gtsrb, make_gtsrb)])
def test_archives_are_downloaded_and_altered_ones_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, source: type[Originals], make: Make
) -> None:
    from torchvision.datasets import CIFAR10

    monkeypatch.setattr(CIFAR10, "url", f"{server}{CIFAR10.filename}")
    monkeypatch.setattr(gtsrb, "ADDRESS", server)
    own = source(**make(tmp_path, monkeypatch)).fetch()
    loaded = source().fetch()
    assert loaded.source == own.source
    np.testing.assert_array_equal(loaded.train.images, own.train.images)

    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=rf"(?s)could not be downloaded:\n  - {server}: .* hash of downloaded file"):
        source().fetch()


def test_mirrors_are_read_and_altered_files_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    from torchvision.datasets import FashionMNIST

    header = {"images": struct.pack(">4i", 2051, 2, 28, 28), "labels": struct.pack(">2i", 2049, 2)}
    content = {"images": noise(0, 2, 28, 28).tobytes(), "labels": bytes([9, 1])}
    files = {name: header[name.split("-")[1]] + content[name.split("-")[1]] for name in FashionMnist.CHECKSUMS}
    packed = {f"{name}.gz": gzip.compress(file) for name, file in files.items()}
    for name, file in packed.items():
        (tmp_path / name).write_bytes(file)
    md5 = {name: hashlib.md5(file, usedforsecurity=False).hexdigest() for name, file in packed.items()}
    monkeypatch.setattr(FashionMNIST, "mirrors", [server])
    monkeypatch.setattr(FashionMNIST, "resources", list(md5.items()))
    (_, read), _ = FashionMnist().sources()
    with pytest.raises(ValueError, match="is truncated or altered: SHA-256"):  # the mirror's own MD5 is not enough
        check(read(), FashionMnist.CHECKSUMS)
    sha256 = {name: hashlib.sha256(file).hexdigest() for name, file in files.items()}
    monkeypatch.setattr(FashionMnist, "CHECKSUMS", sha256)
    assert FashionMnist().fetch().test.labels.tolist() == [9, 1]


# CIFAR-10


def test_cifar_comes_from_the_page_that_torchvision_names() -> None:
    (source,) = Cifar10().sources()
    assert source[0] == "https://www.cs.toronto.edu/~kriz/"


def check_cifar(source: Source) -> None:
    train, test, _ = source.fetch()
    assert (len(train), len(test)) == (50, 10)
    assert train.classes[6] == "frog"
    first = np.frombuffer(cifar_files()["data_batch_2.bin"], np.uint8)[:3073]
    assert train.labels[10] == first[0]
    np.testing.assert_array_equal(train.images[10, :, :, 0].ravel(), first[1:1025])  # the red plane
    np.testing.assert_array_equal(train.images[10, :, :, 2].ravel(), first[2049:])  # the blue one


@pytest.mark.parametrize("place", ["", cifar10.FOLDER])
def test_cifar_is_read_from_its_archive_or_what_was_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    check_cifar(Cifar10(**make_cifar10(tmp_path, monkeypatch)))
    (tmp_path / cifar10.ARCHIVE).unlink()
    (tmp_path / place).mkdir(exist_ok=True)
    for name, content in cifar_files().items():
        (tmp_path / place / name).write_bytes(content)
    check_cifar(Cifar10(folder=tmp_path))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "cifar-10-binary.tar.gz is truncated or altered: SHA-"),
        (lambda path: path.write_bytes(b""), "cifar-10-binary.tar.gz is truncated or altered"),
        (
            lambda path: path.rename(path.with_name("cifar-10-python.tar.gz")),
            "binary.tar.gz and its unpacked files are missing; .* pickles cannot",
        ),
    ],
)
def test_a_spoilt_cifar_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object], message: str
) -> None:
    knobs = make_cifar10(tmp_path, monkeypatch)
    monkeypatch.setattr(Cifar10, "sources", lambda self: [("the network", cifar_files)])
    spoil(tmp_path / cifar10.ARCHIVE)
    with pytest.raises(InputError, match=f"datasets.cifar10.folder = .*{message}"):
        Cifar10(**knobs).fetch()


def test_the_names_in_an_archive_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an archive's members are called, and even if its checksum were right, nothing is written."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "data")
    files = cifar_files()
    evil = {f"../{name}": b"evil" for name in files} | {f"{tmp_path}/{name}": b"evil" for name in files}
    good = {f"{cifar10.FOLDER}/{name}": content for name, content in files.items()}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as members:
        link = tarfile.TarInfo(f"{cifar10.FOLDER}/test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        members.addfile(link)
    for content, whole in ((tar_gz(evil | good), True), (tar_gz(evil), False), (archive.getvalue(), False)):
        pin(monkeypatch, files, content)
        before = sorted(tmp_path.rglob("*"))
        found = cifar10.unpack(content)
        assert found == (files if whole else {})
        assert sorted(tmp_path.rglob("*")) == before


# GTSRB


def test_the_signs_have_their_labels_and_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test, source = Gtsrb(side=64, **make_gtsrb(tmp_path, monkeypatch)).fetch()
    assert train.images.shape == (86, 64, 64, 3)
    assert train.labels.tolist() == sorted([*range(43), *range(43)])
    assert [train.classes[label] for label in (0, 14, 42)] == [
        "speed-limit-20",
        "stop",
        "end-of-no-overtaking-by-lorries",
    ]
    assert set(source["sha256"]) == set(gtsrb_archives())
    assert test.boxes is not None
    for row in (0, 42):
        label = test.labels[row]
        height, width = 15 + label, 20 + label
        np.testing.assert_allclose(
            test.boxes[row] * [width / 64, height / 64],
            [[5, 6], [width - 5, 6], [width - 5, height - 6], [5, height - 6]],
            rtol=1e-6,
        )
        plain = Image.fromarray(noise(label, height, width, 3)).resize((64, 64), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(test.images[row], np.asarray(plain))


def test_all_training_images_can_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pin_gtsrb(tmp_path, monkeypatch, gtsrb_archives(gtsrb.TRAINING["final"], "GTSRB/Final_Training/Images/"))
    assert len(Gtsrb(folder=tmp_path, training="final").fetch().train) == 86


def test_a_spoilt_archive_of_signs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knobs = make_gtsrb(tmp_path, monkeypatch)
    (tmp_path / gtsrb.TEST).write_bytes(zipped({}))
    with pytest.raises(InputError, match=rf"datasets.gtsrb.folder = .*{gtsrb.TEST} is truncated or altered: MD5 "):
        Gtsrb(**knobs).fetch()
    (tmp_path / gtsrb.TEST).unlink()
    with pytest.raises(InputError, match=rf"{gtsrb.TEST} is missing"):
        Gtsrb(**knobs).fetch()


def test_the_pinned_checksums_of_the_signs_are_torchvisions() -> None:
    import inspect

    from torchvision.datasets import GTSRB

    code = inspect.getsource(GTSRB)
    assert gtsrb.ADDRESS in code
    for name in Gtsrb().checksums():
        assert name in code
        assert Gtsrb.CHECKSUMS[name] in code


def test_either_kind_of_checksum_is_checked() -> None:
    check_one("a", b"", "d41d8cd98f00b204e9800998ecf8427e")
    check_one("a", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    with pytest.raises(ValueError, match=r"a is truncated or altered: SHA-256 e3b0c\w+ of 0 bytes, expected 0000"):
        check_one("a", b"", "0" * 64)
