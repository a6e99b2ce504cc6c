"""Small files in the original format of data sets that cannot be had by default: `MAKERS`."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from miseducation.datasets import cifar10, gtsrb
from miseducation.datasets.cifar10 import Cifar10
from miseducation.datasets.gtsrb import Gtsrb
from miseducation.datasets.origins.originals import Files

Make = Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]  # writes files to a folder, returns the knobs to find them

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have no names there")


def noise(seed: int, *shape: int) -> np.ndarray:
    """Random bytes, blackest black and whitest white among them, in large enough areas to outlast a resizing."""
    array = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    array[..., : shape[-2] // 3, :] = 0
    array[..., -(shape[-2] // 3) :, :] = 255
    return array


def picture(array: np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def tar_gz(members: Files) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def zipped(members: Files) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def cifar_files() -> Files:
    """Ten rows per file, one of each class: a byte for the label, then the planes of red, green and blue."""
    files = {}
    for i, name in enumerate(Cifar10.CHECKSUMS):
        planes = noise(i, 10, 3, 32, 32).reshape(10, 3072)
        files[name] = np.hstack([np.arange(10, dtype=np.uint8)[:, np.newaxis], planes]).tobytes()
    return files


def pin(monkeypatch: pytest.MonkeyPatch, files: Files, archive: bytes) -> None:
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(Cifar10, "CHECKSUMS", checksums)
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.sha256(archive).hexdigest())


def make_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    files = cifar_files()
    extra = {"batches.meta.txt": b"airplane\n", "readme.html": b""}
    archive = tar_gz({f"cifar-10-batches-bin/{name}": content for name, content in (files | extra).items()})
    pin(monkeypatch, files, archive)
    (folder / cifar10.ARCHIVE).write_bytes(archive)
    return {"folder": folder}


HEADER = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId\r\n"


def gtsrb_archives(first: str = gtsrb.TRAINING["online"], prefix: str = "GTSRB/Training/") -> Files:
    """Two training images and a test image per class; no two classes' images are of one size."""
    training, test, table = {}, {}, HEADER
    for label in range(43):
        height, width = 15 + label, 20 + label
        line = f"{width};{height};5;6;{width - 5};{height - 6};{label}\r\n"
        for i in range(2):
            training[f"{prefix}{label:05}/00000_0000{i}.ppm"] = picture(noise(label, height, width, 3), "PPM")
        training[f"{prefix}{label:05}/GT-{label:05}.csv"] = (
            HEADER + "".join(f"00000_0000{i}.ppm;{line}" for i in range(2))
        ).encode()
        name = f"{(label * 7) % 43:05}.ppm"  # no test image says its class by its place
        test[f"GTSRB/Final_Test/Images/{name}"] = picture(noise(label, height, width, 3), "PPM")
        table += f"{name};{line}"
    test["GTSRB/Final_Test/Images/GT-final_test.test.csv"] = HEADER.encode()
    contents = {first: training, gtsrb.TEST: test, gtsrb.TEST_TABLE: {"GT-final_test.csv": table.encode()}}
    return {name: zipped(members) for name, members in contents.items()}


def pin_gtsrb(folder: Path, monkeypatch: pytest.MonkeyPatch, archives: Files) -> None:
    checksums = {name: hashlib.md5(content, usedforsecurity=False).hexdigest() for name, content in archives.items()}
    monkeypatch.setattr(Gtsrb, "CHECKSUMS", checksums)
    for name, content in archives.items():
        (folder / name).write_bytes(content)


