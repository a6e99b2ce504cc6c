"""How a stage runs as a command: one clear line for the user's mistakes, and no earlier result lost."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something the user gave cannot be used. Its text is shown alone, without a traceback."""


def run(stage: Callable[[], None]) -> None:
    """Runs a stage; on failure puts the stage's earlier outputs back and exits with status 1."""
    try:
        stage()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            _restore()
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        print(f"error: the disk is full{where}; free some space, then repeat the command", file=sys.stderr)
    except BaseException:
        _restore()
        raise
    else:
        return
    _restore()
    sys.exit(1)


def _restore() -> None:
    # DVC deletes a stage's outputs before it starts the command; after a failure only its cache has them.
    name = os.environ.get("DVC_STAGE")
    if name:
        subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", name], check=False, capture_output=True)
