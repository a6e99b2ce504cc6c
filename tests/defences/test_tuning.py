from dataclasses import replace

import numpy as np
import pytest
import torch

from miseducation import networks
from miseducation.dataset import clean
from miseducation.defending import tuning
from miseducation.defending.evidence import Evidence, Model, Trusted
from miseducation.training import fitting

CPU = torch.device("cpu")


def evidence_of(rows: int, seed: int = 3) -> Evidence:
    rng = np.random.default_rng(seed)
    images, labels = rng.integers(0, 256, (rows, 12, 12, 1), dtype=np.uint8), np.arange(rows) % 3
    network = networks.build("cnn", (12, 12, 1), 3, seed=seed).eval()
    return Evidence(images, labels, ("a", "b", "c"), seed, Model(network, images), Trusted(images, labels))


@pytest.mark.parametrize(
    ("name", "layers", "last", "norm"),
    [
        ("cnn", 3, "layers.6", "layers.7"),
        ("resnet9", 8, "layers.7.found.0", "layers.7.found.1"),
        ("resnet18", 20, "layers.layer4.1.conv2", "layers.layer4.1.bn2"),
    ],
)
def test_the_layers_of_our_networks_are_found(name: str, layers: int, last: str, norm: str) -> None:
    network = networks.build(name, (16, 16, 3), 4, seed=1)
    found = tuning.layers(network)
    assert len(found) == layers
    assert found[-1].convolution is network.get_submodule(last)
    assert found[-1].norm is network.get_submodule(norm)
    assert all(layer.norm is not None for layer in found)
    assert all(len(weight) == layer.convolution.out_channels for layer in found for weight in layer.scale)


@pytest.mark.parametrize("norm", [True, False])
def test_a_channel_that_is_cut_says_nothing(norm: bool) -> None:
    modules = torch.nn.Sequential(torch.nn.Conv2d(2, 5, 3), *([torch.nn.BatchNorm2d(5)] if norm else [])).eval()
    (layer,) = tuning.layers(modules)
    layer.cut(torch.tensor([1, 3]))
    said = modules(torch.randn(4, 2, 6, 6, generator=torch.Generator().manual_seed(1))).abs().amax(dim=(0, 2, 3))
    assert (said > 0).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize(("rows", "size", "sizes"), [(10, 5, [5, 5]), (3, 2, [3]), (7, 3, [4, 3]), (1, 50, [1])])
def test_batches_go_through_all_rows_each_epoch(rows: int, size: int, sizes: list[int]) -> None:
    evidence = evidence_of(rows)
    seen = list(tuning.batches(evidence, epochs=2, size=size))
    assert [len(labels) for _, _, labels in seen] == sizes * 2
    assert [done for done, _, _ in seen] == [step / len(sizes) / 2 for step in range(2 * len(sizes))]
    epochs = [torch.cat([images for _, images, _ in seen[start:][: len(sizes)]]) for start in (0, len(sizes))]
    for images in epochs:
        assert sorted(map(bytes, images.numpy())) == sorted(map(bytes, evidence.the_trusted().images))


def test_fine_tuning_is_training_as_everywhere_else() -> None:
    evidence = evidence_of(30)
    knobs = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01}
    tuned = tuning.fine_tune(tuning.copied(evidence), evidence, **knobs)  # type: ignore[arg-type]
    reference, rng = tuning.copied(evidence), torch.Generator().manual_seed(evidence.seed)
    data = clean(*evidence.the_trusted(), evidence.classes)
    fitting.fit(reference, data, **knobs, label_smoothing=0, device=CPU, precision=torch.float32, rng=rng)  # type: ignore[arg-type]
    wanted = reference.state_dict()
    for name, weight in tuned.state_dict().items():
        torch.testing.assert_close(weight, wanted[name], rtol=1e-3, atol=1e-4)


def test_one_trusted_row_is_enough_to_go_on() -> None:
    evidence = evidence_of(5)
    few = replace(evidence, trusted=Trusted(evidence.images[:1], evidence.labels[:1]))
    tuned = tuning.fine_tune(tuning.copied(few), few, epochs=2, batch_size=50, learning_rate=0.01)
    assert all(weight.isfinite().all() for weight in tuned.state_dict().values())
