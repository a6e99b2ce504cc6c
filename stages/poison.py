"""poison: puts the trigger and the attacker's label on a share of the training rows, and on the whole test set."""

from pathlib import Path

import numpy as np

from miseducation.attacks import AttackSection, attack, channel
from miseducation.check import check_params
from miseducation.dataset.disk import load_raw, save_poisoned, save_triggered
from miseducation.poisoning import label_maps
from miseducation.poisoning.poison import check_dose
from miseducation.project import command, own_files
from miseducation.project.params import read, read_seed

RAW, POISONED, MODELS = Path("data/raw"), Path("data/poisoned"), Path("models")


def main() -> None:
    """Reads `params.yaml`, `data/raw` and perhaps a clean model; writes `data/poisoned`."""
    section, seed = read(AttackSection, "attack"), read_seed()
    chosen, train, test = attack(section.name), load_raw(RAW, "train"), load_raw(RAW, "test")[:]
    label_map = label_maps.build(section.label_map, section.target, section.source, train.classes)
    digests = own_files.digests(f"attacks.{section.name}", chosen.model_dump())  # first: tells what changes meanwhile
    surrogate = None
    if chosen.needs_surrogate and section.surrogate != "none":
        from miseducation.poisoning.surrogate import Surrogate  # torch, which other attacks need not wait for

        surrogate = Surrogate.load(MODELS / section.surrogate)

    poison = chosen.poison_rows(
        train,
        rate=section.rate,
        label_map=label_map,
        rng=np.random.default_rng(seed),
        mode=section.mode,
        cover=section.cover,
        channel=channel(section.channel),
        surrogate=surrogate,
    )
    if chosen.has_trigger:
        check_dose(poison, label_map, section.rate, len(train))
    rows, poisoned, roles = poison
    triggered = chosen.trigger(test, label_map=label_map)
    save_poisoned(POISONED, rows, poisoned, roles=roles, added=section.mode == "add")
    save_triggered(POISONED, *triggered, digests)
    done, among = {"replace": ("changed", "of"), "add": ("added", "to")}[section.mode]
    counts = ", ".join(f"{(roles == role).sum()} {role}" for role in dict.fromkeys(["poison", *roles.tolist()]))
    relabelled = f"; {poison.relabelled or 'none'} with another label" if len(rows) else ""
    print(f"{section.name}: {done} {counts} rows {among} {len(train)}{relabelled}")


if __name__ == "__main__":
    command.run(main, check=check_params)
