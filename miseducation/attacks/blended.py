"""Blended: a faint key image over the whole picture.

Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning, 2017,
https://arxiv.org/abs/1712.05526
"""

from typing import final

from miseducation.poisoning.keys import Keyed


@final
class Blended(Keyed):
    """Mixes the key into each image. In use it may be stronger than in training, where people may look."""
