"""Looks through all of `params.yaml`, as every stage does before it works."""

from miseducation.attacks import AttackSection, attack, channel
from miseducation.auditing.section import read_audit
from miseducation.datasets import DataSection, source
from miseducation.defending.section import DefencesSection
from miseducation.poisoning import label_maps
from miseducation.poisoning.accounts import AccountsSection
from miseducation.project import parts
from miseducation.project.params import read, read_seed
from miseducation.project.pipelines import check_sections
from miseducation.studies.section import check_studies
from miseducation.training.compute import ComputeSection
from miseducation.training.learning import TrainSection


def check_params() -> None:
    """Reads `params.yaml` as the stages will; writes nothing.

    Raises:
        InputError: If a part does not exist, or a value is wrong.
    """
    read_seed()  # first, as it says what is wrong with a file that cannot be read at all
    check_sections()
    read(ComputeSection, "compute")
    source(read(DataSection, "data").name)
    section = read(AttackSection, "attack")
    attack(section.name).check_surrogate(there=section.surrogate != "none" or not section.rate)
    channel(section.channel)
    label_maps.check_name(section.label_map)
    read(AccountsSection, "accounts")
    read(DefencesSection, "defences").check()
    read_audit()
    check_studies()
    parts.check_name("networks", read(TrainSection, "train").network, "train.network")
