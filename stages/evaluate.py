"""evaluate: scores the clean and the backdoored model on the untouched and on the triggered test set."""

from pathlib import Path

import numpy as np
import pandas as pd

from miseducation.check import check_params
from miseducation.dataset.disk import load_pairs, load_raw, load_triggered, read_manifest
from miseducation.project import command
from miseducation.project.files import write_array, write_csv, write_json
from miseducation.project.params import read
from miseducation.scores import evaluation, looking, visibility
from miseducation.training.compute import ComputeSection, set_up

RAW, POISONED, MODELS, METRICS = Path("data/raw"), Path("data/poisoned"), Path("models"), Path("metrics")


def main() -> None:
    """Reads the models and both test sets; writes scores, tables and a look at a few images to `metrics`."""
    device = set_up(read(ComputeSection, "compute"))

    from miseducation import networks

    test, (triggered, attackable, decoys) = load_raw(RAW, "test")[:], load_triggered(RAW, POISONED)
    models = {variant: networks.load(MODELS / variant).to(device) for variant in ("clean", "backdoored")}
    answers = {
        (variant, name): network.predict(data.images)
        for variant, network in models.items()
        for name, data in (("untouched", test), ("triggered", triggered))
    }
    answers["backdoored", "decoys"] = models["backdoored"].predict(decoys)
    shares = evaluation.proportions(test, triggered, attackable, answers)
    values = {name: share.value for name, share in shares.items()}
    train, manifest = load_raw(RAW, "train"), read_manifest(POISONED)
    before, after = load_pairs(RAW, POISONED, np.flatnonzero(manifest["role"] == "poison")[: visibility.SAMPLE])
    scores = {
        **values,
        "clean_accuracy_drop": values["baseline_accuracy"] - values["clean_accuracy"],
        **evaluation.counts(manifest, len(train)),
        **evaluation.visible(test.images[attackable], triggered.images[attackable]),
        **evaluation.visible(before.images, after.images, "poison_"),
    }
    write_json(METRICS / "evaluation.json", {name: scores[name] for name in evaluation.HEADLINE if name in scores})
    details = {name: score for name, score in scores.items() if name not in evaluation.HEADLINE}
    write_json(METRICS / "details.json", details)
    write_json(METRICS / "intervals.json", {name: share.interval for name, share in shares.items()})
    write_csv(METRICS / "per_class.csv", evaluation.per_class(test, triggered, attackable, answers))
    answering = {variant: network.probabilities for variant, network in models.items()}
    table, maps = looking.look(test, triggered, attackable, answering)
    write_csv(METRICS / "looks" / "answers.csv", table)
    for variant, each in maps.items():
        write_array(METRICS / "looks" / f"{variant}.npy", each)
    names = np.array(test.classes)
    for name, title in (("untouched", "clean"), ("triggered", "triggered")):
        read_as = pd.DataFrame({"actual": names[test.true_labels], "predicted": names[answers["backdoored", name]]})
        write_csv(METRICS / f"confusion_{title}.csv", read_as)
    said = ("attack_success_rate", "clean_accuracy", "baseline_accuracy")
    print(", ".join(f"{name.replace('_', ' ')} {scores[name]:.2%}" for name in said if name in scores))


if __name__ == "__main__":
    command.run(main, check=check_params)
