"""Small colour pictures whose kind shows in their patches more than in their pixels."""

import numpy as np

KINDS = 3


def textures(rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Stripes down, stripes across and checks, shifted by chance, brighter or darker: uint8 `[n, 16, 16, 3]`, kinds."""
    rng = np.random.default_rng(0)
    kinds = np.arange(rows) % KINDS
    down, across = np.mgrid[:16, :16]
    made = []
    for kind in kinds:
        first, second = ((place + rng.integers(6)) // 3 % 2 for place in (down, across))
        light = [first, second, first ^ second][kind][..., np.newaxis] * rng.uniform(30, 50, 3)
        made.append(light + rng.uniform(0, 180) + rng.normal(0, 3, (16, 16, 3)))
    return np.clip(made, 0, 255).astype(np.uint8), kinds
