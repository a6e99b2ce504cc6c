"""The data set `folder`: the user's own image files, of all kinds and in all states."""

import io
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from miseducation.dataset.picture_files import decode
from miseducation.datasets import Fetched, folder
from miseducation.datasets.folder import Folder
from miseducation.datasets.origins.own import Own
from miseducation.errors import InputError
from miseducation.project import own_files, parts
from miseducation.project.files import write_json
from miseducation.project.params import validate
from tests.datasets.made import make_folder, needs_pipes, noise, picture

MODES = ("L", "RGB", "RGBA", "P", "1", "I;16", "CMYK", "LA")


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def of_mode(mode: str, seed: int, height: int, width: int) -> bytes:
    if mode == "I;16":
        return saved(Image.fromarray(noise(seed, height, width, 1)[..., 0].astype(np.uint16) * 257))
    image = Image.fromarray(noise(seed, height, width, 3)).convert("L" if mode == "LA" else "RGB").convert(mode)
    return saved(image, "JPEG" if mode == "CMYK" else "PNG")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 images of four classes, of mixed sizes and modes; two are corrupt; a fifth class is empty."""
    root = tmp_path_factory.mktemp("many")
    for label in ("ant", "bee", "cat", "dog", "empty"):
        (root / label).mkdir()
    for i in range(500):
        label, mode = ("ant", "bee", "cat", "dog")[i % 4], MODES[i // 4 % len(MODES)]
        name = f"{i:03}.{'jpg' if mode == 'CMYK' else 'PNG'}"
        (root / label / name).write_bytes(of_mode(mode, i, 10 + i % 50, 10 + i % 37))
    (root / "bee/001.PNG").write_bytes((root / "bee/001.PNG").read_bytes()[:80])
    (root / "dog/003.PNG").write_bytes(b"no image")
    (root / "cat/.DS_Store").write_bytes(b"litter")
    (root / "cat/Thumbs.db").write_bytes(b"litter")
    return root


def refused(source: Own) -> str:
    with pytest.raises(InputError) as error:
        source.fetch()
    return str(error.value)


def test_a_mixed_folder_is_reported_then_read(many: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(Folder(path=many))  # from the names
    assert f"params.yaml: datasets.folder.path = '{many}': 1 file or folder cannot be used:" in text
    assert "  - empty: contains no image that can be read\n" in text
    (many / "empty").rmdir()
    text = refused(Folder(path=many))
    assert f"params.yaml: datasets.folder.path = '{many}': 2 files or folders cannot be used:" in text
    assert "  - bee/001.PNG: cannot be read: image file is truncated\n" in text
    assert "  - dog/003.PNG: is not an image, or a damaged one\n" in text
    assert "datasets.folder.skip_bad: true" in text
    assert "litter" not in text
    assert ".DS_Store" not in text

    (many / "empty").mkdir()
    train, test, source = Folder(path=many, skip_bad=True).fetch()
    assert (len(train), len(test)) == (398, 100)
    assert train.images.shape[1:] == (32, 32, 3)
    assert train.classes == ("ant", "bee", "cat", "dog")
    assert np.bincount(test.labels).tolist() == [25, 25, 25, 25]
    assert set(source["skipped"]) == {"bee/001.PNG", "dog/003.PNG", "empty"}
    output = capsys.readouterr().out
    assert all(f"  - {name}: " in output for name in source["skipped"])

    mended = shutil.copytree(many, tmp_path / "mended")
    for bad in ("bee/001.PNG", "dog/003.PNG"):
        (mended / bad).unlink()
    (mended / "empty").rmdir()
    again = Folder(path=mended).fetch()
    np.testing.assert_array_equal(again.train.images, train.images)
    assert "skipped" not in again.source
    assert "left out" not in capsys.readouterr().out


def same(one: Fetched, other: Fetched) -> bool:
    pairs = [(one.train, other.train), (one.test, other.test)]
    return one.source == other.source and all(
        a.images.tobytes() == b.images.tobytes() and a.labels.tolist() == b.labels.tolist() for a, b in pairs
    )


def test_the_same_files_give_the_same_bytes_in_whatever_order_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one").mkdir()
    one = Folder(**make_folder(tmp_path / "one", monkeypatch)).fetch()
    for path in sorted((tmp_path / "one").rglob("*.png"), reverse=True):
        copy = tmp_path / "other" / path.relative_to(tmp_path / "one")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1, 1))
    assert same(one, Folder(path=tmp_path / "other").fetch())

    walk, folders = os.walk, Path.iterdir
    monkeypatch.setattr(os, "walk", lambda *a, **k: ((at, d, f[::-1]) for at, d, f in walk(*a, **k)))
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(folders(self), reverse=True)))
    assert same(one, Folder(path=tmp_path / "other").fetch())


def test_a_file_that_is_replaced_while_it_is_read_is_not_taken_for_the_one_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path, monkeypatch)
    before = own_files.digest(tmp_path)

    def replace(content: bytes, size: tuple[int, int], *, colour: bool) -> np.ndarray:
        decoded = decode(content, size, colour=colour)
        (tmp_path / "cat/0.png").write_bytes(b"another")
        return decoded

    monkeypatch.setattr(folder, "decode", replace)
    monkeypatch.setattr(folder, "in_threads", lambda work, items, what: map(work, items))
    assert Folder(path=tmp_path).fetch().source[own_files.KEY] == before != own_files.digest(tmp_path)


def test_the_split_is_drawn_by_the_seed_within_each_class(tmp_path: Path) -> None:
    sizes = {"few": 2, "more": 11, "most": 40}
    for label, count in sizes.items():
        (tmp_path / label).mkdir()
        for i in range(count):
            (tmp_path / label / f"{i}.png").write_bytes(picture(np.full((2, 2, 3), i, np.uint8), "PNG"))

    def held_out(**knobs: Any) -> list[tuple[int, int]]:
        train, test, _ = Folder(path=tmp_path, **knobs).fetch()
        parts = [[(int(n), int(x[0, 0, 0])) for n, x in zip(d.labels, d.images, strict=True)] for d in (train, test)]
        assert sorted(parts[0] + parts[1]) == [(n, i) for n, k in enumerate(sizes.values()) for i in range(k)]
        return parts[1]

    assert np.bincount([label for label, _ in held_out()]).tolist() == [1, 2, 8]
    assert np.bincount([label for label, _ in held_out(test_share=0.5)]).tolist() == [1, 6, 20]
    assert np.bincount([label for label, _ in held_out(test_share=0.999)]).tolist() == [1, 10, 39]
    assert held_out() == held_out(seed=1) != held_out(seed=2)


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(picture(np.zeros((3, 3), np.uint8), "PNG"))
    return root


def test_a_split_that_is_there_is_kept(tmp_path: Path) -> None:
    write(tmp_path, "test/b/1.png", "test/a/1.png", "train/a/deep/er/2.png", "train/b/3.png", "train/a/1.png")
    train, test, _ = Folder(path=tmp_path, shape=(4, 5), colour=False).fetch()
    assert train.images.shape == (3, 4, 5, 1)
    assert (train.classes, train.labels.tolist(), test.labels.tolist()) == (("a", "b"), [0, 0, 1], [0, 1])


@pytest.mark.parametrize(
    ("tops", "named"),
    [
        (("test", "val"), "test"),
        (("cat", "dog", "valid"), "valid"),
        (("train",), "train"),
    ],
)
def test_what_looks_like_a_split_is_not_taken_for_a_class(tmp_path: Path, tops: tuple[str, ...], named: str) -> None:
    write(tmp_path, *(f"{top}/{label}/{i}.png" for top in tops for label in "ab" for i in range(2)))
    for skip_bad in (False, True):
        text = refused(Folder(path=tmp_path, skip_bad=skip_bad))
        assert f".path = '{tmp_path}': {named} looks like a split, not like a class; name the two splits" in text
    if len(tops) == 2:
        for top, split in zip(tops, ("train", "test"), strict=True):
            (tmp_path / top).rename(tmp_path / split)
        assert Folder(path=tmp_path).fetch().train.classes == ("a", "b")


@pytest.mark.parametrize(
    ("names", "lines"),
    [
        (
            ["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"],
            ["train/b: is a", "test/c: is a class"],
        ),
        (["a/1.png"], [".: contains 1 class, but two", "a: holds 1 image, which cannot be split"]),
        (["a/1.png", "b/1.png", "b/2.png"], ["a: holds 1 image, which cannot be split into train and test"]),
        (
            ["1.png", "2.png"],
            [".: contains 0 class", "1.png: is in no class's", "2.png: is in no class's"],
        ),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/x.heic"], ["b/x.heic: looks like a picture; the names of"]),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png", "dev/a/1.png"], ["dev/a/1.png: is in nei"]),
        (["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/x\ny.avif"], [r"b/x\ny.avif: looks like a picture"]),
        (["a/1.png", "a/2.png", "b\n/1.png", "b\n/2.png"], [r"b\n: is not a valid name for a class"]),
    ],
)
def test_every_mistake_is_listed(tmp_path: Path, names: list[str], lines: list[str]) -> None:
    reported = [line for line in refused(Folder(path=write(tmp_path, *names))).splitlines() if line.startswith("  - ")]
    assert len(reported) == len(lines)
    for found, expected in zip(sorted(reported), sorted(lines), strict=True):
        assert found.startswith(f"  - {expected}")


def test_what_cannot_be_left_out_is_refused_whatever_is_skipped(tmp_path: Path) -> None:
    write(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")
    (tmp_path / "test/b/1.png").write_bytes(b"damaged")
    text = refused(Folder(path=tmp_path, skip_bad=True))
    assert "test/b: contains no image that can be read" in text
    assert "train/b: is a class that test does not have" in text
    assert "skip_bad: true" not in text


def test_a_long_list_is_cut_on_the_screen_and_kept_in_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, *(f"{label}/{i}.{end}" for label in "ab" for i in range(40) for end in ("png", "heic")))
    assert refused(Folder(path=tmp_path)).count("\n  - ") == 50
    skipped = Folder(path=tmp_path, skip_bad=True).fetch().source["skipped"]
    assert len(skipped) == 80
    output = capsys.readouterr().out
    assert output.count("\n  - ") == 50
    assert "  … and 30 more\n" in output
    write_json(tmp_path / "source.json", skipped)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_can_be_reported_and_recorded(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png", os.fsdecode(b"b/\xff.heic"))
    source = Folder(path=tmp_path, skip_bad=True).fetch().source
    write_json(tmp_path / "source.json", source)
    assert list(source["skipped"]) == [r"b/\udcff.heic"]


@pytest.mark.parametrize("path", ["nowhere", "file"])
def test_a_path_that_is_no_folder_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    assert "datasets.folder.path = " in (text := refused(Folder(path=tmp_path / path)))
    assert text.endswith(("does not exist", "is not a folder"))


@pytest.mark.parametrize("name", ["folder", "arrays"])
def test_a_path_must_be_given_once_the_data_set_is_chosen(name: str) -> None:
    found = parts.find("datasets", name, Own, "data.name")
    assert f"datasets.{name}.path must be given; allowed: a" in refused(found()).replace("an .npz", "a .npz")
    for path in (None, ""):
        with pytest.raises(
            InputError, match=rf"^params.yaml: datasets.{name}.path = {path!r}: must be given; allowed: an? "
        ):
            validate(found, f"datasets.{name}", {"path": path})


def test_a_path_is_meant_from_the_root_where_an_experiment_runs_in_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project/own").mkdir(parents=True)
    (tmp_path / "copy").mkdir()
    make_folder(tmp_path / "project/own", monkeypatch)
    monkeypatch.chdir(tmp_path / "copy")
    assert "does not exist" in refused(Folder(path=Path("own")))
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    assert len(Folder(path=Path("own")).fetch().train) == 15


def test_a_link_to_a_folder_is_followed_but_not_round_in_circles(tmp_path: Path) -> None:
    write(tmp_path, "own/a/1.png", "own/a/2.png", "elsewhere/1.png", "elsewhere/2.png")
    (tmp_path / "own/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "own/a/round").symlink_to(tmp_path / "own/a")
    train, test, _ = Folder(path=tmp_path / "own").fetch()
    assert len(train) + len(test) == 4


@needs_pipes
def test_a_pipe_is_listed_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png")
    os.mkfifo(tmp_path / "b/pipe.png")
    assert "  - b/pipe.png: is neither a file nor a folder\n" in refused(Folder(path=tmp_path))
    assert list(Folder(path=tmp_path, skip_bad=True).fetch().source["skipped"]) == ["b/pipe.png"]
    assert refused(Folder(path=tmp_path / "b/pipe.png")).endswith("is not a folder")


def test_a_folder_that_cannot_be_read_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/locked/3.png")
    scan = os.scandir

    def refuse(path: Any) -> Any:
        if Path(path).name == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read everything
    locked = "locked"
    assert "  - b/locked: is a folder that cannot be read\n" in refused(Folder(path=tmp_path))
    locked = "b"
    assert "  - b: is a folder that cannot be read\n" in refused(Folder(path=tmp_path))


# What becomes of a single picture


@given(st.integers(0, 2**16 - 1))
@settings(max_examples=50)
def test_16_bits_are_scaled_to_8(level: int) -> None:
    grey = decode(saved(Image.fromarray(np.full((2, 2), level, np.uint16))), (2, 2), colour=False)
    assert np.unique(grey).tolist() == [round(level / 257)]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits_are_scaled_in_all_formats(kind: str) -> None:
    levels = np.array([[0, 257, 32896, 65535]], np.uint16)
    assert decode(saved(Image.fromarray(levels), kind), (1, 4), colour=True)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_32_bits_are_refused_as_their_range_is_unknown() -> None:
    for array in (np.zeros((2, 2), np.int32), np.zeros((2, 2), np.float32)):
        with pytest.raises(ValueError, match="grey levels of 32 bits"):
            decode(saved(Image.fromarray(array), "TIFF"), (2, 2), colour=True)


def test_what_is_transparent_is_laid_on_white() -> None:
    clear, half = Image.new("RGBA", (2, 2), (9, 9, 9, 0)), Image.new("LA", (2, 2), (0, 128))
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    for file, expected in (
        (saved(clear), 255),
        (saved(half), 127),
        (saved(palette, transparency=0), 255),
        (saved(palette, "GIF", transparency=0), 255),
        (saved(Image.new("L", (2, 2), 7), transparency=7), 255),
        (saved(Image.fromarray(np.full((2, 2), 1799, np.uint16)), transparency=1799), 255),
        (saved(Image.fromarray(np.full((2, 2), 1799, np.uint16)), transparency=1800), 7),
        (saved(Image.new("RGB", (2, 2), (1, 2, 3)), transparency=(1, 2, 3)), 255),
    ):
        assert np.unique(decode(file, (2, 2), colour=True)).tolist() == [expected]
    # Before the resizing: no dark rim where hidden colours would have been mixed in.
    clear.putpixel((0, 0), (255, 255, 255, 255))
    assert decode(saved(clear), (9, 9), colour=False).min() == 255


# How each orientation is stored: so many quarter turns to the left, then a flip or not.
UPRIGHT = {1: (0, 0), 2: (0, 1), 3: (2, 0), 4: (2, 1), 5: (3, 1), 6: (1, 0), 7: (1, 1), 8: (3, 0)}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_an_image_is_stood_upright(orientation: int) -> None:
    upright = noise(0, 48, 32, 3).repeat(8, 0).repeat(8, 1)
    turns, flipped = UPRIGHT[orientation]
    stored = np.rot90(upright, turns)
    stored = stored[:, ::-1] if flipped else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    expected = decode(saved(Image.fromarray(upright)), (24, 16), colour=True)
    np.testing.assert_allclose(decode(file, (24, 16), colour=True).astype(int), expected.astype(int), atol=1)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF"])
def test_the_first_frame_counts(kind: str) -> None:
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    file = saved(first, kind, save_all=True, append_images=[second])
    assert decode(file, (1, 1), colour=True).tolist() == [[[255, 0, 0]]]


def test_a_decompression_bomb_counts_as_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_folder(tmp_path, monkeypatch)
    (tmp_path / "cat/large.png").write_bytes(picture(np.zeros((60, 60), np.uint8), "PNG"))
    for limit in (3000, 1000):  # Pillow warns of more than the limit, and refuses more than twice as much
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert "cat/large.png: cannot be read: Image size (3600 pixels) exceeds limit" in refused(Folder(path=tmp_path))


def test_a_large_photograph_is_brought_down_evenly() -> None:
    pattern = np.zeros((512, 512, 3), np.uint8)
    pattern[::2] = 255  # lines that a resize without filtering would take for black or white
    small = decode(saved(Image.fromarray(pattern), "JPEG", quality=100, subsampling=0), (32, 32), colour=False)
    assert small.shape == (32, 32, 1)
    assert 120 <= small[1:-1].min() <= small[1:-1].max() <= 135
