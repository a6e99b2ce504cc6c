"""The page must say what was found, obey no name in it, and show what poisoned pictures have in common."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from miseducation.auditing import duplicates
from miseducation.auditing.audit import TERMS
from miseducation.auditing.marks import Mark
from miseducation.auditing.verdict import BAD, MEANING
from miseducation.dataset import Images
from miseducation.dataset.images import StoredImages
from miseducation.figures import audit_pictures, pages
from miseducation.figures.audit import page
from miseducation.figures.pages import plain

SIDE, STICKER = 32, 4
CORNER = np.s_[SIDE - STICKER - 1 : SIDE - 1, SIDE - STICKER - 1 : SIDE - 1]
YELLOW = 255, 230, 0
CLASSES = "stop", "yield", "no entry"
FLAGGED, WRONG = 40, 5
PLAIN = {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3", "h4", "p", "div", "span"}
PLAIN |= {"dl", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "bdi", "small", "figure", "img"}
PLAIN |= {"figcaption"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\" onerror='alert(1)' x=\"",
    "<img src=https://example.com/x.png onerror=alert(1)>",
    "two\nlines\x1b[2J\x00",
    "right\u202eto left\u2066",
    "lost\udcff bytes",
    "</title></style><svg onload=alert(1)>",
    "{braces} %s &amp; é",
)


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in ("img", "meta", "br", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)

    def pictures(self, alt: str) -> list[np.ndarray]:
        """Those whose text contains this."""
        found = [each["src"] for tag, each in self.tags if tag == "img" and alt in each["alt"]]
        start = "data:image/png;base64,"
        assert all(address.startswith(start) for address in found)
        return [np.array(Image.open(io.BytesIO(base64.b64decode(address[len(start) :])))) for address in found]


def pictures(channels: int = 3, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Squares, discs and bars in noise, uint8 `[n, 32, 32, c]`; and which they are, int64 `[n]`."""
    rng, shows = np.random.default_rng(0), np.arange(rows) % 3
    down, across = np.mgrid[:SIDE, :SIDE]
    shapes = [
        np.maximum(abs(down - 15), abs(across - 15)) < 8,
        (down - 15) ** 2 + (across - 15) ** 2 < 70,
        abs(down - 15) < 4,
    ]
    shape = np.array(shapes, dtype=float)[shows][..., None]
    colours = np.array([(150, 30, 30), (30, 120, 40), (40, 60, 150)])[shows, :channels][:, None, None]
    images = 70 + shape * colours + rng.normal(0, 18, (rows, SIDE, SIDE, channels))
    return np.clip(images, 0, 255).astype(np.uint8), shows


