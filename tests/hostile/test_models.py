"""A model folder that a stranger made is refused in a line that names its file, before it takes memory or runs code."""

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from miseducation import networks
from miseducation.errors import InputError
from miseducation.poisoning.surrogate import Surrogate
from miseducation.project.files import write_json
from tests.hostile.forged import models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    networks.save(networks.build("cnn", (12, 12, 1), 3, seed=0), tmp_path / "model")
    write_json(tmp_path / "model/training.json", {"device": "cpu", "precision": "float32", "threads": 1})
    return tmp_path / "model"


def refusal(folder: Path, name: str, load: Any = networks.load) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError) as error:
        load(folder)
    for line in str(error.value).splitlines():
        assert line.startswith(f"{folder / name}")
        assert line.isprintable()
        assert "params.yaml" not in line
        assert len(line) < len(str(folder)) + 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000, "kB"


@pytest.mark.parametrize("edit", models.DESCRIPTIONS.values(), ids=models.DESCRIPTIONS)
def test_a_description_that_is_none_is_refused(folder: Path, edit: models.Edit) -> None:
    edit(folder)
    refusal(folder, "network.json")


@pytest.mark.parametrize("edit", models.WEIGHTS.values(), ids=models.WEIGHTS)
def test_weights_that_are_not_of_this_network_are_refused(folder: Path, edit: models.Edit) -> None:
    edit(folder)
    refusal(folder, "model.safetensors")


@pytest.mark.parametrize("edit", models.TRAINING.values(), ids=models.TRAINING)
def test_what_is_wrong_in_how_an_attackers_model_was_trained_is_no_mistake_in_the_parameters(
    folder: Path, edit: models.Edit
) -> None:
    edit(folder)
    refusal(folder, "training.json", Surrogate.load)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_warned_of(folder: Path, value: float) -> None:
    models.weighed(lambda weights: weights[models.first(weights)].view(-1)[0].fill_(value))(folder)
    with pytest.warns(UserWarning, match=f"^{folder / 'model.safetensors'} contains weights that are not finite"):
        assert not networks.load(folder).training


def test_a_network_from_elsewhere_is_loaded_and_takes_nothing_from_the_global_generator(folder: Path) -> None:
    """Or the tests above would prove nothing."""
    state = torch.random.get_rng_state()
    loaded = networks.load(str(folder))
    assert torch.equal(state, torch.random.get_rng_state())
    assert (loaded.shape, loaded.classes, loaded.training) == ((12, 12, 1), 3, False)
    assert isinstance(Surrogate.load(folder), Surrogate)
