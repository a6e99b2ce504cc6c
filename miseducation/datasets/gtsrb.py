"""GTSRB, the German Traffic Sign Recognition Benchmark: photographs of 43 kinds of signs, and where the sign is.

Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer: Benchmarking machine learning algorithms for traffic sign
recognition, 2012, https://doi.org/10.1016/j.neunet.2012.02.016
"""

import io
import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, final

import numpy as np
from PIL import Image
from pydantic import Field

from miseducation.dataset import Dataset, clean
from miseducation.dataset.names import shown
from miseducation.dataset.picture_files import FORMATS, decode, in_threads
from miseducation.datasets import Fetched, record
from miseducation.datasets.origins import gtsrb_trees
from miseducation.datasets.origins.boxes import corners
from miseducation.datasets.origins.downloads import download
from miseducation.datasets.origins.gtsrb_tables import Row, rows, shares
from miseducation.datasets.origins.gtsrb_trees import CLASSES_TABLE, TABLE
from miseducation.datasets.origins.originals import Files, Originals, Places
from miseducation.errors import InputError
from miseducation.project import own_files

# As in torchvision.datasets.GTSRB, which keeps them inside a method; the publisher states no SHA-256.
ADDRESS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
TRAINING = {"online": "GTSRB-Training_fixed.zip", "final": "GTSRB_Final_Training_Images.zip"}
TEST, TEST_TABLE = "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip"
LARGEST = 400_000_000  # bytes that none of them exceeds


