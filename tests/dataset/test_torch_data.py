"""Data sets of torch and torchvision, as people have them, come in through `Dataset.from_torch`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Subset, random_split
from torchvision import datasets, transforms
from torchvision.transforms import v2

from miseducation import Dataset
from miseducation.errors import InputError

FAKE: dict[str, Any] = {"size": 6, "image_size": (3, 8, 9), "num_classes": 3}
TRANSFORMS = {
    "PIL images": None,
    "tensors": transforms.ToTensor(),
    "version 2": v2.ToImage(),
    "version 2, floats": v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]),
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for label, level in (("cat", 7), ("dog", 9)):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(np.full((4 + i, 6, 3), level, np.uint8)).save(tmp_path / label / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_torchvisions_data_sets_come_by_name_or_as_they_are(transform: str) -> None:
    plain = datasets.FakeData(**FAKE)
    made = Dataset.from_torch(datasets.FakeData(**FAKE, transform=TRANSFORMS[transform]))
    named = Dataset.from_torch("FakeData", **FAKE, transform=TRANSFORMS[transform])
    for read in (made, named):
        np.testing.assert_array_equal(read.images, np.stack([np.asarray(image) for image, _ in plain]))
        assert read.labels.tolist() == [label for _, label in plain]


def test_a_folder_of_pictures_comes_with_its_classes(pictures: Path) -> None:
    data = Dataset.from_torch("ImageFolder", root=pictures, transform=transforms.Resize((4, 4)))
    assert data.images.shape == (6, 4, 4, 3)
    assert data.images[:, 0, 0, 0].tolist() == [7, 7, 7, 9, 9, 9]
    assert data.classes == ("cat", "dog")
    whole = datasets.ImageFolder(pictures, transform=transforms.Resize((4, 4)))
    for part in (Subset(whole, [0, 5]), random_split(whole, [2, 4])[0], Subset(Subset(whole, [0, 5]), [1])):
        assert Dataset.from_torch(part).classes == ("cat", "dog")


def test_pictures_of_many_sizes_are_refused_at_the_first(pictures: Path) -> None:
    with pytest.raises(InputError, match=r"the same size, not \(4, 6, 3\), \(5, 6, 3\); resize them with a transform"):
        Dataset.from_torch("ImageFolder", root=pictures)
    late = transforms.Compose([transforms.ToTensor(), transforms.Resize((3, 4))])
    with pytest.raises(InputError, match="resize before ToTensor"):
        Dataset.from_torch("FakeData", **FAKE, transform=late)


@pytest.mark.parametrize("name", ["Fake", "fakedata", "", "os", "__file__", "utils", "wrap_dataset_for_transforms_v2"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"^torchvision.datasets has no '{name}'; allowed: .*CIFAR10, "):
        Dataset.from_torch(name)
    with pytest.raises(InputError, match=r"^root: these options are only allowed with the name"):
        Dataset.from_torch(datasets.FakeData(**FAKE), root="x")


@pytest.mark.parametrize("label", [np.zeros((50, 2)), torch.eye(9), {"boxes": "x" * 9999}, "cat\x1b[2J", 0.5, None])
def test_a_label_that_is_no_number_is_shown_in_one_line(label: Any) -> None:
    with pytest.raises(InputError, match=r"^label 0 is .*; allowed: a whole number$") as refused:
        Dataset.from_torch([(torch.zeros(1, 4, 4), label)])  # type: ignore[arg-type]
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 300
