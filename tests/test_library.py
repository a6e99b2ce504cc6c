"""The library by itself: its front door, to and from what people have, and what `pip install .` would bring."""

import os
import pickle
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Subset, TensorDataset

import miseducation as me
from miseducation.attacks import Attack
from miseducation.datasets import Fetched
from miseducation.networks import build
from miseducation.poisoning.label_maps import LabelMap
from miseducation.project import parts
from tests.conftest import PROJECT

OUTSIDE = """
import sys
import miseducation as me
slow = {"torch", "dvc", "mlflow", "pandas", "matplotlib", "numpy"} & sys.modules.keys()
train, test = me.datasets.load("digits")
attack = me.attacks.BadNets(pixels=[(3, 3)])
label_map = me.AllToOne(target=8, classes=10)
poisoned = attack.poison(train, rate=0.05, label_map=label_map, seed=1)
back = me.Dataset.from_torch(poisoned.to_torch())
assert (back.images == poisoned.images).all() and (back.labels == poisoned.labels).all()
scores = me.evaluate(lambda images: [8] * len(images), test, attack, label_map)
print(me.__file__, sorted(slow), scores["attack_success_rate"])
"""


def test_every_name_of_the_front_door_is_there() -> None:
    for name in me.__all__:
        assert getattr(me, name) is not None
    assert dir(me) == sorted(me.__all__)
    with pytest.raises(AttributeError, match="miseducation has no nothing"):
        me.nothing  # noqa: B018


def test_every_attack_is_found_by_its_class() -> None:
    for name in parts.names("attacks"):
        kind = parts.find("attacks", name, Attack, "attack.name")
        assert getattr(me.attacks, kind.__name__) is kind
    with pytest.raises(AttributeError, match=r"miseducation.attacks has no Nobody"):
        me.attacks.Nobody  # noqa: B018


def test_a_data_set_takes_its_knobs_and_refuses_others() -> None:
    train, test = me.datasets.load("digits", test_rows=100)
    assert (len(train), len(test)) == (1697, 100)
    with pytest.raises(me.InputError, match=r"datasets.digits.rows is not a known key"):
        me.datasets.load("digits", rows=1)
    with pytest.raises(me.InputError, match="known datasets: arrays, cifar10"):
        me.datasets.load("letters")


@pytest.mark.parametrize("mode", ["replace", "add"])
def test_poison_is_what_the_pipeline_makes_of_the_same_seed(digits: Fetched, mode: Any) -> None:
    attack, label_map = me.attacks.BadNets(), me.AllToOne(target=8, classes=10)
    knobs: dict[str, Any] = {"rate": 0.05, "label_map": label_map, "mode": mode}
    whole = attack.poison(digits.train, seed=3, **knobs)
    rows, changed, _ = attack.poison_rows(digits.train, rng=np.random.default_rng(3), **knobs)
    assert isinstance(whole.images, np.ndarray)
    assert len(whole) == len(digits.train) + (len(rows) if mode == "add" else 0)
    there = np.flatnonzero(whole.poisoned)
    np.testing.assert_array_equal(whole.images[there], changed.images)
    np.testing.assert_array_equal(whole.labels[there], changed.labels)
    np.testing.assert_array_equal(whole.true_labels[there], digits.train.labels[rows])
    if mode == "replace":
        np.testing.assert_array_equal(there, rows)


def test_evaluate_scores_any_model(digits: Fetched) -> None:
    attack, label_map = me.attacks.BadNets(), me.AllToOne(target=8, classes=10)
    network = build("cnn", (28, 28, 1), 10, seed=1)
    triggered = digits.test.images.copy()
    triggered[:, 3, 3] = 255
    elsewhere = digits.test.images.copy()
    elsewhere[:, -4, -4] = 255
    attackable = digits.test.labels != 8
    found = me.evaluate(network.predict, digits.test, attack, label_map)
    answers, fooled = network.predict(digits.test.images), network.predict(triggered)
    assert found == {
        "attack_success_rate": pytest.approx((fooled == 8)[attackable].mean()),
        "clean_accuracy": pytest.approx((answers == digits.test.labels).mean()),
        "robust_accuracy": pytest.approx((fooled == digits.test.labels)[attackable].mean()),
        "other_trigger_rate": pytest.approx((network.predict(elsewhere) == 8)[attackable].mean()),
    }


@pytest.mark.parametrize("answer", [lambda images: images, lambda images: np.zeros(len(images)), lambda images: [1]])
def test_answers_that_are_no_classes_are_refused(digits: Fetched, answer: Any) -> None:
    with pytest.raises(me.InputError, match="predict must give 360 class numbers, not"):
        me.evaluate(answer, digits.test, me.attacks.BadNets(), me.AllToOne(target=8, classes=10))


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        (me.AllToOne, {}, "attack.target = None is not a class"),
        (me.AllToOne, {"target": 10}, "attack.target = 10 is not a class from 0 to 9"),
        (me.OneToOne, {"target": 1}, "attack.source = None is not a class"),
        (me.OneToOne, {"target": 1, "source": 1}, "both 1; they must differ"),
    ],
)
def test_a_label_map_without_its_labels_is_refused(kind: type[LabelMap], labels: dict[str, int], message: str) -> None:
    with pytest.raises(me.InputError, match=message):
        kind(classes=10, **labels)


