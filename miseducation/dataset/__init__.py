"""The one data type: labelled images, in memory or on the disk."""

from miseducation.dataset.images import Images, blocks, in_blocks
from miseducation.dataset.labelled import Dataset, clean, overlay

__all__ = ["Dataset", "Images", "blocks", "clean", "in_blocks", "overlay"]
