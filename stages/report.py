"""report: draws what the data look like and what the attack did to the model, and writes a page about it."""

from pathlib import Path

import numpy as np
import pandas as pd

from miseducation.check import check_params
from miseducation.dataset.disk import load_pairs, load_raw, read_manifest
from miseducation.figures import pictures, report, report_result
from miseducation.project import command
from miseducation.project.files import write_text
from miseducation.scores import shares

RAW, POISONED, METRICS = Path("data/raw"), Path("data/poisoned"), Path("metrics")


def main() -> None:
    """Reads `data` and the tables in `metrics`; writes pictures and `report.html` to `metrics`."""
    train, manifest = load_raw(RAW, "train"), read_manifest(POISONED)
    pictures.save(pictures.sample_grid(train), METRICS / "clean_samples.png")

    # Rows whose label changes tell more; among those of the target class it does not.
    telling = (manifest["label"] != manifest["true_label"]).to_numpy()
    shown = np.flatnonzero(telling if telling.any() else manifest["role"] == "poison")[: pictures.GALLERY]
    pictures.save(pictures.gallery(*load_pairs(RAW, POISONED, shown)), METRICS / "poisoned_samples.png")

    matrices = {}
    for name in ("clean", "triggered"):
        table = pd.read_csv(METRICS / f"confusion_{name}.csv", dtype=str, keep_default_na=False)
        actual, predicted = (pd.Categorical(table[each], train.classes).codes for each in ("actual", "predicted"))
        counts = shares.confusion_matrix(predicted.astype(np.int64), actual.astype(np.int64), len(train.classes))
        matrices[f"backdoored model, {name} test set"] = counts
    pictures.save(pictures.confusion(matrices, train.classes), METRICS / "confusion.png")
    confusion = (METRICS / "confusion.png").read_bytes()
    result = report_result.read_result()
    write_text(METRICS / "report.html", report.page(result, confusion, report_result.find_dose(result)))
    print(f"{METRICS / 'report.html'} shows the result in words and pictures")


if __name__ == "__main__":
    command.run(main, check=check_params)