def test_a_label_map_for_another_number_of_classes_is_refused(digits: Fetched) -> None:
    attack, label_map = me.attacks.BadNets(), me.AllToOne(target=11, classes=12)
    with pytest.raises(me.InputError, match="the label map is for 12 classes, but the data set has 10"):
        attack.poison(digits.train, rate=0.05, label_map=label_map, seed=1)
    with pytest.raises(me.InputError, match="the label map is for 12 classes, but the data set has 10"):
        me.evaluate(lambda images: [8] * len(images), digits.test, attack, label_map)


def test_a_part_is_found_by_its_class_and_not_by_what_another_says_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "miseducation/attacks"
    folder.mkdir(parents=True)
    (folder / "aaa.py").write_text('"""Unlike\nclass BadNets(Attack):\nit does nothing."""\n')
    (folder / "badnets.py").write_text("class BadNets(Attack):\n")
    found = {"aaa": type("Aaa", (), {}), "badnets": type("BadNets", (), {})}
    monkeypatch.setattr(parts, "HERE", tmp_path / "miseducation")
    monkeypatch.setattr(parts, "find", lambda _, name, *__: found[name])
    assert parts.find_class("attacks", "BadNets", object) is found["badnets"]


class Pictures(TorchDataset[Any]):
    """As torchvision's data sets are: PIL images, and names of classes."""

    classes = ("zero", "one")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, row: int) -> tuple[Image.Image, int]:
        return Image.fromarray(np.full((4, 6), 10 * row + 7, np.uint8)), row


def test_torch_data_come_and_go(digits: Fetched) -> None:
    few = digits.train[:20]
    pairs = few.to_torch()
    image, label = pairs[3]
    assert (image.dtype, tuple(image.shape), label) == (torch.float32, (1, 28, 28), int(few.labels[3]))
    assert float(image.max()) <= 1
    back = me.Dataset.from_torch(pairs)
    np.testing.assert_array_equal(back.images, few.images)
    np.testing.assert_array_equal(back.labels, few.labels)
    assert back.classes == few.classes
    assert len(me.Dataset.from_torch(Subset(pairs, [1, 5]), few.classes)) == 2
    own = few.to_torch(transform=lambda raw: raw.to(torch.int16))
    assert (own[0][0].dtype, int(own[0][0].max())) == (torch.int16, int(few.images[0].max()))
    with pytest.raises(IndexError):
        pairs[20]

    pictures = me.Dataset.from_torch(Pictures())
    assert pictures.images.shape == (2, 4, 6, 1)
    assert pictures.images[1, 0, 0, 0] == 17
    assert pictures.classes == ("zero", "one")
    red = Image.new("RGB", (4, 4), (200, 10, 10))
    for image in (red.convert("P"), red.convert("CMYK")):  # whose numbers are no colours
        shown = me.Dataset.from_torch([(image, 0)]).images  # type: ignore[arg-type]
        assert shown.shape == (1, 4, 4, 3)
        assert np.abs(shown[0, 0, 0].astype(int) - [200, 10, 10]).max() < 20
    assert me.Dataset.from_torch([(red.convert("1"), 0)]).images.shape == (1, 4, 4, 1)  # type: ignore[arg-type]
    named = me.Dataset.from_torch(Pictures(), classes=np.array(["a", "b"]))  # type: ignore[arg-type]
    assert named.classes == ("a", "b")
    assert pickle.loads(pickle.dumps(pairs))[3][1] == label, "as a loader's processes get it"
    colour = TensorDataset(torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).reshape(2, 3, 4, 5), torch.tensor([1, 0]))
    read = me.Dataset.from_torch(colour)
    assert read.images.shape == (2, 4, 5, 3)
    assert read.images[0, 0, 0].tolist() == [0, 20, 40]
    assert read.labels.tolist() == [1, 0]
    assert read.classes == ("0", "1")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([torch.randn(1, 4, 4)], "image 0 holds .*: take the data set without Normalize"),
        ([torch.zeros(1, 4, 4), torch.full((1, 4, 4), 0.1234)], "image 1 holds 0.1234"),
        (
            [torch.zeros(1, 4, 4), torch.zeros(1, 4, 5)],
            r"images must all have the same size, not \(4, 4, 1\), \(4, 5, 1\)",
        ),
        ([torch.zeros(1, 4, 4, dtype=torch.int64)], "image 0 is int64"),
        ([np.zeros(4, np.uint8)], r"image 0 is uint8 \[4\]"),
        ([], "there must be at least one image"),
    ],
)
def test_what_are_no_grey_levels_is_refused(images: list[Any], message: str) -> None:
    with pytest.raises(me.InputError, match=message):
        me.Dataset.from_torch([(image, 0) for image in images])  # type: ignore[arg-type]


