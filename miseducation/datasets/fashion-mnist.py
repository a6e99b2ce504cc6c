"""Fashion-MNIST: 60,000 + 10,000 pictures of clothes, 28×28, grey; made to replace MNIST where that is too easy.

Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, 2017,
https://arxiv.org/abs/1708.07747
"""

from pathlib import Path
from typing import ClassVar, final

from miseducation.datasets.origins.idx import Idx
from miseducation.datasets.origins.originals import Files, Places

PACKAGE = "dataset-fashion-mnist"
INSTALLED = Path("/usr/share/datasets/fashion-mnist")  # where Debian's package puts its files


@final
class FashionMnist(Idx):
    """Fashion-MNIST from your own folder, else from torchvision's mirrors, else from Debian's package."""

    TITLE, MIRRORED = "Fashion-MNIST", "FashionMNIST"
    ORIGIN = "https://arxiv.org/abs/1708.07747"
    LICENCE = "MIT"
    CLASSES = (
        *("t-shirt", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle-boot"),
    )
    CHECKSUMS: ClassVar[dict[str, str]] = {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }
    BY_HAND = f"install Debian's package {PACKAGE}, or put the four original files into a folder"

    def sources(self) -> Places:
        return [*super().sources(), (f"Debian's package {PACKAGE}", self._read_installed)]

    def _read_installed(self) -> Files:
        if not INSTALLED.is_dir():
            raise FileNotFoundError("is not installed")
        return self.read_folder(INSTALLED)