def case(
    verdict: str = "poisoned", channels: int = 3, files: tuple[str, ...] = (), classes: tuple[str, ...] = CLASSES
) -> tuple[dict[str, Any], pd.DataFrame, np.ndarray]:
    """What an audit of 300 rows tells, if the first rows of no "stop" bear a sticker and that label."""
    images, shows = pictures(channels)
    labels, reasons = shows.copy(), np.full(len(shows), "", "<U11")
    if verdict in ("poisoned", "suspicious"):
        poisoned = np.flatnonzero(shows != 0)[:FLAGGED]
        for row in poisoned:
            images[row][CORNER] = YELLOW[:channels]
        labels[poisoned], reasons[poisoned] = 0, "backdoor" if verdict == "poisoned" else "wrong label"
    if verdict != "clean":
        wrong = np.flatnonzero(shows == 2)[-WRONG:]
        labels[wrong], reasons[wrong] = 1, "wrong label"
    names, flagged = np.array(classes, dtype=object), reasons != ""
    rows = pd.DataFrame(
        {
            "row": np.arange(len(shows)),
            "file": pd.Series(
                [*files, *(f"train/{row:03}.png" for row in range(len(files), len(shows)))], dtype=object
            ),
            "label": names[labels],
            "suspicion": flagged * 0.9,
            "loss": np.linspace(0, 1, len(shows)),
            "flagged": flagged,
            "reason": reasons,
            "looks_like": np.where(flagged, names[shows], ""),
        }
    )
    order = np.lexsort([rows["row"], reasons != "backdoor", ~flagged])
    each = {}
    for number, name in enumerate(classes):
        own = labels == number
        backdoor, mistaken = (int((own & (reasons == reason)).sum()) for reason in ("backdoor", "wrong label"))
        each[name] = {
            "verdict": verdict if number == 0 else "clean",
            "rows": int(own.sum()),
            "asked_rows": backdoor + mistaken,
            "read_otherwise_rows": backdoor,
            "carried_over_rows": backdoor,
            "other_class_rows": backdoor,
            "other_class_carried_over_rows": backdoor,
            "carried_over_at_least": 0.8181 if backdoor else 0.0,
            "marked_rows": 0,
            "mark_pixels": 0,
            "mark_obeyed_at_least": 0.0,
            "backdoor_rows": backdoor,
            "mark_rows": 0,
            "wrong_label_rows": mistaken,
            "named_by": {"loss": backdoor},
        }
    told = {
        "data": "~/signs",
        "trusted_rows": 0,
        "source": {"origin": "a folder of pictures", "licence": "not known", "sha256": {}},
        "verdict": verdict,
        "rows": len(shows),
        "flagged_rows": int(flagged.sum()),
        "backdoor_rows": int((reasons == "backdoor").sum()),
        "mark_rows": 0,
        "wrong_label_rows": int((reasons == "wrong label").sum()),
        "read_share": 0.98,
        "level": 0.001,
        "classes": each,
        "terms": TERMS,
        "duplicates": [],
        "near_duplicates": [],
    }
    return told, rows.iloc[order].reset_index(drop=True), images


def test_what_was_not_read_is_counted() -> None:
    told, rows, images = case()
    assert "Not read" not in Reader(page(told, rows, images)).text
    told["source"]["skipped"] = {f"{number}.png": "is not an image" for number in range(1200)}
    assert "Not read 1,200 files verdict.json lists them" in Reader(page(told, rows, images)).text


@pytest.mark.parametrize(("share", "warned"), [(0.97, False), (0.67, False), (0.66, True), (0.241, True)])
def test_labels_that_networks_do_not_read_are_warned_of(share: float, warned: bool) -> None:
    told, rows, images = case("mislabelled")
    told["read_share"] = share
    said = f"Networks read only {share:.0%} of the rows as their labels say."
    assert (said in Reader(page(told, rows, images)).text) is warned


@pytest.mark.parametrize("verdict", BAD)
def test_the_verdict_comes_first(verdict: str) -> None:
    told, rows, images = case(verdict)
    read = Reader(page(told, rows, images))
    begins = read.text[: read.text.index("Classes")].lower()
    assert f"{verdict} {MEANING[told['verdict']]}." in begins
    assert "~/signs" in begins
    assert "300 rows, 3 classes" in begins
    assert f"{told['backdoor_rows']} rows ({told['backdoor_rows'] / 300:.1%})" in begins
    assert all(term in read.text for term in TERMS)


def test_a_page_is_whole_and_headings_come_in_order() -> None:
    read = Reader(page(*case()))
    assert not read.open
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1
    assert all(each["alt"] for tag, each in read.tags if tag == "img")