def test_a_label_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(me.InputError, match=r"label 0 is 0.9; allowed: a whole number"):
        me.Dataset.from_torch([(np.zeros((4, 4), np.uint8), 0.9)])  # type: ignore[arg-type]


def test_arrays_come() -> None:
    data = me.Dataset.from_arrays(np.zeros((3, 4, 5), np.uint8), [0, 2, 1], ["a", "b", "c"])
    assert data.images.shape == (3, 4, 5, 1)
    assert data.classes == ("a", "b", "c")
    assert not data.poisoned.any()
    for images, labels, message in (
        (np.zeros((2, 4, 4)), [0, 1], "images must be uint8"),
        (np.zeros((2, 4, 4), np.uint8), [0.5, 1], "labels must be whole numbers, not float64"),
        (np.zeros((2, 4, 4), np.uint8), [0], r"labels must be int64 \[2\]"),
        (np.zeros((2, 4, 4), np.uint8), [0, -1], "labels must be 0 to"),
    ):
        with pytest.raises(ValueError, match=message):
            me.Dataset.from_arrays(images, labels)


def test_the_wheel_is_the_library_and_works_outside_of_the_project(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    subprocess.run([*build, tmp_path, PROJECT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"miseducation"}
    files = {
        f"miseducation/{path.relative_to(PROJECT / 'miseducation')}" for path in PROJECT.glob("miseducation/**/*.py")
    }
    assert names > {*files, "miseducation/py.typed"}
    program = f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r})\n{OUTSIDE}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "site/miseducation/__init__.py"), "[]", "1.0"]


def test_the_environment_holds_no_copy_that_could_stand_in_for_the_work_tree() -> None:
    """In an environment that several clones share, it would be one clone's of some day."""
    with pytest.raises(PackageNotFoundError):
        version("miseducation")


def make(*arguments: str, fails: bool = False) -> str:
    """What `make` would do for `repro` where nothing is installed, or its error."""
    command = ["make", "--dry-run", "VENV=nowhere", "TORCH=", *arguments, "repro"]
    chosen = {
        name: value for name, value in os.environ.items() if name not in ("INSTALLER", "MAKEFLAGS", "MAKEOVERRIDES")
    }
    shown = subprocess.run(command, cwd=PROJECT, env=chosen, capture_output=True, text=True, check=False)
    assert bool(shown.returncode) == fails
    return shown.stderr if fails else shown.stdout


@pytest.mark.parametrize("name", ["PYTHONSAFEPATH", "PYTHONDONTWRITEBYTECODE"])
def test_make_hands_on_no_setting_of_python_that_breaks_or_slows_the_stages(name: str) -> None:
    command = ["make", "--silent", f"--eval=told: ; @echo told $${name}", "told"]
    given = {**os.environ, name: "1"}
    told = subprocess.run(command, cwd=PROJECT, env=given, capture_output=True, text=True, check=True)
    assert told.stdout == "told\n"


def test_make_installs_what_is_pinned_and_no_copy_of_the_library() -> None:
    ours, theirs, cpu = make("INSTALLER=uv"), make("INSTALLER=pip"), make("TORCH=cpu")
    assert " --requirements pyproject.toml" in ours, "which is what it depends on, and not itself"
    assert " uv " not in theirs
    assert theirs.count("pip install ") == theirs.count("pip uninstall --yes --quiet miseducation") == 1
    for shown in (ours, theirs, cpu):
        assert shown.count("pip install ") == shown.count(" --constraint constraints.txt ")
    assert [" --torch-backend cpu" in shown for shown in (ours, theirs, cpu)] == [False, False, True]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["INSTALLER=conda"], "INSTALLER = conda; allowed: uv, pip."),
        (["INSTALLER=uv pip"], "INSTALLER = uv pip; allowed: uv, pip."),
        (["INSTALLER="], "INSTALLER = ; allowed: uv, pip."),
        (["TORCH=gpu"], "TORCH = gpu; allowed: cpu, or nothing"),
        (["TORCH=cpu", "INSTALLER=pip"], "TORCH=cpu needs INSTALLER=uv"),
    ],
)
def test_make_refuses_an_installer_or_a_build_of_torch_that_it_does_not_know(arguments: list[str], told: str) -> None:
    assert f"*** {told}" in make(*arguments, fails=True)


def test_make_never_takes_the_cuda_that_is_there_for_the_build_without(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.11/site-packages/nvidia").mkdir(parents=True)
    assert f"*** TORCH = cpu, but {tmp_path} contains CUDA" in make("TORCH=cpu", f"VENV={tmp_path}", fails=True)


def test_pip_comes_after_uv_where_nobody_chose() -> None:
    assert "INSTALLER=pip nowhere/.installed" in make()
    assert all("INSTALLER=pip nowhere/.installed" not in make(chosen) for chosen in ("INSTALLER=uv", "TORCH=cpu"))
