"""study: trains the models of `studies.<name>` that are missing, and writes tables and figures about all of them."""

import argparse
from pathlib import Path

from miseducation.check import check_params
from miseducation.project import command
from miseducation.project.files import write_json
from miseducation.studies.section import read_study

STUDIED, METRICS = Path("data/studies"), Path("metrics")


def main() -> None:
    """Reads `params.yaml` and `data/studies/<name>`; writes tables and figures to `metrics/<name>`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="a section studies.<name> of params.yaml")
    name = parser.parse_args().name
    section, folder = read_study(name), METRICS / name

    from miseducation.figures import blind_window, dose_response, gallery, pictures, success_by_rate
    from miseducation.studies import study
    from miseducation.studies.prepare import digests, prepare

    benches = {each: prepare(name, section, each, STUDIED / name / each) for each in section.datasets}
    found = study.run(name, section, benches)
    found.write(name, folder)
    (folder / "own_files.json").unlink(missing_ok=True)
    if watched := digests(name, section, benches):
        write_json(folder / "own_files.json", watched)
    cells, summary, doses = found.tables.cells, found.summary, found.doses
    for each, its_doses in doses.items():
        own, means = (table[table["dataset"] == each] for table in (cells, summary))
        figure = dose_response.dose_response(own, means, its_doses, dose_response.ARTICLE.get(each, ()))
        pictures.save(figure, folder / f"dose-{each}.png")
        tried = sorted(rate for rate in own["rate"].unique() if rate > 0)
        if found.noticed and tried:
            windows = found.windows[found.windows["dataset"] == each]
            pictures.save(blind_window.blind_window(windows, tried), folder / f"blind_window-{each}.png")
    for kind, now in (("dose", doses), ("blind_window", found.noticed)):
        for old in {*folder.glob(f"{kind}-*.png")} - {folder / f"{kind}-{each}.png" for each in now}:
            old.unlink()  # of a data set that is no longer in the study
    pictures.save(success_by_rate.success_by_rate(cells, summary), folder / "success.png")
    shown = {each: gallery.examples(benches[each], min(section.seeds)) for each in benches}
    pictures.save(gallery.gallery(shown), folder / "gallery.png")
    found.tell(name, folder)


if __name__ == "__main__":
    command.run(main, check=check_params)
