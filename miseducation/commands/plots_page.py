"""Puts Vega, which draws DVC's charts, into the page of `dvc plots`, so that a browser needs no network for it.

`python -m miseducation.commands.plots_page`; it wants npm, for the licences.
"""

import json
import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from miseducation.project import command
from miseducation.project.files import write_text

PAGE, LICENCES = Path(".dvc/plots.html"), Path(".dvc/plots.licences.txt")
VEGA_LITE = "5.21"  # DVC's charts are in version 5
PLACE = re.compile(r'(?<=<script id="libraries">).*?(?=</script>)', re.DOTALL)


def libraries() -> str:
    """Vega, Vega-Lite and Vega-Embed as a script that may stand in a page and leaves nothing but `vegaEmbed`."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("globalThis.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    escaped = re.sub("</(?=script)", r"<\\/", bundle, flags=re.IGNORECASE)
    escaped = re.sub(r"\.(lib\w+)\b", r'["\1"]', escaped)  # a property that could be taken for a hidden folder's name
    return f'\n(() => {{ "use strict";\n{escaped}\n}})();\n'


def versions() -> dict[str, str]:
    """What the script is made of, by the names that npm has for it."""
    import vl_convert

    vega, embed = vl_convert.get_vega_version(), vl_convert.get_vega_embed_version()
    return {"vega": vega, "vega-lite": f"{VEGA_LITE}.0", "vega-embed": embed, "vega-themes": "", "lodash.debounce": ""}


def licences(packages: Path) -> str:
    """The licences of all packages in a folder that npm made, each text once."""
    holders = defaultdict(set)
    for path in sorted(packages.rglob("*")):
        if re.match(r"licen[cs]e", path.name, re.IGNORECASE) and (path.parent / "package.json").is_file():
            name = json.loads((path.parent / "package.json").read_text(encoding="utf-8"))["name"]
            lines = [line.rstrip() for line in path.read_text(encoding="utf-8").strip().splitlines()]
            holders["\n".join(lines)].add(name)
    return "\n\n".join(f"{'=' * 80}\n{', '.join(sorted(names))}\n\n{text}" for text, names in holders.items())


def main() -> None:
    """Writes both files."""
    write_text(PAGE, PLACE.sub(lambda _: libraries(), PAGE.read_text(encoding="utf-8"), count=1))
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{name}@{version or 'latest'}" for name, version in versions().items()]
        # Nothing of them is run. DVC's Vega-Lite has been tried with this Vega, whatever it asks for itself.
        options = ["--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--prefix", folder]
        subprocess.run(["npm", "install", "--silent", *options, *wanted], check=True)
        texts = licences(Path(folder) / "node_modules")
    made_of = ", ".join(f"{name} {version}".strip() for name, version in versions().items())
    write_text(LICENCES, f"plots.html holds {made_of}, and packages that these use.\nTheir licences:\n\n{texts}\n")


if __name__ == "__main__":
    command.run(main)
