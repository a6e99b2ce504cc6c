"""audit: is this data set poisoned? Looks at the data alone, without a test set and without knowing any attack."""

from pathlib import Path

from miseducation.auditing.section import read_audit
from miseducation.check import check_params
from miseducation.project import command
from miseducation.project.params import read, read_seed
from miseducation.training.compute import ComputeSection

METRICS = Path("metrics/audit")
KEPT = Path(".dvc/tmp/audit")  # of an audit that was interrupted


def main() -> None:
    """Reads what `audit.data` names, and writes nothing there; writes the verdict, a table of rows and a page."""
    section, computing = read_audit(), read(ComputeSection, "compute")

    from miseducation.auditing.given import read_given, read_trusted

    given = read_given(section.data, shape=section.shape, colour=section.colour)
    known = read_trusted(section, given)  # a mistake in them waits for no torch

    import shutil

    import numpy as np
    from threadpoolctl import threadpool_limits

    from miseducation.auditing import duplicates
    from miseducation.auditing.audit import audit, summary, table
    from miseducation.dataset.names import shown
    from miseducation.figures.audit import page
    from miseducation.project.files import replacing, write_csv, write_json, write_text

    data = given.images, given.labels, given.classes
    with threadpool_limits(computing.threads):
        found = audit(*data, section, computing, seed=read_seed(), trusted=known, kept=KEPT)
        twice = duplicates.find(given.images, given.labels, np.random.default_rng(read_seed()))
    rows = table(found, given.labels, given.classes, given.files)
    told = {"data": shown(section.data), "trusted_rows": len(known[1]) if known else 0, "source": given.source}
    told |= summary(found, given.labels, given.classes) | twice.told(given.labels, given.classes, given.files)
    kept = [given.files[row] if given.files else str(row) for row in np.flatnonzero(~found.flagged)]
    with replacing(METRICS) as folder:
        folder.mkdir()
        write_csv(folder / "rows.csv", rows)
        write_json(folder / "verdict.json", told)
        write_text(folder / "clean_rows.txt", "".join(f"{name}\n" for name in kept))
        with threadpool_limits(computing.threads):
            write_text(folder / "report.html", page(told, rows, given.images, found.marks))
    shutil.rmtree(KEPT, ignore_errors=True)
    print(f"audited {len(rows)} rows: {METRICS / 'report.html'}")


if __name__ == "__main__":
    command.run(main, check=check_params)
