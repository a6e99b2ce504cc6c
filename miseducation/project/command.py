"""How a stage runs as a command: one clear line for the user's mistakes, and no earlier result lost."""

import errno
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable

from miseducation.errors import InputError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def run(stage: Callable[[], None], *, check: Callable[[], None] = lambda: None) -> None:
    """Runs a stage; on failure puts the stage's earlier outputs back and exits with status 1.

    `check` looks through all of `params.yaml` before: so a mistake in what a later stage reads stops the pipeline, too.
    """
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"  # without a line of our code
    gc.set_threshold(100_000)  # importing makes many objects and no rubbish: a quarter of a second less in most stages
    try:
        check()
        stage()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        if error.errno not in DISK_FULL:
            _restore()
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        print(f"error: the disk is full{where}; free some space, then repeat the command", file=sys.stderr)
    except BaseException:
        _restore()
        raise
    else:
        # Or all that torch and MLflow have loaded is searched for rubbish at exit: up to half a second. Only Triton,
        # which comes with torchvision, complains of what is left over then.
        if "triton" not in sys.modules:
            gc.freeze()
        return
    _restore()
    sys.exit(1)


def end_with(starter: int) -> None:
    """Makes this process leave Ctrl-C to the one that started it, and end when that does, however it came about."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _restore() -> None:
    # DVC deletes a stage's outputs before it starts the command; after a failure only its cache has them.
    name = os.environ.get("DVC_STAGE")
    if name and os.environ.get("RANK", "0") == "0":  # of the processes that train together, one will do
        subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet", name], check=False, capture_output=True)
