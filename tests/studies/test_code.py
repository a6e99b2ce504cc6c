"""What our files import is what Python loads for them, or more."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from miseducation.project import code, parts
from miseducation.studies.store import OURS

KINDS = ("attacks", "channels", "networks", "measurements")
FRONT_DOOR = "miseducation/__init__.py"


@pytest.fixture
def unloaded() -> Iterator[None]:
    """As if nothing of ours had been imported yet."""

    def ours() -> dict[str, object]:
        return {name: module for name, module in sys.modules.items() if name.split(".")[0] == "miseducation"}

    before = ours()
    for name in before:
        del sys.modules[name]
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", [OURS, *(f"{parts.folder(kind)}/{name}.py" for kind in KINDS for name in parts.names(kind))]
)
def test_every_file_that_python_loads_is_known(unloaded: None, path: str) -> None:
    importlib.import_module(path.removesuffix(".py").replace("/", "."))
    files = (Path(getattr(module, "__file__", None) or "built-in") for module in list(sys.modules.values()))
    loaded = {file.relative_to(code.ROOT).as_posix() for file in files if file.is_relative_to(code.PACKAGE)}
    assert path in loaded
    assert loaded - {FRONT_DOOR} <= code.imported([OURS, path])


def test_a_cell_depends_on_no_more_than_it_should() -> None:
    found = code.imported([OURS])
    assert {"miseducation/training/fitting.py", "miseducation/poisoning/draws.py"} <= found
    assert not [path for path in found if path.startswith(("miseducation/figures", "miseducation/tracking"))]
    badnets, sticker = (code.imported([f"miseducation/attacks/{name}.py"]) for name in ("badnets", "sticker"))
    assert "miseducation/dataset/perspective.py" in sticker - badnets
    assert "miseducation/attacks/badnets.py" not in sticker | found


def test_imports_are_found_wherever_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "__init__.py": "from ours import front",
        "front.py": "",
        "start.py": "import numpy\nfrom ours.wing import plain\nfrom ours.deep.down import name\n",
        "wing/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ours import checked\n",
        "wing/plain.py": "def late():\n    import ours.late as other\n    from ours import missing\n",
        "wing/alone.py": "",
        "deep/__init__.py": "",
        "deep/down.py": "from ours import start  # a circle\nname = 'ours.alone'",
        "late.py": "from numpy import ours",
        "checked.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "ours" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(code, "PACKAGE", tmp_path / "ours")
    monkeypatch.setattr(code, "ROOT", tmp_path)
    every = {f"ours/{name}" for name in files.keys() - {"__init__.py", "front.py", "wing/alone.py"}}
    assert code.imported(["ours/start.py"]) == every
    without = code.imported(["ours/start.py"], without=["ours/wing/plain.py"])
    assert without == every - {"ours/wing/plain.py", "ours/late.py"}, "and what only that imports"
