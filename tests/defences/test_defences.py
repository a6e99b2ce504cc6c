"""Every defence, found by its file, must keep the same promises; and none can reach the truth."""

import dataclasses
import inspect
import pickle
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import pytest
import torch
import yaml

from miseducation import defences
from miseducation.dataset import Dataset, clean
from miseducation.dataset.images import OverlaidImages, StoredImages
from miseducation.defences import Defence, Evidence, InputDetector, ModelScanner, Repair, RowDetector
from miseducation.defending.evidence import Model, Need, Recipe, draw_trusted
from miseducation.defending.section import DefencesSection, Kind
from miseducation.defending.trial import detect
from miseducation.networks import Network
from miseducation.project import parts
from miseducation.training.learning import TrainSection, learn
from tests.conftest import PROJECT

DEFENCES = parts.names("defences")
PARAMS = yaml.safe_load((PROJECT / "params.yaml").read_text())["defences"]
BASES: dict[Kind, tuple[type[Defence], ...]] = {
    "detectors": (RowDetector, InputDetector),
    "scanners": (ModelScanner,),
    "repairs": (Repair,),
}
# A promise is kept or broken at any of them; these take less time, or do something even to a model as small as here.
OTHER: dict[str, dict[str, object]] = {
    "activation_clustering": {"apart": 0},
    "anp": {"epochs": 2, "threshold": 1},
    "beatrix": {"orders": 2},
    "clp": {"deviations": 1},
    "confident_learning": {"folds": 2},
    "confusion_training": {"steps": 3, "batch_size": 16},
    "fine_pruning": {"epochs": 2},
    "fine_tune": {"epochs": 2},
    "ft_sam": {"epochs": 2},
    "i_bau": {"rounds": 1, "steps": 3, "epochs": 1},
    "loss_isolation": {"epochs": 2},
    "neural_cleanse": {"steps": 20, "batch_size": 8},
    "strip": {"overlays": 6, "row_overlays": 3},
    "trusted_loss": {"epochs": 2, "folds": 2},
}
SECTION = TrainSection(network="cnn", epochs=3, batch_size=16, learning_rate=0.01, label_smoothing=0)
CPU = torch.device("cpu")
TRUTH = {
    "attack",
    "attackable",
    "backdoored",
    "clean",
    "decoys",
    "goal",
    "label_map",
    "manifest",
    "mask",
    "poison",
    "poisoned",
    "rate",
    "rest",
    "roles",
    "source",
    "target",
    "test",
    "test_images",
    "test_labels",
    "triggered",
    "true_labels",
    "truth",
}


def kind_of(name: str) -> type[Defence]:
    return parts.find("defences", name, Defence, "defences")


def shipped(name: str) -> Defence:
    """A defence with the knobs that `params.yaml` ships, but for what only takes time."""
    kind = kind_of(name)
    return kind.model_validate((PARAMS[kind.kind].get(name) or {}) | OTHER.get(name, {}))


@pytest.fixture(params=DEFENCES)
def defence(request: pytest.FixtureRequest) -> Defence:
    return shipped(request.param)


@dataclasses.dataclass(frozen=True)
class Case:
    """What a training set may be like.

    Attributes:
        shape: Of its images.
        rows: Of each class.
        levels: Grey levels by which images of one class differ, and classes; none, and all images are one.
        trusted: Rows.
    """

    shape: tuple[int, int, int] = (20, 16, 1)
    rows: tuple[int, ...] = (25, 25, 25, 25)
    levels: int = 40
    trusted: int = 24


GREY = Case()
CASES = {
    "grey": GREY,
    "colour": Case(shape=(9, 16, 3)),
    "one class": Case(rows=(30,)),
    "one class of three": Case(rows=(0, 30, 0)),
    "two rows": Case(rows=(1, 1), trusted=2),
    "ten rows of a class": Case(rows=(10, 10, 10)),
    "classes of no row, of one and of two": Case(rows=(0, 1, 2, 30)),
    "constant images": Case(levels=0),
    "two trusted rows": Case(trusted=2),
    "all rows trusted": Case(trusted=100),
}


class Situation(NamedTuple):
    """The training set before the attack and after it, and the network that learnt the latter."""

    raw: Dataset
    learnt: Dataset
    network: Network


