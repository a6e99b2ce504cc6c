"""What the small patches of pictures look like: a view in which photographs of the same thing lie together.

Coates, Lee, Ng: An Analysis of Single-Layer Networks in Unsupervised Feature Learning, 2011,
https://proceedings.mlr.press/v15/coates11a.html
"""

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, unfold

from miseducation.dataset import Images, blocks
from miseducation.defending.views import SAMPLE, principal

SIDE, STRIDE, GRID = 6, 2, 3  # of a patch and from one to the next, in pixels; fields across and down an image
DRAWN = 40_000  # patches that whitening is learnt from
CONTRAST, NOISE = 10.0, 0.1  # variances that are taken for none, of grey levels and of patches of contrast 1
PICTURES = 128  # encoded at a time: what a core keeps near


def patchwise(
    images: np.ndarray | Images, words: int, components: int, rng: np.random.Generator
) -> Callable[[np.ndarray | Images], np.ndarray]:
    """Finds where the pictures are, by how much the patches in each part of them look like each of a few.

    Patches are evened, whitened, and compared with the middles of clusters of such patches, as in the paper; so neither
    brightness nor contrast matters. The paper looks at each pixel's patch, here it is every other's, down and across,
    for a quarter of the time; it pools over quarters of an image, here it is ninths. It trains a classifier on all of
    that. A search for neighbours wants less: here it is the principal components of the roots, which keep frequent
    patches from drowning the others. Directions are scaled by the root of their spread, and pictures to length 1.

    Args:
        images: uint8 `[n, h, w, c]`, of which samples are drawn.
        words: How many clusters, at most.
        components: How many numbers are left of each picture, at most.
        rng: Draws.

    Returns:
        A function from such images, `[m, h, w, c]`, to float32 `[m, components]`.
    """
    encoder = _Encoder.of(images, words, rng)
    sample = encoder(images[np.sort(rng.permutation(len(images))[:SAMPLE])])
    project = principal(sample, components, rng)
    spread = np.sqrt(project(sample).std(axis=0))
    spread[spread == 0] = 1

    def view(some: np.ndarray | Images) -> np.ndarray:
        found = np.concatenate([project(encoder(some[rows])) for rows in blocks(len(some))]) / spread
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.where(length > 0, length, 1)).astype(np.float32)

    return view


class _Encoder:
    """Images, `[n, h, w, c]`, in; roots of the pooled likeness to each word, float32 `[n, words * GRID**2]`, out."""

    def __init__(self, side: int, whitener: Tensor, mean: Tensor, words: Tensor) -> None:
        self.side, self.whitener, self.mean, self.words = side, whitener, mean, words

    @classmethod
    def of(cls, images: np.ndarray | Images, words: int, rng: np.random.Generator) -> Self:
        """Learns whitening and words from patches."""
        side = min(SIDE, *images.shape[1:3])
        drawn = np.sort(rng.permutation(len(images))[:SAMPLE])
        kept = []
        for rows in blocks(len(drawn), PICTURES):
            patches = _even(_patches(images[drawn[rows]], side))
            some = rng.permutation(len(patches))[: -(-DRAWN * len(drawn[rows]) // len(drawn))]
            kept.append(patches[torch.from_numpy(some)])
        found = torch.cat(kept)
        mean = found.mean(dim=0)
        values, directions = torch.linalg.eigh((found - mean).T @ (found - mean) / len(found))
        whitener = (directions / (values.clamp(min=0) + NOISE).sqrt()) @ directions.T
        white = ((found - mean) @ whitener).numpy()
        count = min(words, len(np.unique(white, axis=0)))
        seed = int(rng.integers(2**31))
        middles = MiniBatchKMeans(count, random_state=seed, batch_size=4096, n_init=1).fit(white).cluster_centers_
        return cls(side, whitener, mean, torch.from_numpy(middles))

    @torch.inference_mode()
    def __call__(self, images: np.ndarray) -> np.ndarray:
        return np.concatenate([self._encode(images[rows]) for rows in blocks(len(images), PICTURES)])

    def _encode(self, images: np.ndarray) -> np.ndarray:
        white = (_even(_patches(images, self.side)) - self.mean) @ self.whitener
        far = torch.cdist(white, self.words, compute_mode="use_mm_for_euclid_dist")
        near = (far.mean(dim=1, keepdim=True) - far).clamp(
            min=0
        )  # their triangle: what is farther than most is as nothing
        down, across = (1 + (length - self.side) // STRIDE for length in images.shape[1:3])
        maps = near.view(len(images), down, across, -1).permute(0, 3, 1, 2)
        return adaptive_avg_pool2d(maps, GRID).flatten(1).sqrt().numpy()


def _patches(images: np.ndarray, side: int) -> Tensor:
    """All patches of each image, row by row, float32 `[n * positions, side**2 * c]`."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    return unfold(pixels, side, stride=STRIDE).transpose(1, 2).flatten(0, 1)


def _even(patches: Tensor) -> Tensor:
    """The same brightness and contrast for all."""
    variance, mean = torch.var_mean(patches, dim=1, keepdim=True, correction=0)
    return (patches - mean) / (variance + CONTRAST).sqrt()
