"""What code is made of: which files of ours a file imports."""

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
ROOT = PACKAGE.parent


def imported(files: Iterable[str], *, without: Iterable[str] = ()) -> set[str]:
    """The files of ours that some files import, themselves and indirect ones included.

    Imports inside functions count, and those for type checkers, too; what is found by its name does not, nor files to
    be left out, with what only they import. All are named from the root of the project.
    """
    found, waiting = set[str](), list(files)
    while waiting:
        if (path := waiting.pop()) not in found.union(without):
            found.add(path)
            waiting += _imports(ROOT / path)
    return found


@cache
def _imports(path: Path) -> frozenset[str]:
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts)}
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    # A module brings the packages that it lies in. The front door is none of them: it only says where things are.
    packages = {".".join(name.split(".")[:end]) for name in names for end in range(2, name.count(".") + 1)}
    ours = {name.replace(".", "/") for name in names | packages if name.startswith(f"{PACKAGE.name}.")}
    candidates = {f"{name}.py" for name in ours} | {f"{name}/__init__.py" for name in ours}
    return frozenset(each for each in candidates if (ROOT / each).is_file())