def make_gtsrb(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    pin_gtsrb(folder, monkeypatch, gtsrb_archives())
    return {"folder": folder}


def make_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for label in ("cat", "dog", "sea-horse"):
        (folder / label).mkdir()
        for i in range(6):
            (folder / label / f"{i}.png").write_bytes(picture(noise(i, 40, 50, 3), "PNG"))
    return {"path": folder}


def make_arrays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    labels = np.arange(12) % 3
    np.savez(
        folder / "own.npz", x_train=noise(0, 12, 9, 9), y_train=labels, x_test=noise(1, 3, 9, 9), y_test=labels[:3]
    )
    return {"path": folder / "own.npz"}


# A data set that is not named here is fetched with its defaults.
MAKERS: dict[str, Make] = {
    "arrays": make_arrays,
    "cifar10": make_cifar10,
    "folder": make_folder,
    "gtsrb": make_gtsrb,
}


# GTSRB unpacked: white signs on black, so that the pictures themselves tell where the boxes are.
SIGN_FIELDS = ("Width", "Height", "Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2", "ClassId")


def sign(label: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """The picture of a class, each of another size, and its fields in a table: `SIGN_FIELDS`."""
    height, width = 25 + label, 67 - label
    x1, y1, x2, y2 = 5 + label % 7, 6, width - 5, height - 6 - label % 5
    image = np.zeros((height, width, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return image, (width, height, x1, y1, x2, y2, label)


def sign_table(rows: list[tuple[str, int]], name: str, delimiter: str = ";") -> bytes:
    """A table of files, each with its class; `name` is the column that names them: Filename comes first, Path last."""
    place = 0 if name == "Filename" else len(SIGN_FIELDS)
    lines = [[*SIGN_FIELDS], *([*map(str, sign(label)[1])] for _, label in rows)]
    for line, entry in zip(lines, [name, *(file for file, _ in rows)], strict=True):
        line.insert(place, entry)
    return "".join(delimiter.join(line) + "\r\n" for line in lines).encode()


def authors_tree(training: str = "GTSRB/Final_Training/Images", suffix: str = "ppm") -> Files:
    """What the authors' archives unpack to, by name: a test image per class, and two to learn from (online: one)."""
    kind, test = {"ppm": "PPM", "png": "PNG"}[suffix], "GTSRB/Final_Test/Images"
    of_each = 2 if "Final" in training else 1
    files: Files = {"GTSRB/Readme-Images.txt": b"Welcome", f"{test}/GT-final_test.test.csv": b"Filename;Width\r\n"}
    tests = [(f"{label * 7 % 43:05}", label) for label in range(43)]
    for name, label in tests:
        files |= {f"{test}/{name}.{suffix}": picture(sign(label)[0], kind)}
        names = [f"00000_0000{i}" for i in range(of_each)]
        files |= {f"{training}/{label:05}/{each}.{suffix}": picture(sign(label)[0], kind) for each in names}
        table = sign_table([(f"{each}.ppm", label) for each in names], "Filename")
        files[f"{training}/{label:05}/GT-{label:05}.csv"] = table
    return files | {f"{test}/GT-final_test.csv": sign_table([(f"{n}.ppm", label) for n, label in tests], "Filename")}


def torchvision_tree() -> Files:
    """What torchvision leaves in `gtsrb`, but for the archives."""
    files = authors_tree("GTSRB/Training")
    return {
        name if not name.endswith("GT-final_test.csv") else "GT-final_test.csv": content
        for name, content in files.items()
    }


def tables_tree(side: int | None = None) -> Files:
    """The tree of `Train.csv` and `Test.csv`; all pictures are scaled to one side if there is one."""
    train = [(f"Train/{label}/{label:05}_00000_0000{i}.png", label) for label in range(43) for i in range(2)]
    test = [(f"Test/{label * 7 % 43:05}.png", label) for label in range(43)]
    files = {"Train.csv": sign_table(train, "Path", ","), "Test.csv": sign_table(test, "Path", ",")}
    files |= {"Meta.csv": b"Path,ClassId,ShapeId,ColorId,SignId\r\nMeta/0.png,0,1,0,3.1\r\n", "Meta/0.png": b"a face"}
    for name, label in train + test:
        image = Image.fromarray(sign(label)[0])
        image = image.resize((side, side), Image.Resampling.BILINEAR) if side else image
        files[name] = picture(np.asarray(image), "PNG")
    return files


def lay_out(folder: Path, files: Files) -> Path:
    """Writes files by their names below a folder, which it returns."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
