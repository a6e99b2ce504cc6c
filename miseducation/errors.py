"""What a user can mend."""


class InputError(ValueError):
    """Something the user gave cannot be used. A stage shows its text alone, without a traceback."""
