"""check: stops before any work is done if `params.yaml` names a part that does not exist or holds a wrong value."""

from stages import command, label_maps, parts
from stages.accounts import AccountsSection
from stages.compare import ComparisonSection
from stages.compute import ComputeSection
from stages.download import DataSection, source
from stages.params import read, read_seed
from stages.poison import AttackSection, attack, channel
from stages.sweep import SweepSection
from stages.track import check_sections
from stages.train import TrainSection


def main() -> None:
    """Reads `params.yaml` as the other stages will; writes nothing."""
    read_seed()  # first, as it says what is wrong with a file that cannot be read at all
    check_sections()
    read(ComputeSection, "compute")
    source(read(DataSection, "data").name)
    section = read(AttackSection, "attack")
    attack(section.name).check_surrogate(there=section.surrogate != "none" or not section.rate)
    channel(section.channel)
    label_maps.check_name(section.label_map)
    read(SweepSection, "sweep").common(section)
    read(AccountsSection, "accounts")
    read(ComparisonSection, "comparison").check()
    parts.check_name("networks", read(TrainSection, "train").network, "train.network")


if __name__ == "__main__":
    command.run(main, check=False)
