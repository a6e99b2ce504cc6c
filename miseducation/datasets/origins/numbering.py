"""What is wrong with the user's arrays of labels, and the way out: an expression that makes the right ones of them.

It is given only where the labels leave no doubt what is meant, so that each image keeps its class. Both splits are
looked at together: a number has to mean the same class in both.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from miseducation.dataset.names import fault, seen

UNIQUE = "np.unique({}, return_inverse=True)[1]"
PLACES = "the places of the names in classes, counted from 0"


class Labels:
    """A split's labels on the way to whole numbers.

    Attributes:
        name: What the array is called.
        array: It, as it was found.
        rows: The number of images that it is for.
        classes: The names of the classes, if there are any.
        text: The expression that makes the labels `now` of it.
        now: `[n]`, as far as one can know what they mean; None where they are not one for each image.
    """

    def __init__(self, name: str, array: np.ndarray, rows: int, other: np.ndarray, classes: Sequence[str]) -> None:
        """`other` is the other split's array: digits are names, where it takes both splits to see it."""
        self.name, self.array, self.rows, self.text, self.classes = name, array, rows, name, classes
        self.now: np.ndarray | None = None
        if array.shape in ((rows,), (rows, 1)):
            self.now = array.reshape(-1)
        elif array.size == rows == max(array.shape, default=0):
            self.text, self.now = f"{name}.reshape(-1)", array.reshape(-1)
        elif array.ndim == 2 and len(array) == rows and _marks_one(array):
            self.text, self.now = f"{name}.argmax(axis=1)", array.argmax(axis=1)
        if self.now is not None and self.now.dtype.kind not in "iu" and _are_whole(self.now, other, classes):
            self.text, self.now = f"{self.text}.astype('int64')", self.now.astype(np.int64)

    @property
    def found(self) -> str:
        """What the array is, for messages."""
        return f"{self.name} is {self.array.dtype} {list(self.array.shape)}"


def count(labels: np.ndarray) -> int:
    """For how many images there are labels."""
    return labels.size if labels.size == max(labels.shape, default=0) else len(labels) if labels.ndim else 0


def check(labels: Labels, other: Labels) -> Iterator[str]:
    """What is wrong with the labels of a split."""
    if labels.now is None:
        yield f"{labels.found}, must be [{labels.rows}], a label per image"
        return
    kind = labels.now.dtype.kind
    if kind not in "iuUS":
        yield f"{labels.found}, must be whole numbers"
        return
    values, classes = np.unique(labels.now).tolist(), labels.classes
    others = [] if other.now is None or other.now.dtype.kind not in "iuUS" else np.unique(other.now).tolist()
    agree = values == others
    if kind in "iu":
        numbers = {*values, *(each for each in others if isinstance(each, int))}
        yield from _numbered(labels, sorted(numbers), agree=agree)
    elif not agree:
        yield f"{labels.found}, must be whole numbers; {labels.name} and {other.name} do not hold the same names"
    elif not classes or list(classes) == values:
        named = kind == "U" and not any(map(fault, values)) and len({*map(seen, values)}) == len(values)
        means = f" with classes = np.unique({labels.text})" if named and not classes else ""
        yield f"{labels.found}, must be whole numbers{means}: {UNIQUE.format(labels.text)}"
    else:
        yield f"{labels.found}, must be whole numbers, {PLACES}"


def _numbered(labels: Labels, numbers: list[int], *, agree: bool) -> Iterator[str]:
    """What is wrong with whole numbers; `numbers` are those of both splits, which may `agree` in them."""
    assert labels.now is not None
    if not labels.rows:
        return
    low, high, last, classes = int(labels.now.min()), int(labels.now.max()), len(numbers) - 1, labels.classes
    # Names that are numbers may be meant instead of places, unless it is the same.
    clear = list(classes) == [*map(str, numbers)] or not any(_reads_as(each, numbers) for each in classes)
    way = ""
    if clear and agree and last > 0 and numbers == [*range(1, last + 2)] and len(classes) in (0, len(numbers)):
        way = f"{labels.text} - 1"
    elif agree and last > 0 and low >= 0 and not classes and high > last:
        way = UNIQUE.format(labels.text)
    elif clear and low >= 0 and high < (len(classes) or len(numbers)) and labels.text != labels.name:
        way = labels.text
    if labels.text != labels.name:
        must = f"{labels.found}, must be whole numbers [{labels.rows}] from 0 on"
        yield f"{must}: {way}" if way else f"{must}, {PLACES}" if classes else must
    elif way:
        yield f"{labels.name} holds {last + 1} numbers from {low} to {high}, must be 0 to {last}: {way}"
    elif low < 0:
        yield f"{labels.name} holds {low}, must be 0 or more"
    elif high >= labels.rows:  # before as many names are made as such labels stand for
        most = f"of which {labels.rows} images show at most {labels.rows}"
        yield f"{labels.name} holds {high}, labels must be 0 to K-1 for K classes, {most}"


def _marks_one(rows: np.ndarray) -> bool:
    """Whether each row of an array, `[n, K]`, marks one class by a 1 among zeros."""
    if rows.dtype.kind not in "biuf" or rows.shape[1] < 2:
        return False
    return bool(((rows == 0) | (rows == 1)).all() and ((rows == 1).sum(axis=1) == 1).all())


def _reads_as(name: str, numbers: list[int]) -> bool:
    """Whether the name of a class stands for one of the numbers."""
    try:
        return float(name) in numbers
    except ValueError:
        return False


def _are_whole(labels: np.ndarray, other: np.ndarray, classes: Sequence[str]) -> bool:
    """Whether labels, `[n]`, of another type than whole numbers stand for such."""
    if labels.dtype.kind == "f":
        return bool((np.abs(labels.astype(np.float64)) < 2**53).all() and (labels == labels.round()).all())
    if labels.dtype.kind in "US":
        texts = {*labels.tolist(), *(np.ravel(other).tolist() if other.dtype.kind == labels.dtype.kind else [])}
        digits = all(each.isdigit() and each.isascii() and len(each) < 16 for each in texts)
        return digits and len({*map(int, texts)}) == len(texts) and not texts <= {*classes}
    return labels.dtype.kind == "b"
