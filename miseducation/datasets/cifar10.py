"""CIFAR-10: 50,000 + 10,000 colour photographs of ten kinds of things, 32×32.

Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009,
https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf
"""

import io
import tarfile
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from miseducation.dataset import Dataset, clean
from miseducation.datasets.origins.downloads import download
from miseducation.datasets.origins.originals import Files, Originals, Places, check_one

# The authors pack the same images three times. This one holds plain bytes; torchvision's holds pickles.
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
LARGEST = 200_000_000  # bytes that it does not exceed
FOLDER = "cifar-10-batches-bin"  # in the archive
SIZE = 32
ROW = 1 + 3 * SIZE * SIZE  # bytes: the label, then the red, the green and the blue plane


@final
class Cifar10(Originals):
    """CIFAR-10 from your own folder, else from its authors' page."""

    TITLE = "CIFAR-10"
    ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar.html"
    LICENCE = "none stated; the authors ask to cite Krizhevsky 2009"
    CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    CHECKSUMS: ClassVar[dict[str, str]] = {
        "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }
    BY_HAND = f"put {ARCHIVE} into a folder"

    def parse(self, files: Files) -> tuple[Dataset, Dataset]:
        *training, test = (files[name] for name in self.CHECKSUMS)
        return self._parse(b"".join(training)), self._parse(test)

    def sources(self) -> Places:
        from torchvision.datasets import CIFAR10

        page = CIFAR10.url.removesuffix(CIFAR10.filename)  # the three archives lie side by side
        return [(page, lambda: unpack(download(page, [(ARCHIVE, ARCHIVE_SHA256)], LARGEST)[ARCHIVE]))]

    def read_folder(self, folder: Path) -> Files:
        """Reads the archive, or the files that were in it, in a folder of their own or not."""
        if (folder / ARCHIVE).is_file():
            return unpack((folder / ARCHIVE).read_bytes())
        files = super().read_folder(folder / FOLDER if (folder / FOLDER).is_dir() else folder)
        if not files:
            raise ValueError(f"{ARCHIVE} and its unpacked files are missing; the archive with pickles cannot be used")
        return files

    def _parse(self, content: bytes) -> Dataset:
        rows = np.frombuffer(content, np.uint8).reshape(-1, ROW)
        images = rows[:, 1:].reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1)
        return clean(np.ascontiguousarray(images), rows[:, 0].astype(np.int64), self.CLASSES)


def unpack(archive: bytes) -> Files:
    """Reads the six files out of the pinned archive, in memory: whatever else one holds, nothing gets on the disk."""
    check_one(ARCHIVE, archive, ARCHIVE_SHA256)
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
        for member in members:
            folder, _, name = member.name.rpartition("/")
            if folder == FOLDER and name in Cifar10.CHECKSUMS and member.isreg():
                content = members.extractfile(member)
                assert content is not None  # it is for folders and devices only
                files[name] = content.read()
    return files
