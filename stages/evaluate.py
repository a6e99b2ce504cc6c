"""evaluate: scores the clean and the backdoored model on the untouched and on the triggered test set."""

from math import isfinite
from pathlib import Path

import numpy as np
import pandas as pd

from stages import command, pictures, scores, visibility
from stages.compute import ComputeSection, set_up
from stages.dataset import Dataset, load_raw, load_triggered, read_manifest
from stages.files import read_array, write_csv, write_json
from stages.images import Images
from stages.params import read

RAW, POISONED, MODELS, METRICS = Path("data/raw"), Path("data/poisoned"), Path("models"), Path("metrics")


def headline(
    test: Dataset, triggered: Dataset, attackable: np.ndarray, predictions: dict[tuple[str, str], np.ndarray]
) -> dict[str, scores.Share]:
    """The scores that are shares of test rows, the attack success rate first: MLflow opens on the first one.

    Args:
        test: The untouched test set.
        triggered: The same with the trigger on every image; `labels` are what the attacker wants.
        attackable: bool `[n]`, the triggered rows on which the attack is scored.
        predictions: int64 `[n]` for each of ("clean", "backdoored") × ("untouched", "triggered").
    """
    everywhere = np.ones_like(attackable)
    fooled, untouched = predictions["backdoored", "triggered"], predictions["backdoored", "untouched"]
    baseline = predictions["clean", "untouched"]
    shares = {
        "attack_success_rate": scores.attack_success_rate(fooled, triggered.labels, attackable),
        "clean_accuracy": scores.accuracy(untouched, test.true_labels),
        "baseline_accuracy": scores.accuracy(baseline, test.true_labels),
        "false_trigger_rate": scores.attack_success_rate(
            predictions["clean", "triggered"], triggered.labels, attackable
        ),
        "robust_accuracy": scores.robust_accuracy(fooled, triggered.true_labels, attackable),
        "attack_success_rate_all": scores.attack_success_rate(fooled, triggered.labels, everywhere),
        "source_accuracy": scores.accuracy(untouched, test.true_labels, attackable),
        "baseline_source_accuracy": scores.accuracy(baseline, test.true_labels, attackable),
        "other_accuracy": scores.accuracy(untouched, test.true_labels, ~attackable),
        "baseline_other_accuracy": scores.accuracy(baseline, test.true_labels, ~attackable),
        "side_effect_rate": scores.side_effect_rate(untouched, fooled, attackable),
    }
    return {name: share for name, share in shares.items() if share.rows}  # all-to-all attacks all: there are no others


def main() -> None:
    """Reads the models and both test sets; writes scores, tables and a picture to `metrics`."""
    device = set_up(read(ComputeSection, "compute"))

    from stages import networks

    test, (triggered, attackable) = load_raw(RAW, "test")[:], load_triggered(RAW, POISONED)
    predictions = {}
    for variant in ("clean", "backdoored"):
        network = networks.load(MODELS / variant)
        for name, data in (("untouched", test), ("triggered", triggered)):
            predictions[variant, name] = networks.predict(network, data.images, device=device)

    shares = headline(test, triggered, attackable, predictions)
    values = {name: share.value for name, share in shares.items()}
    train, manifest = load_raw(RAW, "train"), read_manifest(POISONED)
    evaluation = {
        **values,
        "clean_accuracy_drop": values["baseline_accuracy"] - values["clean_accuracy"],
        **_counts(manifest, len(train)),
        **_visibility("", test.images[attackable], triggered.images[attackable]),
        **_visibility("poison_", *_poison(train, manifest)),
    }
    write_json(METRICS / "evaluation.json", evaluation)
    write_json(METRICS / "intervals.json", {name: share.interval for name, share in shares.items()})
    _write_tables(test, triggered, attackable, predictions)
    for name, score in evaluation.items():
        print(f"{name:24} {score:g}")


def _counts(manifest: pd.DataFrame, clean_rows: int) -> dict[str, float]:
    """The rows that the attacker touched. `intended` ones include those whose wrong label did not last."""
    rows = clean_rows + int(manifest["added"].sum())
    roles = {role: int((manifest["role"] == role).sum()) for role in ("poison", "outvoted", "cover", "noise")}
    intended = roles["poison"] + roles["outvoted"]
    return {
        "poisoned_rows": roles["poison"],
        "poisoned_share": roles["poison"] / rows,
        "intended_rows": intended,
        "intended_share": intended / rows,
        "cover_rows": roles["cover"],
        "noise_rows": roles["noise"],
    }


def _poison(train: Dataset[Images], manifest: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Poisoned training images, before and after; as many as are looked at."""
    places = np.flatnonzero(manifest["role"] == "poison")[: visibility.SAMPLE]
    rows = manifest["row"].to_numpy(np.int64)[places]
    return train.images[rows], np.array(read_array(POISONED / "images.npy")[places])


def _visibility(prefix: str, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """How much the trigger shows, as far as it can be told; nothing where there is none."""
    if np.array_equal(before, after):
        return {}
    found = {"psnr": visibility.psnr(before, after), "ssim": visibility.ssim(before, after)}
    return {f"{prefix}{name}": value for name, value in found.items() if isfinite(value)}


def _write_tables(
    test: Dataset, triggered: Dataset, attackable: np.ndarray, predictions: dict[tuple[str, str], np.ndarray]
) -> None:
    classes, count = np.array(test.classes), len(test.classes)
    read_as = {name: predictions["backdoored", name] for name in ("untouched", "triggered")}
    baseline = predictions["clean", "untouched"]
    fooled = read_as["triggered"] == triggered.labels
    table = pd.DataFrame(
        {
            "class": classes,
            "rows": np.bincount(test.true_labels, minlength=count),
            "clean_accuracy": scores.per_class(read_as["untouched"] == test.true_labels, test.true_labels, count),
            "baseline_accuracy": scores.per_class(baseline == test.true_labels, test.true_labels, count),
            "attack_success_rate": scores.per_class(fooled[attackable], triggered.true_labels[attackable], count),
        }
    )
    write_csv(METRICS / "per_class.csv", table)
    matrices = {}
    for name, title in (("untouched", "clean"), ("triggered", "triggered")):
        rows = pd.DataFrame({"actual": classes[test.true_labels], "predicted": classes[read_as[name]]})
        write_csv(METRICS / f"confusion_{title}.csv", rows)
        matrices[f"backdoored model, {title} test set"] = scores.confusion_matrix(
            read_as[name], test.true_labels, count
        )
    pictures.save(pictures.confusion(matrices, test.classes), METRICS / "confusion.png")


if __name__ == "__main__":
    command.run(main)
