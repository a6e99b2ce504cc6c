"""What MNIST and the data sets made to replace it share: four gzipped idx files of 28×28 grey images."""

import gzip
import io
import zlib
from abc import ABC
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from miseducation.dataset import Dataset, clean
from miseducation.datasets.origins.downloads import download
from miseducation.datasets.origins.originals import Files, Originals, Places

LARGEST = 60_000 * 28 * 28 + 16  # bytes of the largest file, unpacked; none that is packed has more


class Idx(Originals, ABC):
    """60,000 + 10,000 images in `{train,t10k}-{images-idx3,labels-idx1}-ubyte`, whose checksums are those unpacked."""

    MIRRORED: ClassVar[str]  # the name of torchvision's class
    BY_HAND = "put the four original files into a folder"

    def sources(self) -> Places:
        """See `Originals.sources`: torchvision's mirrors."""
        from torchvision import datasets

        known = getattr(datasets, self.MIRRORED)
        return [(mirror, partial(read_mirror, mirror, known.resources)) for mirror in known.mirrors]

    def parse(self, files: Files) -> tuple[Dataset, Dataset]:
        return self._parse(files, "train"), self._parse(files, "t10k")

    def read_folder(self, folder: Path) -> Files:
        """Reads the four files, gzipped or not."""
        files = super().read_folder(folder)
        for name in self.CHECKSUMS:
            if name not in files and (folder / f"{name}.gz").is_file():
                files[name] = gunzip(f"{name}.gz", (folder / f"{name}.gz").read_bytes())
        return files

    def _parse(self, files: Files, split: str) -> Dataset:
        images = np.frombuffer(files[f"{split}-images-idx3-ubyte"], np.uint8, offset=16).reshape(-1, 28, 28, 1)
        labels = np.frombuffer(files[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
        return clean(images, labels.astype(np.int64), self.CLASSES)


def read_mirror(mirror: str, resources: list[tuple[str, str]]) -> Files:
    """Downloads the four files from a mirror of torchvision's, with its MD5 checked before they are unpacked."""
    files = download(mirror, resources, LARGEST)
    return {name.removesuffix(".gz"): gunzip(name, content) for name, content in files.items()}


def gunzip(name: str, content: bytes) -> bytes:
    """Unpacks a gzipped file; a ValueError names one that cannot be unpacked."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read(LARGEST + 1)  # one byte too many fails the checksum; a bomb does not fill the memory
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name} is truncated or altered: {error}") from None
