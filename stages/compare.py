"""compare: puts the defences side by side, in tables and pictures."""

from pathlib import Path

import numpy as np

from miseducation.check import check_params
from miseducation.dataset.disk import load_poisoned, load_raw, load_triggered, read_manifest
from miseducation.defending.section import DefencesSection
from miseducation.project import command
from miseducation.project.files import read_json, write_csv, write_text
from miseducation.project.params import read
from miseducation.scores.detection import Truth

RAW, POISONED, MODELS = Path("data/raw"), Path("data/poisoned"), Path("models")
SUSPICIONS, METRICS = Path("data/defences"), Path("metrics/defences")


def main() -> None:
    """Reads what each defence came to; writes tables, pictures and a page to `metrics/defences`."""
    section = read(DefencesSection, "defences")
    methods = {name: read_json(METRICS / "methods" / f"{name}.json") for name in section.names}

    from miseducation import networks
    from miseducation.defending import tables
    from miseducation.defending.classwise import Axes
    from miseducation.figures import defences, pictures, report_defences

    detection = tables.detection(methods)
    models = tables.models(methods, read_json(METRICS.parent / "evaluation.json"))
    write_csv(METRICS / "detection.csv", detection)
    write_csv(METRICS / "models.csv", models)

    learnt, roles = load_poisoned(RAW, POISONED), read_manifest(POISONED)["role"].to_numpy(str)
    truth = Truth.of(learnt.labels, learnt.true_labels, learnt.poisoned, roles)
    of_rows = [name for name in section.detectors if "rows" in methods[name]]
    suspicion, flagged = ({name: _arrays(name, each)[0] for name in of_rows} for each in ("suspicion", "flagged"))
    pictures.save(defences.suspicions(suspicion, truth), METRICS / "suspicion.png")
    pictures.save(defences.roc(suspicion, flagged, truth), METRICS / "roc.png")

    # The label that most poison has; where there is none, the first.
    label = int(np.bincount(learnt.labels[truth.poison], minlength=len(learnt.classes)).argmax())
    rows = np.flatnonzero(learnt.labels == label)
    features = networks.load(MODELS / "backdoored").features(learnt.images[rows])
    places = np.zeros((len(rows), 2))
    along = Axes(features, 2).along(features)
    places[:, : along.shape[1]] = along
    shown = Truth(truth.poison[rows], truth.rest[rows])
    pictures.save(defences.projection(places, shown, learnt.classes[label]), METRICS / "projection.png")

    (triggered, _, _), test = load_triggered(RAW, POISONED), load_raw(RAW, "test")[:]
    change = np.abs(triggered.images.astype(np.int16) - test.images).mean(axis=(0, 3))
    found = {name: _arrays(name, "mask", "pattern", "anomalies") for name in section.scanners}
    pictures.save(defences.triggers(found, change, learnt.classes), METRICS / "triggers.png")
    page, roc = (METRICS.parent / "report.html").read_text(encoding="utf-8"), (METRICS / "roc.png").read_bytes()
    write_text(METRICS / "report.html", report_defences.with_defences(page, detection, models, roc))
    print(f"compared {len(methods)} defences: {METRICS / 'report.html'}")


def _arrays(name: str, *arrays: str) -> list[np.ndarray]:
    return [np.load(SUSPICIONS / name / f"{each}.npy", allow_pickle=False) for each in arrays]


if __name__ == "__main__":
    command.run(main, check=check_params)