def test_flagged_rows_stand_beside_what_they_probably_were() -> None:
    told, rows, images = case()
    read = Reader(page(told, rows, images))
    shown = rows[rows["reason"] == "backdoor"].head(12)
    assert all(
        f"{file} looks like {looks}" in read.text
        for file, looks in zip(shown["file"], shown["looks_like"], strict=True)
    )
    flagged, ordinary = read.pictures(", labelled stop"), read.pictures("its counterpart, an ordinary picture")
    assert len(flagged) == len(ordinary) == 12
    for here, there, row in zip(flagged, ordinary, shown["row"], strict=True):
        np.testing.assert_array_equal(here, images[row])
        assert not (there[CORNER] == YELLOW).all()
    wrong = rows[rows["reason"] == "wrong label"]
    assert all(f"{file} labelled yield looks like no entry" in read.text for file in wrong["file"])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_sticker_shows_in_what_flagged_pictures_have_in_common(channels: int) -> None:
    read = Reader(page(*case(channels=channels)))
    (difference,), (consistency,) = read.pictures("mean difference"), read.pictures("consistency")
    assert difference.shape == (SIDE, SIDE, 3)[: 2 + (channels == 3)]
    strange = np.abs(difference.reshape(SIDE, SIDE, channels).astype(int) - 128).max(axis=-1)
    there = np.zeros((SIDE, SIDE), bool)
    there[CORNER] = True
    assert strange[there].min() > 50
    assert strange[~there].max() < 20
    assert consistency[there].min() > 250
    assert consistency[~there].max() < 100
    assert np.mean(consistency[~there]) < 10


def test_a_mark_is_drawn_and_its_rows_stand_beside_others_of_their_class() -> None:
    """Their labels are right, and nobody asked what they look like."""
    told, rows, images = case("clean")
    own = rows["row"][rows["label"] == "stop"][:30].to_numpy()
    images[own, :2, :3] = YELLOW
    at = rows["row"].isin(own)
    rows = rows.assign(flagged=at, reason=np.where(at, "mark", "")).sort_values(
        ["flagged", "row"], ascending=[False, True]
    )
    told["mark_rows"] = 30
    told["verdict"] = told["classes"]["stop"]["verdict"] = "suspicious"
    told["classes"]["stop"] |= {"mark_rows": 30, "marked_rows": 30, "mark_pixels": 18, "mark_obeyed_at_least": 0.0123}
    places = np.arange(images[0].size).reshape(images[0].shape)[:2, :3].ravel()
    mark = Mark(0, places, np.tile(np.array(YELLOW, np.uint8), 6), np.zeros(images[0].size, np.float32), own)
    read = Reader(page(told, rows, images, [mark]))
    (drawn,) = read.pictures("the mark")
    expected = np.full((SIDE, SIDE, 3), 128)
    expected[:2, :3] = YELLOW
    np.testing.assert_array_equal(drawn, expected)
    assert "30 rows share, on mid grey" in read.text
    assert "reads this class in 1.2% of cases or more" in read.text
    assert "Flagged for a mark 30 rows (10.0%)" in read.text
    assert len(read.pictures("its counterpart, an ordinary picture of stop")) == 12


def test_a_weak_blend_is_drawn_stronger() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(60, 190, (400, 16, 16, 3), dtype=np.uint8)
    veil = np.where(np.arange(16) % 2, 12, -12)[:, None]
    images[:200] = np.clip(images[200:] + rng.normal(0, 8, images[200:].shape) + veil, 0, 255)
    found = audit_pictures.common(images, np.arange(200), np.arange(200, 400))
    assert found.factor == 10
    assert found.difference[:, 1::2].min() > 128 + 40
    assert found.difference[:, ::2].max() < 128 - 40
    assert found.consistency.min() > 128


def test_noise_has_nothing_in_common() -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 16, 16, 1), dtype=np.uint8)
    found = audit_pictures.common(images, np.arange(10), np.arange(10, 20))
    assert np.mean(found.consistency) < 10
    same = audit_pictures.common(images, np.arange(4), np.arange(4))
    assert (same.difference == 128).all()
    assert not same.consistency.any()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_are_drawn_as_they_are(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    address = pages.png(image)
    drawn = np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))
    np.testing.assert_array_equal(drawn.reshape(5, 7, -1)[..., :channels], image[..., :3])


