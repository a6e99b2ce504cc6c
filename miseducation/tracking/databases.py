"""SQLite databases of MLflow: made whole or not at all, and left alone if they hold what they should not."""

import hashlib
import os
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from miseducation.tracking.recorder import StoreError

BESIDE = ("-journal", "-wal", "-shm", "")  # what SQLite keeps beside a database, and itself
# Rows that somebody made: MLflow itself puts one experiment into a new database.
KEPT = {
    "runs": "SELECT 1 FROM runs",
    "experiments": "SELECT 1 FROM experiments WHERE name != 'Default'",
    "registered_models": "SELECT 1 FROM registered_models",
}
# What it keeps of places of artefacts below those of the experiments; :before and :here end with no slash.
MOVE = """
UPDATE runs SET artifact_uri = :here || substr(artifact_uri, length(:before) + 1)
    WHERE substr(artifact_uri, 1, length(:before) + 1) = :before || '/';
UPDATE logged_models SET artifact_location = :here || substr(artifact_location, length(:before) + 1)
    WHERE substr(artifact_location, 1, length(:before) + 1) = :before || '/';
UPDATE model_versions SET source = :here || substr(source, length(:before) + 1)
    WHERE substr(source, 1, length(:before) + 1) = :before || '/';
UPDATE model_versions SET storage_location = :here || substr(storage_location, length(:before) + 1)
    WHERE substr(storage_location, 1, length(:before) + 1) = :before || '/';
"""


def prepare(file: Path, uri: str, root: Path) -> None:
    """Makes the database if there is none, or only one whose making was interrupted; corrects it if all has moved.

    Raises:
        StoreError: If there is one that cannot be used. It is not touched.
    """
    file = Path(os.path.realpath(file))
    beside = [suffix for suffix in BESIDE if file.with_name(file.name + suffix).exists()]
    if "" not in beside or (flaw := _flaw(file, uri, ours=file == root / "mlflow.db")):
        if beside:
            aside = _set_aside(file, beside)
            about = flaw if "" in beside else "was missing"
            print(f"warning: {file} {about}, and contained no run; what was there is kept as {aside}", file=sys.stderr)
        _make(file, root)
    _follow(file, root)


def _flaw(file: Path, uri: str, *, ours: bool) -> str:
    """Why the database is of no use and holds nothing, if so."""
    from mlflow.store.db import utils

    if not file.stat().st_size:
        return "was empty"
    try:
        with closing(_open(file)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            versions = database.execute("SELECT * FROM alembic_version") if "alembic_version" in tables else []
            version = next((str(version) for (version,) in versions), None)
            kept = any(database.execute(KEPT[table]).fetchone() for table in tables & KEPT.keys())
    except sqlite3.DatabaseError as error:
        with file.open("rb") as start:
            if ours and not start.read(16).startswith(b"SQLite format 3"):
                return "was not a database"
        raise StoreError(f"SQLite cannot read it: {error}") from error
    wanted, lacking = utils._get_latest_schema_revision(), set(utils.Base.metadata.tables) - tables
    if version == wanted and not lacking:
        return ""
    if tables and not tables & {*KEPT, "alembic_version"}:
        raise StoreError("it is a database, but not one of MLflow's")
    if version is not None and version not in _known():
        raise StoreError(f"it was made by another, probably newer MLflow (layout {version}), which is needed to use it")
    if not kept:
        return "was incomplete"
    if version == wanted or version is None:
        raise StoreError(f"it is damaged: {f'it lacks {min(lacking)}' if lacking else 'its layout is not named'}")
    upgrade = f"python -m mlflow db upgrade {shlex.quote(uri)}"
    raise StoreError(f"it was made by an older MLflow (layout {version}); make a copy of it, then run `{upgrade}`")


def _known() -> set[str]:
    """All layouts that this MLflow knows."""
    from mlflow.store.db import utils

    script = utils.ScriptDirectory.from_config(utils._get_alembic_config(""))
    return {each.revision for each in script.walk_revisions()}


def _set_aside(file: Path, beside: list[str]) -> Path:
    names = (file.with_name(f"{file.name}.broken{number}") for number in ["", *range(2, 1_000_000)])
    aside = next(each for each in names if not any(each.with_name(each.name + suffix).exists() for suffix in BESIDE))
    for suffix in beside:
        file.with_name(file.name + suffix).rename(aside.with_name(aside.name + suffix))
    return aside


def _make(file: Path, root: Path) -> None:
    """Makes it elsewhere, as MLflow needs seconds, and could not go on with half a database."""
    import sqlalchemy
    from mlflow.store.db import utils

    # Another project may make the same at the same time, and what a killed one of ours left is cleaned up.
    folder = file.with_name(f"{file.name}.{hashlib.sha256(os.fsencode(root)).hexdigest()[:8]}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        made = folder / file.name
        url = sqlalchemy.URL.create("sqlite", database=str(made))
        utils._initialize_tables(sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool))
        try:
            os.link(made, file)  # unlike a renaming, never in place of another
        except OSError:
            if not file.exists():
                made.rename(file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _follow(file: Path, root: Path) -> None:
    """Corrects where artefacts are, which MLflow keeps with the whole path, if the project is elsewhere by now."""
    ours = file.is_relative_to(root)
    with closing(_open(file)) as database, database:
        found = database.execute(
            "SELECT experiment_id, name, artifact_location FROM experiments WHERE typeof(name) = 'text'"
        )
        for number, name, place in found.fetchall():
            here, place = (root / "mlruns" / name).as_uri(), place or ""
            before, suffix = place.rpartition("/mlruns/")[0], here.removeprefix(root.as_uri())
            moved = not place or (place != here and place == f"{before}{suffix}" and before.startswith("file:///"))
            # A database outside the project may be that of several.
            if moved and (ours or not Path(unquote(before.removeprefix("file://"))).exists()):
                database.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (here, number))
                for update in MOVE.strip().split(";\n") if place else ():
                    database.execute(update, {"here": here, "before": place})


def _open(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True)
