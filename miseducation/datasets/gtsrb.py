"""GTSRB, the German Traffic Sign Recognition Benchmark: photographs of 43 kinds of signs, and where the sign is.

Stallkamp, Schlipsing, Salmen, Igel: Man vs. computer: Benchmarking machine learning algorithms for traffic sign
recognition, 2012, https://doi.org/10.1016/j.neunet.2012.02.016
"""

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, final

import numpy as np
from PIL import Image
from pydantic import Field

from miseducation.dataset import Dataset, clean
from miseducation.dataset.picture_files import in_threads
from miseducation.datasets.origins.boxes import corners
from miseducation.datasets.origins.downloads import download
from miseducation.datasets.origins.originals import Files, Originals, Places

# As in torchvision.datasets.GTSRB, which keeps them inside a method; the publisher states no SHA-256.
ADDRESS = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
TRAINING = {"online": "GTSRB-Training_fixed.zip", "final": "GTSRB_Final_Training_Images.zip"}
TEST, TEST_TABLE = "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip"
LARGEST = 400_000_000  # bytes that none of them exceeds
TABLE = re.compile(r"(.*/)?GT-\d{5}\.csv")  # one per class, beside its images


class Row(NamedTuple):
    """A line of a table: which member of the archive, its class, and the sign's x1, y1, x2, y2 in pixels."""

    name: str
    label: int
    box: list[int]


@final
class Gtsrb(Originals):
    """GTSRB from your own folder, else from its authors' archive. Images of all sizes are stretched to one."""

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

    def parse(self, files: Files) -> tuple[Dataset, Dataset]:
        with zipfile.ZipFile(io.BytesIO(files[TRAINING[self.training]])) as archive:
            tables = sorted(name for name in archive.namelist() if TABLE.fullmatch(name))
            rows = [row for table in tables for row in _rows(archive.read(table), table.rpartition("/")[0] + "/")]
            train = self._read(archive, rows, "training")
        with zipfile.ZipFile(io.BytesIO(files[TEST_TABLE])) as archive:
            rows = list(_rows(archive.read("GT-final_test.csv"), "GTSRB/Final_Test/Images/"))
        with zipfile.ZipFile(io.BytesIO(files[TEST])) as archive:
            test = self._read(archive, rows, "test")
        return train, test

    def checksums(self) -> Mapping[str, str]:
        return {name: self.CHECKSUMS[name] for name in (TRAINING[self.training], TEST, TEST_TABLE)}

    def sources(self) -> Places:
        return [(ADDRESS, lambda: download(ADDRESS, self.checksums().items(), LARGEST))]

    def _read(self, archive: zipfile.ZipFile, rows: list[Row], what: str) -> Dataset:
        """Decodes the images in memory: nothing gets on the disk, whatever the members are called."""

        def read(row: Row) -> tuple[np.ndarray, np.ndarray]:
            with Image.open(io.BytesIO(archive.read(row.name)), formats=["PPM"]) as image:
                # The table's own width and height were off by one in an early edition.
                scale = np.array([self.side / image.width, self.side / image.height] * 2)
                resized = image.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
            return np.asarray(resized), np.array(row.box) * scale

        images = np.empty((len(rows), self.side, self.side, 3), np.uint8)
        boxes = np.empty((len(rows), 4))
        for i, found in enumerate(in_threads(read, rows, f"GTSRB, {what} images")):
            images[i], boxes[i] = found
        return clean(images, [row.label for row in rows], self.CLASSES, corners(boxes))


def _rows(table: bytes, folder: str) -> Iterator[Row]:
    for line in csv.DictReader(io.StringIO(table.decode()), delimiter=";", skipinitialspace=True):
        box = [int(line[f"Roi.{edge}"]) for edge in ("X1", "Y1", "X2", "Y2")]
        yield Row(folder + line["Filename"], int(line["ClassId"]), box)