@cache
def situation(case: Case) -> Situation:
    """A class is a pattern, with noise on it; poisoned is every tenth row, as the last class with a bright pixel."""
    torch.set_num_threads(1)
    rng, classes = np.random.default_rng(0), len(case.rows)
    labels = rng.permutation(np.repeat(np.arange(classes), case.rows))
    patterns = 128 + 2 * case.levels * rng.uniform(-1, 1, (classes, *case.shape))
    noise = case.levels * rng.uniform(-1, 1, (len(labels), *case.shape))
    raw = clean((patterns[labels] + noise).clip(0, 255).astype(np.uint8), labels, [*"abcdefghij"[:classes]])
    if not case.levels:
        raw.images[:] = 128
    poisoned, images, wrong = np.arange(len(labels)) % 10 == 3, raw.images.copy(), labels.copy()
    if case.levels:
        images[poisoned, 3, 3] = 255
    if min(case.rows) > 2:
        wrong[poisoned] = classes - 1
    learnt = Dataset(images, wrong, labels, poisoned, raw.classes)
    return Situation(raw, learnt, learn(SECTION, learnt, seed=1, device=CPU, precision=torch.float32)[0])


def evidence(case: Case = GREY, *, learnt: Dataset[Any] | None = None) -> Evidence:
    """What a defender has of a situation, all of it new; of other data than those that the network learnt, if given."""
    raw, known, network = situation(case)
    data: Dataset[Any] = learnt or known
    images = data.images.copy() if isinstance(data.images, np.ndarray) else data.images
    return Evidence(
        images,
        data.labels.copy(),
        data.classes,
        seed=1,
        model=Model(deepcopy(network), images),
        trusted=draw_trusted(raw, case.trusted, seed=5),
        recipe=Recipe(SECTION, data.classes, case.shape, CPU, torch.float32),
    )


def inputs(case: Case = GREY) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (7, *case.shape), dtype=np.uint8)


def said(defence: Defence, shown: Evidence) -> dict[str, bytes]:
    """All that a defence says of the evidence, which is shown to it as it is."""
    found: dict[str, Any] = {}
    if isinstance(defence, RowDetector):
        found["suspicion"] = defence.suspect(shown)
        found["flagged"] = defence.flag(found["suspicion"], shown)
    if isinstance(defence, InputDetector):
        found["of inputs"] = defence.suspect_inputs(inputs(), shown)
        found["threshold"] = defence.threshold(shown)
    if isinstance(defence, ModelScanner):
        findings = enumerate(defence.inspect(shown))
        found = {f"{part} {label}": each for label, one in findings for part, each in one._asdict().items()}
    if isinstance(defence, Repair):
        found = {name: weight.numpy() for name, weight in defence.repair(shown).state_dict().items()}
    assert found
    return {name: np.asarray(each).tobytes() for name, each in found.items()}


def state(given: Evidence) -> dict[str, bytes]:
    """All that a defence must leave as it is."""
    network, images, trusted = given.the_model().network, np.asarray(given.images), given.the_trusted()
    arrays = {"images": images, "labels": given.labels, "trusted images": trusted.images, "its labels": trusted.labels}
    arrays |= {name: weight.numpy() for name, weight in network.state_dict().items()}
    arrays |= {"torch's generator": torch.random.get_rng_state().numpy()}
    modules = [(module.training, len(module._forward_hooks)) for module in network.modules()]
    weights = [(weight.requires_grad, weight.grad is None) for weight in network.parameters()]
    plain = pickle.dumps((modules, weights, torch.get_num_threads(), torch.is_grad_enabled(), np.random.get_state()))  # noqa: NPY002
    return {name: array.tobytes() for name, array in arrays.items()} | {"the rest": plain}


def test_there_is_a_defence_of_each_kind() -> None:
    assert {kind_of(name).kind for name in DEFENCES} == set(get_args(Kind)) == BASES.keys()


def test_a_defence_is_of_one_kind_and_says_what_it_needs(defence: Defence) -> None:
    assert isinstance(defence, BASES[defence.kind])
    others = [base for kind, bases in BASES.items() if kind != defence.kind for base in bases]
    assert not isinstance(defence, tuple(others))
    assert set(defence.needs) <= set(get_args(Need))
    assert len(set(defence.needs)) == len(defence.needs)
    if defence.kind != "detectors":
        assert "model" in defence.needs


