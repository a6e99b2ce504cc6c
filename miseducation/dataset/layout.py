"""Which axis of an array of images holds the channels: told by the shape, as the numbers do not say."""


def channels_first(shape: tuple[int, ...]) -> bool | None:
    """Whether images of this shape have their channels first, instead of last; None where it might be either.

    It is true only where the other reading makes no sense, such as 3×32 pixels of 32 channels, and false only where
    the channels are few, or the image is square or otherwise the more usual one.

    >>> [channels_first(shape) for shape in [(3, 32, 32), (12, 64, 64), (8, 8, 3), (5, 5, 32), (9, 12, 12), (8, 8, 8)]]
    [True, True, False, False, None, None]
    """
    first, second, last = shape
    if last <= 4 or second <= 4:  # grey, RGB, with opacity; or tiny
        return None if 3 <= first <= last and second > 4 else False
    if first == second != last:
        return False
    less, more = sorted((second, last))
    if first <= 4:
        return True if more <= 4 * less else None  # a long strip may be a signal
    if second == last:
        return True if 2 * first <= second or first >= 4 * second else None
    if 4 * first <= less and more <= 2 * less:
        return True
    return None if first <= last or (first >= 4 * second and more <= 2 * less) else False


def doubt(name: str, shape: tuple[int, ...]) -> str | None:
    """What to say of an array, `[n, h, w, c]` or `[h, w, c]`, if its channels might come first; it goes on in use."""
    if channels_first(shape[-3:]) is not None:
        return None
    height, width, channels = shape[-3:]
    read = f"{name} is read as {height}×{width} pixels of {channels} channels"
    if len(shape) == 3:
        return f"{read}. If it is [c, h, w]: np.moveaxis({name}, 0, -1)"
    return f"{read}. If it is [n, c, h, w]: np.moveaxis({name}, 1, -1)"
