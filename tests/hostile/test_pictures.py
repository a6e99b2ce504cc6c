"""Files that knobs name: two of them never make one result, others in their place are noticed, wrong paths named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miseducation import datasets
from miseducation.attacks import Attack, attack
from miseducation.datasets import Source
from miseducation.errors import InputError
from miseducation.poisoning.channels import Channel
from miseducation.project import own_files, parts
from miseducation.project.files import write_json
from miseducation.project.params import Section, read_all
from miseducation.studies.bench import Cell
from miseducation.studies.prepare import digests, prepare
from miseducation.studies.section import read_study
from miseducation.studies.store import Keys
from miseducation.tracking.results import digest
from stages import poison
from tests.hostile.forged.pictures import NOWHERE, dot

SetParams = Callable[[str, Any], None]
BASES: dict[str, type[Section]] = {"attacks": Attack, "datasets": Source, "channels": Channel}
PARTS = {
    f"{kind}.{name}": parts.find(kind, name, base, kind) for kind, base in BASES.items() for name in parts.names(kind)
}
PLACES = [
    f"{part}.{name}"
    for part, kind in PARTS.items()
    for name, field in kind.model_fields.items()
    if "Path" in str(field)
]
PICTURES = [place for place in PLACES if place.startswith("attacks.")]
MANIFEST = Path("data/poisoned/test_manifest.csv")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    datasets_folder = tmp_path_factory.mktemp("raw") / "raw"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(datasets_folder.parent)
        Path("params.yaml").write_text("datasets: {digits: {}}\n")
        datasets.get("digits", datasets_folder)
    return datasets_folder


@pytest.fixture
def poisoned(raw: Path, in_folder: Path, set_params: SetParams) -> Callable[..., dict[str, str]]:
    """Runs the stage on these knobs; returns the MD5 of each output, which DVC would put into its record."""
    shutil.copytree(raw, "data/raw")

    def run(knobs: dict[str, Any]) -> dict[str, str]:
        for key, value in knobs.items():
            set_params(key, value)
        poison.main()
        return {path.name: digest(path) for path in Path("data/poisoned").iterdir()}

    return run


def test_all_files_that_knobs_name_are_watched_or_have_a_checksum() -> None:
    """A path elsewhere would need a digest of its own, as those of attacks and of own data sets have."""
    assert {"attacks.sticker.picture", "attacks.blended.picture", "attacks.adaptive_blend.picture"} <= set(PICTURES)
    assert {place.rpartition(".")[2] for place in PLACES if place.startswith("datasets.")} == {"path", "folder"}
    assert not [place for place in PLACES if place.startswith("channels.")]


@pytest.mark.parametrize("place", PICTURES)
def test_two_pictures_never_make_one_result(place: str, poisoned: Callable[..., dict[str, str]]) -> None:
    name = place.split(".")[1]
    knobs = {"attack.name": name, "attack.rate": 0.02, place: "own/a.png"}
    dot(Path("own/a.png"), level=200)
    first = poisoned(knobs)
    assert poisoned({}) == first
    assert own_files.changed(MANIFEST, read_all()) is None

    dot(Path("own/a.png"), level=201)
    assert own_files.changed(MANIFEST, read_all()) == "own/a.png"
    second = poisoned({})
    assert second["test_images.npy"] == first["test_images.npy"], "a difference that shows would be none to test with"
    assert second != first
    assert own_files.changed(MANIFEST, read_all()) is None

    Path("own/a.png").unlink()  # as in a colleague's clone
    assert own_files.changed(MANIFEST, read_all()) is None


@pytest.mark.parametrize("override", [False, True])
def test_two_pictures_never_make_one_cell_or_study(
    override: bool, poisoned: Callable[..., dict[str, str]], set_params: SetParams
) -> None:
    study = {"datasets": ["digits"], "attacks": ["blended"], "rates": [0.1], "seeds": [1], "measured": ["scores"]}
    knobs = {"picture": "own/a.png"}
    if override:
        set_params("studies.mine", {**study, "overrides": {"digits": {"attacks": {"blended": knobs}}}})
    else:
        set_params("studies.mine", study)
        set_params("attacks.blended.picture", "own/a.png")

    def made() -> tuple[str, bytes, dict[str, str]]:
        section = read_study("mine")
        bench = prepare("mine", section, "digits", Path("data/raw"))
        key = Keys(bench)(Cell(0, 0.1, 0, 1), "scores")
        return key, bench.arms[0].triggered.images.tobytes(), digests("mine", section, {"digits": bench})

    dot(Path("own/a.png"), level=200)
    first = made()
    assert made() == first
    write_json(Path("own_files.json"), first[2])
    assert own_files.changed(Path("own_files.json"), read_all()) is None
    dot(Path("own/a.png"), level=201)
    assert own_files.changed(Path("own_files.json"), read_all()) == "own/a.png"
    second = made()
    assert second[1] == first[1], "a difference that shows would be none to test with"
    assert second[0] != first[0]
    assert second[2] != first[2]


def test_without_a_picture_there_is_nothing_to_watch(poisoned: Callable[..., dict[str, str]]) -> None:
    poisoned({"attack.name": "sticker", "attack.rate": 0.02})
    assert MANIFEST.read_text().partition("\n")[0] == "row,true_label,label,attackable"
    assert own_files.changed(MANIFEST, read_all()) is None


@pytest.mark.parametrize(
    "content", ["", "a.b\n", "a.b,c.d\n1\n", "a.b\n" + "x" * 200_000, "\xff", "{", "[]", '{"own_files": {}}']
)
@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_damaged_record_is_of_no_files(content: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"record.{suffix}").write_bytes(content.encode("latin-1"))
    assert own_files.changed(tmp_path / f"record.{suffix}", {"a": {"b": "nowhere"}}) is None


@pytest.mark.parametrize("path", NOWHERE, ids=range(len(NOWHERE)))
@pytest.mark.parametrize("place", PLACES)
def test_a_path_that_leads_nowhere_is_named(place: str, path: str, in_folder: Path, set_params: SetParams) -> None:
    set_params(place, path)
    kind, name, _ = place.split(".")
    with pytest.raises(InputError) as refused:
        datasets.source(name).fetch() if kind == "datasets" else _apply(attack(name))
    assert str(refused.value).startswith(f"params.yaml: {place} = ")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 1000


def _apply(chosen: Attack) -> None:
    import numpy as np

    chosen.apply_trigger(np.zeros((1, 8, 8, 3), np.uint8))