@pytest.mark.parametrize("name", CASES)
def test_what_a_defence_says_has_the_right_form(defence: Defence, name: str) -> None:
    case = CASES[name]
    given = evidence(case)
    shown = given.limited_to(defence.needs)
    if isinstance(defence, RowDetector):
        suspicion, flagged = detect(defence, given)
        assert suspicion.dtype == np.float64
        assert flagged.dtype == np.bool_
        assert suspicion.shape == flagged.shape == (len(given),)
        assert np.isfinite(suspicion).all()
    if isinstance(defence, InputDetector):
        suspicion, none = (defence.suspect_inputs(images, shown) for images in (inputs(case), inputs(case)[:0]))
        assert suspicion.dtype == none.dtype == np.float64
        assert suspicion.shape == (7,)
        assert none.shape == (0,)
        assert np.isfinite(suspicion).all()
        assert np.isfinite(defence.threshold(shown))
    if isinstance(defence, ModelScanner):
        findings = defence.inspect(shown)
        assert len(findings) == len(given.classes)
        for anomaly, mask, pattern in findings:
            assert isinstance(anomaly, float)
            assert np.isfinite(anomaly)
            assert mask.dtype == pattern.dtype == np.float32
            assert mask.shape == case.shape[:2]
            assert pattern.shape == case.shape
            assert 0 <= mask.min() <= mask.max() <= 1
            assert 0 <= pattern.min() <= pattern.max() <= 255
    if isinstance(defence, Repair):
        before, network = given.the_model().network, defence.repair(shown)
        assert type(network) is type(before)
        assert not network.training
        places = [{weight.data_ptr() for weight in each.parameters()} for each in (before, network)]
        assert places[0].isdisjoint(places[1]), "another network"
        forms = [
            {key: (part.shape, part.dtype) for key, part in each.state_dict().items()} for each in (before, network)
        ]
        assert forms[0] == forms[1]
        assert all(part.isfinite().all() for part in network.state_dict().values())
        assert np.isfinite(network.probabilities(inputs(case))).all()


def test_the_seed_alone_decides_and_the_evidence_stays_as_it_is(defence: Defence) -> None:
    heard = []
    for seed in (1, 2):  # the global states must not matter
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        given = evidence()
        before = state(given)
        heard.append(said(defence, given.limited_to(defence.needs)))
        assert state(given) == before
    assert heard[0] == heard[1]


def test_what_was_computed_before_changes_nothing(defence: Defence) -> None:
    """Features are kept with the model; a defence may keep what it has trained."""
    given = evidence()
    assert said(defence, given) == said(defence, given)
    assert said(defence, dataclasses.replace(given)) == said(defence, evidence())


def test_a_defence_looks_at_what_it_needs_and_at_nothing_else(defence: Defence) -> None:
    assert said(defence, evidence().limited_to(defence.needs)) == said(defence, evidence())
    for need in defence.needs:
        with pytest.raises(AssertionError, match=f"needs lacks {need}"):
            said(defence, evidence().limited_to([other for other in defence.needs if other != need]))


def test_images_may_stay_on_the_disk(defence: Defence, tmp_path: Path) -> None:
    learnt = situation(GREY).learnt
    np.save(tmp_path / "images.npy", learnt.images[:90])
    rows = np.array([3, *range(90, 100)])
    images = OverlaidImages(StoredImages(tmp_path / "images.npy"), rows, learnt.images[rows])
    stored = evidence(learnt=Dataset(images, learnt.labels, learnt.true_labels, learnt.poisoned, learnt.classes))
    assert said(defence, stored) == said(defence, evidence())


def test_what_lies_over_the_clean_images_is_not_in_the_evidence() -> None:
    """Where an overlay has other images, there is poison."""
    learnt = situation(GREY).learnt
    rows = np.flatnonzero(learnt.poisoned)
    images = OverlaidImages(learnt.images, rows, learnt.images[rows])
    laid = Dataset(images, learnt.labels, learnt.true_labels, learnt.poisoned, learnt.classes)
    given = evidence(learnt=laid)
    assert not any(isinstance(value, OverlaidImages) for _, value in values(given, {}))
    assert np.array_equal(given.images, learnt.images)
    assert not any(isinstance(value, OverlaidImages) for _, value in values(Model(situation(GREY).network, images), {}))


def test_no_defence_can_reach_the_truth(defence: Defence) -> None:
    """The same images and labels with another manifest: other rows are poisoned, and other labels are true."""
    learnt = situation(GREY).learnt
    order = np.random.default_rng(8).permutation(len(learnt))
    other = dataclasses.replace(learnt, true_labels=learnt.true_labels[order], poisoned=learnt.poisoned[order])
    assert (other.true_labels != learnt.true_labels).any()
    assert (other.poisoned != learnt.poisoned).any()
    assert said(defence, evidence(learnt=other)) == said(defence, evidence(learnt=learnt))


