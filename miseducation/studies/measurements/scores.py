"""How well a model does its job, and how well it does the attacker's; scores of `metrics/evaluation.json`."""

from typing import ClassVar, final

from miseducation.scores import shares
from miseducation.studies.measurements import OfModels, Trained


@final
class Scores(OfModels):
    """Shares of test rows, 0 to 1, and the number of poisoned training rows, without cover rows."""

    columns: ClassVar[tuple[str, ...]] = (
        *("poisoned_rows", "clean_accuracy", "baseline_accuracy"),
        *("attack_success_rate", "false_trigger_rate", "other_trigger_rate", "robust_accuracy"),
    )
    means: ClassVar[tuple[str, ...]] = (
        *("attack_success_rate", "clean_accuracy", "false_trigger_rate", "other_trigger_rate", "robust_accuracy"),
    )
    baselines: ClassVar[dict[str, str]] = {
        "baseline_accuracy": "clean_accuracy",
        "false_trigger_rate": "attack_success_rate",
    }

    def measure(self, trained: Trained) -> dict[str, float]:
        """See `OfModels.measure`."""
        triggered, attackable = trained.arm.triggered, trained.arm.attackable
        found = {
            "clean_accuracy": shares.accuracy(trained.untouched, trained.bench.test.true_labels),
            "attack_success_rate": shares.attack_success_rate(trained.fooled, triggered.labels, attackable),
            "robust_accuracy": shares.robust_accuracy(trained.fooled, triggered.true_labels, attackable),
        }
        if len(trained.arm.decoys):
            read = trained.network.predict(trained.arm.decoys)
            found["other_trigger_rate"] = shares.attack_success_rate(read, triggered.labels, attackable)
        rows = int((trained.poison.roles == "poison").sum())
        return {"poisoned_rows": rows, **{name: share.value for name, share in found.items()}}
