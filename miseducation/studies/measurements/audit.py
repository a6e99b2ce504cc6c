"""What an audit says of the training set that a model learnt, of which it is told nothing."""

from typing import Any, ClassVar, final

from threadpoolctl import threadpool_limits

from miseducation.auditing import verdict
from miseducation.auditing.audit import audit
from miseducation.auditing.section import AuditSection
from miseducation.auditing.verdict import BAD
from miseducation.defending.evidence import order
from miseducation.scores.detection import Truth
from miseducation.studies.bench import Bench
from miseducation.studies.measurements import OfModels, Trained

VERDICTS = BAD[:0:-1]  # all but clean, the worst first


@final
class Audit(OfModels):
    """The verdict, a column for each but `clean`, of which one is 1; and which rows were flagged, as shares, 0 to 1.

    `precision` is the share of poison among the rows that are flagged as a backdoor's, of those that are poison or that
    nobody touched, `found` the share of the poison that is, and `found_as_error` and `found_as_mark` the shares of it
    that are flagged for wrong labels, or for a mark that no network obeys, instead.
    """

    of_arm: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = tuple(
        f"audit.{name}"
        for name in (*VERDICTS, "precision", "found", "found_as_error", "found_as_mark", "flagged_share")
    )

    @property
    def means(self) -> tuple[str, ...]:
        """All columns."""
        return self.columns

    def knobs(self, bench: Bench) -> list[Any]:
        """Those of the section `audit` that tell how networks are trained."""
        return [_section(bench).model_dump(mode="json", exclude={"data", "trusted", "shape", "colour"})]

    def measure(self, trained: Trained) -> dict[str, float]:
        """See `OfModels.measure`."""
        bench, learnt, seed = trained.bench, trained.learnt, trained.seed
        rows = order(len(learnt), seed)
        labels = learnt.labels[rows]
        with threadpool_limits(bench.compute.threads):
            found = audit(learnt.images[rows], labels, learnt.classes, _section(bench), bench.compute, seed=seed)
        truth = Truth.of(learnt.labels, learnt.true_labels, learnt.poisoned, trained.poison.roles)
        poison, counted = truth.poison[rows], (truth.poison | truth.rest)[rows]
        worst = verdict.worst(each.verdict for each in found.judged)
        backdoor = found.reasons == "backdoor"
        told = {f"audit.{each}": float(worst == each) for each in VERDICTS}
        told["audit.flagged_share"] = float(found.flagged.mean())
        if poison.any():
            told["audit.found"] = float(backdoor[poison].mean())
            told["audit.found_as_error"] = float((found.reasons == "wrong label")[poison].mean())
            told["audit.found_as_mark"] = float((found.reasons == "mark")[poison].mean())
            if (backdoor & counted).any():
                told["audit.precision"] = float(poison[backdoor & counted].mean())
        return told


def _section(bench: Bench) -> AuditSection:
    assert bench.audit is not None, "a bench that audits has the section audit"
    return bench.audit