def types(kind: Any, seen: set[Any]) -> set[Any]:
    """The classes of ours that the fields of a class may hold, and theirs in turn; itself, too."""
    for part in get_args(kind):
        types(part, seen)
    if inspect.isclass(kind) and kind.__module__.startswith("miseducation") and kind not in seen:
        seen.add(kind)
        owned = [inspect.get_annotations(base) for base in kind.__mro__ if base.__module__.startswith("miseducation")]
        hints = get_type_hints(kind) if any(owned) else {}
        made = get_type_hints(kind.__init__) if "__init__" in vars(kind) else {}
        for part in (hints | made).values():
            types(part, seen)
    return seen


def values(thing: Any, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """What can be reached from a thing of ours, whatever it is called: names and values."""
    if id(thing) in seen:
        return
    seen[id(thing)] = thing
    if isinstance(thing, dict):
        inner = {str(name): value for name, value in thing.items()}
    elif isinstance(thing, tuple | list):
        inner = dict(zip(getattr(thing, "_fields", map(str, range(len(thing)))), thing, strict=True))
    elif type(thing).__module__.startswith(("miseducation", "torch.nn.modules")):
        inner = dict(vars(thing))
    else:
        return
    for name, value in inner.items():
        yield name, value
        yield from values(value, seen)


def test_evidence_has_no_place_for_the_truth() -> None:
    found = types(Evidence, set())
    assert {Evidence, Model, Recipe, Network, TrainSection} <= found
    assert Dataset not in found, "it has true labels and the poisoned mask"
    for kind in found:
        assert not {*dir(kind), *getattr(kind, "model_fields", {})} & TRUTH, kind
    learnt = situation(GREY).learnt
    truths = [learnt.true_labels, learnt.poisoned, learnt.poisoned.astype(int), np.flatnonzero(learnt.poisoned)]
    for name, value in values(evidence(), {}):
        assert name not in TRUTH
        assert not isinstance(value, Dataset)
        if isinstance(value, np.ndarray):
            assert not any(np.array_equal(value, truth) for truth in truths), name
    assert [field.name for field in dataclasses.fields(Evidence)] == [
        *("images", "labels", "classes", "seed", "model", "trusted", "recipe")
    ]


def test_a_defence_says_where_it_comes_from_and_what_its_knobs_mean(defence: Defence) -> None:
    kind = type(defence)
    told = f"{inspect.getdoc(inspect.getmodule(kind))} {kind.__doc__}"
    assert "https://" in told or "is ours" in told, "the module must name its paper, or say that it is ours"
    for name, field in kind.model_fields.items():
        assert field.description, f"{name} has no description"
        assert not field.is_required(), f"{name} has no default"
        if field.annotation in (int, float):
            bounds = {type(bound).__name__ for bound in field.metadata}
            assert bounds & {"Ge", "Gt"}, f"{name} has no lower bound"
            assert bounds & {"Le", "Lt"}, f"{name} has no upper bound"
    with pytest.raises(ValueError, match="extra"):
        kind.model_validate({"no_such_knob": 1})


@pytest.mark.parametrize("name", DEFENCES)
def test_knobs_ship_with_their_defaults_and_a_comment(name: str) -> None:
    kind = kind_of(name)
    assert name in PARAMS[kind.kind], "params.yaml must have its knobs"
    assert (PARAMS[kind.kind][name] or {}) == kind().model_dump()
    assert [each for other in get_args(Kind) for each in PARAMS[other] if each == name] == [name]
    assert defences.defence(name, kind.kind) == kind()


def test_no_other_knobs_ship() -> None:
    assert sorted(name for kind in get_args(Kind) for name in PARAMS[kind]) == DEFENCES
    DefencesSection.model_validate(PARAMS).check()


@pytest.mark.parametrize("name", DEFENCES)
def test_a_defence_is_found_by_its_class_which_is_called_as_its_file(name: str) -> None:
    kind = kind_of(name)
    assert kind.__name__.lower() == name.replace("_", "")
    assert kind.__name__[0].isupper()
    assert getattr(defences, kind.__name__) is kind
    assert kind.name() == shipped(name).name() == name