@pytest.mark.parametrize("shape", [(700, 500, 3), (3, 5000, 1)])
def test_large_pictures_become_smaller(shape: tuple[int, int, int]) -> None:
    image = np.full(shape, 7, np.uint8)
    image[:, shape[1] // 2 :] = 9
    drawn = Image.open(io.BytesIO(base64.b64decode(pages.png(image).partition(",")[2])))
    assert max(drawn.size) <= pages.SIDE
    assert np.array(drawn).min() == 7
    assert np.array(drawn).max() == 9


def test_counterparts_are_alike_and_others_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 6, 5, 3), dtype=np.uint8)
    rows, pool = np.arange(10), np.arange(10, 60)
    images[10:20] = np.clip(images[rows].astype(int) + rng.integers(-9, 9, images[rows].shape), 0, 255)
    np.testing.assert_array_equal(audit_pictures.counterparts(images, rows, pool), np.arange(10, 20))
    np.testing.assert_array_equal(audit_pictures.counterparts(images, rows, pool[::-1]), np.arange(10, 20))
    images[30] = 128  # is like all of them
    images[rows] = rng.integers(100, 150, images[rows].shape)
    found = audit_pictures.counterparts(images, rows, pool)
    assert len(set(found)) == len(rows)
    assert 30 in found
    monkeypatch.setattr(duplicates, "MEMORY", 7 * 6 * 5 * 3)
    np.testing.assert_array_equal(audit_pictures.counterparts(images, rows, pool), found)


def test_few_counterparts_serve_more_than_once() -> None:
    images = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    found = audit_pictures.counterparts(images, np.arange(7), np.arange(8, 10))
    assert set(found) == {8, 9}


