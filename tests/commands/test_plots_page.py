"""The page of DVC's plots, and what it is made of."""

import configparser
import json
from pathlib import Path

from miseducation.commands import plots_page
from tests.conftest import PROJECT


def test_the_page_is_what_the_command_makes_and_what_dvc_uses() -> None:
    config = configparser.ConfigParser()
    config.read(PROJECT / ".dvc/config")
    assert (PROJECT / ".dvc" / config["plots"]["html_template"]) == PROJECT / plots_page.PAGE
    page = (PROJECT / plots_page.PAGE).read_text(encoding="utf-8")
    made = plots_page.libraries()
    assert page.count(made) == 1, f"run python -m {plots_page.__name__}"
    assert "</script" not in made.lower()
    others = page.replace(made, "")
    filled_in = {name: page.count(f"{{{name}}}") for name in ("plot_divs", "refresh_tag", "scripts")}
    assert filled_in == {"plot_divs": 1, "refresh_tag": 1, "scripts": 0}
    assert "//" not in others.replace("// ", ""), "no address of another machine"
    told = (PROJECT / plots_page.LICENCES).read_text(encoding="utf-8").splitlines()[0]
    assert all(f"{name} {version}".strip() in told for name, version in plots_page.versions().items())


def test_licences_are_found_and_those_that_are_the_same_told_once(tmp_path: Path) -> None:
    for name, text in (("one", "MIT\n\n© A"), ("two", "MIT  \n\n© A\n"), ("@scope/three", "ISC © B")):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name}))
        (folder / ("LICENCE.md" if name == "one" else "license")).write_text(text)
    told = plots_page.licences(tmp_path)
    assert told.count("MIT\n\n© A") == 1
    assert "one, two\n" in told
    assert "@scope/three\n\nISC © B" in told
