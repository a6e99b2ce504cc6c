"""What detectors would have noticed of the poison; a part for each of them, and so kept each by itself."""

from functools import lru_cache
from importlib.metadata import version
from typing import Any, ClassVar, final

from threadpoolctl import threadpool_limits

from miseducation.defending.defence import RowDetector
from miseducation.defending.evidence import Evidence, Model, Recipe, draw_trusted, order
from miseducation.defending.section import DefencesSection
from miseducation.defending.trial import detect
from miseducation.project import parts
from miseducation.scores import detection
from miseducation.scores.detection import Truth
from miseducation.studies.bench import Bench
from miseducation.studies.measurements import MissingError, OfModels, Trained
from miseducation.training.compute import precision

SCORES = ("auroc", "tpr_at_1pct_fpr", "true_positive_rate", "false_positive_rate")
PACKAGES = ("scikit-learn", "scipy", "cleanlab")  # that detectors compute with, beside those of the training


@final
class Detection(OfModels):
    """What a detector of training rows says of those that the model learnt: shares, 0 to 1, see `scores.detection`.

    `<detector>.flagged_share` is of all rows: where nothing is poisoned, what the detector flags all the same.
    """

    of_arm: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        """See `Measurement.columns`."""
        return tuple(f"{self.part}.{score}" for score in (*SCORES, "flagged_share"))

    @property
    def means(self) -> tuple[str, ...]:
        """All columns."""
        return self.columns

    @property
    def code(self) -> tuple[str, ...]:
        """The detector's file."""
        return (f"{parts.folder('defences')}/{self.part}.py",)

    def knobs(self, bench: Bench) -> list[Any]:
        """The detector's, and what the trusted rows are drawn by."""
        given = _given(bench)
        versions = [version(package) for package in PACKAGES]
        return [self._detector(given).model_dump(mode="json"), given.trusted_rows, given.seed, versions]

    def measure(self, trained: Trained) -> dict[str, float]:
        """See `OfModels.measure`."""
        detector = self._detector(_given(trained.bench))
        try:
            # Or each of many processes would start a thread per core.
            with threadpool_limits(trained.bench.compute.threads):
                suspicion, flagged = detect(detector, evidence(trained))
        except (MemoryError, RuntimeError, OSError, ImportError):  # of the machine: the next time may be better
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
            raise MissingError(f"{self.part} fails on data that {trained.arm.section.name} poisoned: {text}") from error
        learnt = trained.learnt
        truth = Truth.of(learnt.labels, learnt.true_labels, learnt.poisoned, trained.poison.roles)
        rows = order(len(learnt), trained.seed)
        found = detection.scores(suspicion, flagged, Truth(truth.poison[rows], truth.rest[rows]))
        told = {f"{self.part}.{score}": found[score] for score in SCORES if score in found}
        return told | {f"{self.part}.flagged_share": float(flagged.mean())}

    def _detector(self, given: DefencesSection) -> RowDetector:
        kind = parts.find("defences", self.part, RowDetector, "defences.detectors")
        return kind.model_validate(given.detectors[self.part] or {})


@lru_cache(maxsize=1)  # a model's detectors come one after another, and share its features
def evidence(trained: Trained) -> Evidence:
    """What a defender would have who got this model; the cell's seed draws what detectors draw."""
    bench, learnt, network = trained.bench, trained.learnt, trained.network
    rows = order(len(learnt), trained.seed)
    images = learnt.images[rows]
    given, model = _given(bench), Model(network, images)
    shape = (learnt.images.shape[1], learnt.images.shape[2], learnt.images.shape[3])
    recipe = Recipe(bench.learning, learnt.classes, shape, model.device, precision(bench.compute, model.device))
    return Evidence(
        images,
        learnt.labels[rows],
        learnt.classes,
        trained.seed,
        model=model,
        trusted=draw_trusted(bench.train, given.trusted_rows, seed=given.seed),
        recipe=recipe,
    )


def _given(bench: Bench) -> DefencesSection:
    assert bench.defences is not None, "a bench that detects has the section defences"
    return bench.defences