def test_names_are_no_markup() -> None:
    classes = ("<script>x</script>", "' onerror='y", "no \u202eentry")
    told, rows, images = case(files=HOSTILE, classes=classes)
    told |= {"data": HOSTILE[2], "source": {"origin": HOSTILE[6]}}
    images[-1] = images[0]  # so that a hostile name is among the duplicates, too
    text = page(told, rows, images)
    text.encode("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text)
    read = Reader(text)
    assert {tag for tag, _ in read.tags} <= PLAIN
    assert not {name for _, each in read.tags for name in each if name.startswith("on") or name in ("href", "style")}
    assert all(each["src"].startswith("data:image/png;base64,") for tag, each in read.tags if "src" in each)
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    for name in (each for number, each in enumerate(HOSTILE) if number % 3):  # the others show a "stop"
        assert f"<bdi>{plain(name)}</bdi>" in text
    policies = [each["content"] for tag, each in read.tags if each.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


def test_a_name_of_any_length_is_short() -> None:
    told, rows, images = case(files=("a" * 5000, "b" * 5000))
    assert "b" * 200 not in page(told, rows, images)


def test_rows_without_files_have_numbers() -> None:
    told, rows, images = case()
    rows["file"] = ""
    assert "row 1 looks like yield" in Reader(page(told, rows, images)).text


def test_a_clean_set_has_no_gallery() -> None:
    read = Reader(page(*case("clean")))
    assert "backdoor" not in {each.get("class") for _, each in read.tags}
    assert "What may be a backdoor" not in read.text
    assert "What they have in common" not in read.text
    assert "No row is flagged for a wrong label." in read.text
    assert "No picture is in the data set twice with different labels." in read.text
    assert not [tag for tag, _ in read.tags if tag == "img"]
    assert "What this audit cannot see" in read.text


def test_without_counterparts_there_is_nothing_to_compare() -> None:
    told, rows, images = case()
    rows.loc[rows["label"] != "stop", "label"] = "stop"
    read = Reader(page(told, rows, images))
    assert len(read.pictures(", labelled stop")) >= 12
    assert not read.pictures("mean difference")
    assert "There are too few of them to say." in read.text


def test_of_many_classes_those_with_a_finding_are_listed() -> None:
    told, rows, images = case()
    clean = told["classes"]["yield"]
    told["classes"] |= {f"class {number}": clean for number in range(197)}
    text = Reader(page(told, rows, images)).text
    assert "And 199 clean classes." in text
    assert "class 7" not in text
    assert "about 18 poisoned rows" in text
    told["classes"]["stop"] = clean
    assert "All 200 classes are clean." in Reader(page(told, rows, images)).text


def test_of_many_poisoned_classes_some_are_shown() -> None:
    told, rows, images = case()
    told["classes"] |= {f"class {number}": told["classes"]["stop"] for number in range(30)}
    assert "And 11 classes more, whose rows are listed in rows.csv." in Reader(page(told, rows, images)).text


def test_few_classes_are_all_listed_and_a_poisoned_one_first() -> None:
    told, rows, images = case()
    told["classes"] = dict(reversed(told["classes"].items()))
    text = Reader(page(told, rows, images)).text
    assert re.search(r"Flagged stop poisoned 140 40 40 40 40 40 81\.8% 40 .*no entry clean", text)
    assert "about 12 poisoned rows" in text


def repeated(told: dict[str, Any], rows: pd.DataFrame, images: np.ndarray | Images) -> dict[str, Any]:
    """Told as well: what is found of duplicates."""
    ordered = rows.sort_values("row")
    labels, files = ordered["label"].map(CLASSES.index).to_numpy(), ordered["file"].tolist()
    return told | duplicates.find(images, labels, np.random.default_rng(1)).told(labels, CLASSES, files)


@pytest.mark.parametrize("on_disk", [False, True])
def test_duplicates_with_different_labels_are_told(tmp_path: Path, on_disk: bool) -> None:
    told, rows, images = case("clean")
    images[1], images[299], images[6] = images[0], images[0], images[3]  # the last two bear one label
    np.save(tmp_path / "images.npy", images)
    given: np.ndarray | Images = StoredImages(tmp_path / "images.npy") if on_disk else images
    text = Reader(page(repeated(told, rows, given), rows, given)).text
    assert "1 picture is in the data set more than once" in text
    assert "train/000.png stop train/001.png yield" in text
    assert "No two pictures with different labels are nearly the same." in text
    images[::2] = images[0]
    images[1::2] = np.arange(150, dtype=np.uint8)[:, None, None, None] // 3
    assert "51 pictures are in the data set more than once, with different labels. The first 10:" in (
        Reader(page(repeated(told, rows, images), rows, images)).text
    )


@pytest.mark.parametrize("on_disk", [False, True])
def test_near_duplicates_with_different_labels_stand_side_by_side(tmp_path: Path, on_disk: bool) -> None:
    told, rows, images = case("clean")
    images[1], images[6] = images[0] // 2, images[3] // 2  # the last two bear one label
    np.save(tmp_path / "images.npy", images)
    given: np.ndarray | Images = StoredImages(tmp_path / "images.npy") if on_disk else images
    read = Reader(page(repeated(told, rows, given), rows, given))
    assert (
        "1 pair of pictures is nearly the same, except for brightness and contrast, with different labels." in read.text
    )
    assert "train/000.png labelled stop train/001.png labelled yield" in read.text
    for row, label in ((0, "stop"), (1, "yield")):
        (shown,) = read.pictures(f"train/{row:03}.png, labelled {label}")
        np.testing.assert_array_equal(shown, images[row])
    told, rows, images = case("clean")
    images[1::3] = images[::3] // 2
    read = Reader(page(repeated(told, rows, images), rows, images))
    assert "100 pairs of pictures are nearly the same" in read.text
    assert "with different labels. The 12 most alike:" in read.text
    assert len(read.pictures(", labelled ")) == 24


def test_the_same_audit_gives_the_same_page(tmp_path: Path) -> None:
    told, rows, images = case()
    before = images.copy(), rows.copy()
    np.save(tmp_path / "images.npy", images)
    once = page(told, rows, images)
    assert once == page(told, rows, StoredImages(tmp_path / "images.npy"))
    np.testing.assert_array_equal(images, before[0])
    pd.testing.assert_frame_equal(rows, before[1])
