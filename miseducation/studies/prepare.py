"""Reads what the cells of a study share. Apart from `bench`, so that a change here trains no cell again."""

from collections.abc import Mapping
from pathlib import Path

from miseducation.attacks import Attack, AttackSection, channel
from miseducation.auditing.section import AuditSection
from miseducation.dataset.disk import load_raw
from miseducation.defences import RowDetector, defence
from miseducation.defending.section import DefencesSection
from miseducation.errors import InputError
from miseducation.poisoning import label_maps
from miseducation.project import own_files, parts
from miseducation.project.params import read
from miseducation.studies.bench import Arm, Bench
from miseducation.studies.section import DETECTION, StudiedAttack, StudySection, read_for
from miseducation.training.compute import ComputeSection, precision, set_up
from miseducation.training.learning import TrainSection


def prepare(study: str, section: StudySection, dataset: str, folder: Path) -> Bench:
    """Reads all that the cells of a study on one data set share, which lies in a folder.

    Raises:
        InputError: If a knob is wrong, an attack does not fit the data set, or the training is none for many models.
    """
    other = section.override(dataset)
    learning = read_for(TrainSection, "train", study, dataset, other.train)
    if learning.processes > 1:
        at = f"studies.{study}.overrides.{dataset}.train" if "processes" in other.train else "train"
        raise InputError(
            f"params.yaml: {at}.processes = {learning.processes}; allowed: 1, "
            "as a study trains many models at once, each in one process"
        )
    compute = read(ComputeSection, "compute")
    device = set_up(compute)
    settled = {"device": device.type, "precision": str(precision(compute, device)).removeprefix("torch.")}
    common = read_for(AttackSection, "attack", study, dataset, other.attack)
    train, test = load_raw(folder, "train"), load_raw(folder, "test")[:]

    def arm(entry: str | StudiedAttack) -> Arm:
        name = section.name_of(entry)
        kind = parts.find("attacks", name, Attack, f"studies.{study}.attacks")
        attack = read_for(kind, f"attacks.{name}", study, dataset, other.attacks.get(name, {}))
        label_map = kind.label_map if isinstance(entry, str) else entry.label_map
        surrogate = "clean" if kind.needs_surrogate else "none"
        own = common.model_copy(update={"name": name, "label_map": label_map, "surrogate": surrogate})
        built = label_maps.build(label_map, own.target, own.source, test.classes)
        return Arm(own, attack, built, channel(own.channel), *attack.trigger(test, label_map=built))

    try:
        arms = [arm(entry) for entry in section.chosen(dataset)]
    except InputError as error:
        raise InputError(f"in the study {study}, on {dataset}: {error}") from None
    for number, each in enumerate(arms):
        if (each.attack.name(), each.label_map) in [(one.attack.name(), one.label_map) for one in arms[:number]]:
            twice = f"{each.section.name} with {each.section.label_map}"
            raise InputError(f"params.yaml: studies.{study}.attacks: {twice} appears twice")
    compute = compute.model_copy(update=settled)
    audit = read(AuditSection, "audit") if "audit" in section.measured else None
    return Bench(folder, train, test, tuple(arms), learning, compute, *_measured(study, section), audit)


def _measured(study: str, section: StudySection) -> tuple[tuple[str, ...], DefencesSection | None]:
    """The names of the measurements, with a part for each detector of rows, and what those are given."""
    if DETECTION not in section.measured:
        return tuple(section.measured), None
    given = read(DefencesSection, "defences")
    able = [name for name in given.detectors if isinstance(defence(name, "detectors"), RowDetector)]
    for name in section.detectors or ():
        if name not in able:
            raise InputError(f"params.yaml: studies.{study}.detectors = {name!r}; allowed: {', '.join(able)}")
    detecting = [f"{DETECTION}.{name}" for name in section.detectors or able]
    every = [detecting if each == DETECTION else [each] for each in section.measured]
    return tuple(name for names in every for name in names), given


def digests(study: str, section: StudySection, benches: Mapping[str, Bench]) -> dict[str, str]:
    """The digests of the files that knobs of the attacks name, by the knobs' keys in `params.yaml`."""
    found = {}
    for dataset, bench in benches.items():
        other = section.override(dataset).attacks
        for arm in bench.arms:
            for key, digest in own_files.digests(f"attacks.{arm.attack.name()}", arm.attack.model_dump()).items():
                here = key.rpartition(".")[2] in other.get(arm.attack.name(), {})
                found[f"studies.{study}.overrides.{dataset}.{key}" if here else key] = digest
    return found