@final
class Gtsrb(Originals):
    """GTSRB from your own folder, packed or not, else from its authors' archive. Images are stretched to one size."""

    TITLE = "GTSRB"
    ORIGIN = "https://doi.org/10.1016/j.neunet.2012.02.016"
    LICENCE = "free to use; the authors ask to cite Stallkamp et al. 2012"
    CLASSES = (
        *("speed-limit-20", "speed-limit-30", "speed-limit-50", "speed-limit-60", "speed-limit-70", "speed-limit-80"),
        *("end-of-speed-limit-80", "speed-limit-100", "speed-limit-120", "no-overtaking", "no-overtaking-by-lorries"),
        *("priority-at-next-crossing", "priority-road", "yield", "stop", "no-vehicles", "no-lorries", "no-entry"),
        *("danger", "bend-left", "bend-right", "double-bend", "uneven-road", "slippery-road", "road-narrows"),
        *("road-works", "traffic-lights", "pedestrians", "children", "bicycles", "snow", "wild-animals"),
        *("end-of-all-limits", "turn-right-ahead", "turn-left-ahead", "ahead-only", "ahead-or-right", "ahead-or-left"),
        *("keep-right", "keep-left", "roundabout", "end-of-no-overtaking", "end-of-no-overtaking-by-lorries"),
    )
    CHECKSUMS: ClassVar[dict[str, str]] = {
        TRAINING["online"]: "513f3c79a4c5141765e10e952eaa2478",
        TRAINING["final"]: "f33fd80ac59bff73c82d25ab499e03a3",
        TEST: "c7e4e6327067d32654124b0fe9e82185",
        TEST_TABLE: "fe31e9c9270bbcd7b84b7f21a9d9d9e5",
    }
    BY_HAND = f"put its three archives ({TEST} and the like) into a folder"

    training: Literal["online", "final"] = Field(
        "online", description="online (26,640 training images, as torchvision's) or final (39,209, all there are)"
    )
    side: int = Field(32, ge=1, le=1024, description="height and width of the images, 1 to 1024 pixels")

    def fetch(self) -> Fetched:
        root = self.folder and own_files.locate(self.folder)
        if not root or not root.is_dir() or all((root / name).is_file() for name in self.checksums()):
            return super().fetch()
        try:
            names = gtsrb_trees.listing(root)
            tree = gtsrb_trees.find(names, self.training)
            return self._unpacked(root, names, tree) if tree else super().fetch()
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"params.yaml: {self.key()}.folder = {str(self.folder)!r}: {error}") from None

    def parse(self, files: Files) -> tuple[Dataset, Dataset]:
        with zipfile.ZipFile(io.BytesIO(files[TRAINING[self.training]])) as archive:
            tables = sorted(name for name in archive.namelist() if TABLE.fullmatch(name))
            found = [_in(table.rpartition("/")[0], row) for table in tables for row in rows(archive.read(table))]
            train = self._archived(archive, found, "training")
        with zipfile.ZipFile(io.BytesIO(files[TEST_TABLE])) as archive:
            found = [_in("GTSRB/Final_Test/Images", row) for row in rows(archive.read(CLASSES_TABLE))]
        with zipfile.ZipFile(io.BytesIO(files[TEST])) as archive:
            test = self._archived(archive, found, "test")
        return train, test

    def checksums(self) -> Mapping[str, str]:
        return {name: self.CHECKSUMS[name] for name in (TRAINING[self.training], TEST, TEST_TABLE)}

    def read_folder(self, folder: Path) -> Files:
        if files := super().read_folder(folder):
            return files
        trees = (
            f"GTSRB/Final_Training and GTSRB/Final_Test with {CLASSES_TABLE}, or Train and Test with their .csv files"
        )
        raise ValueError(
            f"contains neither its archives ({', '.join(self.checksums())}) nor their unpacked files: {trees}"
        )

    def sources(self) -> Places:
        return [(ADDRESS, lambda: download(ADDRESS, self.checksums().items(), LARGEST))]

    def _archived(self, archive: zipfile.ZipFile, found: list[Row], what: str) -> Dataset:
        """Decodes the images in memory: nothing gets on the disk, whatever the members are called."""

        def read(row: Row) -> tuple[np.ndarray, tuple[int, int]]:
            with Image.open(io.BytesIO(archive.read(row.name)), formats=["PPM"]) as image:
                resized = image.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
                return np.asarray(resized), image.size

        return self._stacked(read, found, what)

    def _unpacked(self, root: Path, names: Sequence[str], tree: gtsrb_trees.Tree) -> Fetched:
        """The user's own files: images of whatever kind and size, as they may have been scaled since."""
        digest = own_files.digest(root)  # first, so that it tells what changes meanwhile
        beside = {name: gtsrb_trees.contents(root / name) for name in tree.test if name == gtsrb_trees.BESIDE}
        train, test = gtsrb_trees.read(root, names, tree)
        if doubts := [*gtsrb_trees.doubts(tree, self.training, train, test)]:
            warnings.warn(f"{self.key()}.folder {'; '.join(doubts)}", stacklevel=3)

        def read(row: Row) -> tuple[np.ndarray, tuple[int, int]]:
            try:
                content = gtsrb_trees.contents(root / row.name)
                image = decode(content, (self.side, self.side), colour=True)
                with Image.open(io.BytesIO(content), formats=FORMATS) as file:
                    return image, file.size
            except ValueError as error:
                raise ValueError(f"{shown(row.name)} {error}") from None

        splits = self._stacked(read, train, "training"), self._stacked(read, test, "test")
        source = record("the user's own files", "not known", beside)
        source["sha256"] |= {"all files": digest}
        source |= {"counted": {"train": len(train), "test": len(test)}, f"{self.key()}.folder": digest}
        return Fetched(*splits, source)

    def _stacked(
        self, read: Callable[[Row], tuple[np.ndarray, tuple[int, int]]], found: list[Row], what: str
    ) -> Dataset:
        images, sizes = np.empty((len(found), self.side, self.side, 3), np.uint8), np.empty((len(found), 2))
        for i, (image, size) in enumerate(in_threads(read, found, f"GTSRB, {what} images")):
            images[i], sizes[i] = image, size
        try:
            boxes = shares(found, sizes) * self.side
        except ValueError as error:
            raise ValueError(f"contains {what} {error}") from None
        return clean(images, [row.label for row in found], self.CLASSES, corners(boxes))


def _in(folder: str, row: Row) -> Row:
    return row._replace(name=f"{folder}/{row.name}")
